"""Speaker verification with losses on speaker basis vectors (Heo et al. 2019).

The rooms are subpackages, imported on demand: `kaldi_feats`, `ivector`, `models`, `losses`,
`train`, `evaluate` and `verify`. The modules of this folder are the ground floor that all of them
stand on.
"""

import importlib

__version__ = "0.2.0"

ROOMS = ("kaldi_feats", "ivector", "models", "losses", "train", "evaluate", "verify")


def __getattr__(name: str):
    if name in ROOMS:  # on demand: Keras takes seconds to import
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *ROOMS])
