"""Mel-frequency cepstra as Kaldi's compute-mfcc-feats computes them."""

import os

import kaldi_native_fbank as knf

from ...command_line import InputError
from ..fbank.features import Extractor, set_common
from ..fbank.options import DEFAULTS, Value, read_options

_OF_FBANK_ALONE = ("use-log-fbank", "use-power")

MFCC_DEFAULTS: dict[str, Value] = {
    **{name: value for name, value in DEFAULTS.items() if name not in _OF_FBANK_ALONE},
    "use-energy": True,
    "num-ceps": 13,
    "cepstral-lifter": 22.0,
}
"""Kaldi's (compute-mfcc-feats --help)."""


class Mfcc(Extractor):
    """Computes cepstra from samples.

    With ``use-energy``, Kaldi's default, the first number of a frame is its log energy.

    Args:
        options: every option's value, as `read_mfcc_options` returns them.

    Source: Kaldi's src/feat/feature-mfcc.cc.
    """

    def __init__(self, options: dict):
        native = knf.MfccOptions()
        set_common(native, options)
        native.num_ceps = options["num-ceps"]
        native.cepstral_lifter = options["cepstral-lifter"]
        super().__init__(lambda: knf.OnlineMfcc(native), options["sample-frequency"])


def read_mfcc_options(path: str | os.PathLike) -> dict[str, Value]:
    """Read an option file of compute-mfcc-feats, such as ``conf/mfcc.conf``.

    Raises:
        InputError: as `read_options`, or more cepstra than mel bins.
    """
    options = read_options(path, MFCC_DEFAULTS, "--mfcc-config")
    if options["num-ceps"] > options["num-mel-bins"]:
        raise InputError(
            f"{path}: --num-ceps {options['num-ceps']} must not be above --num-mel-bins "
            f"{options['num-mel-bins']}"
        )
    return options
