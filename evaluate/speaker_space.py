"""Where training speakers lie among each other: their bases, and the cosines between means."""

import numpy as np

from ..backend import load_keras
from ..command_line import InputError
from ..run_dir import RunDir

_PAIR_BLOCK = 1024


def load_bases(run: RunDir) -> np.ndarray:
    """The columns of W as rows: (speakers, dim).

    Raises:
        InputError: if the system is not complete, has no bases (GE2E), or has them behind layers
            that its embeddings have not gone through (x-vector).
    """
    if not run.model.is_file():
        raise InputError(f"{run.model}: missing; finish the training first (stage 2)")
    load_keras()
    from .. import losses  # noqa: F401  what a whole model holds must be registered
    from ..models.saving import load_model

    model = load_model(run.model)
    try:
        layer = model.get_layer("bases")
    except ValueError:
        raise InputError(f"{run.model}: has no layer 'bases'; take another system") from None
    if any(each.name == "head" for each in model.layers):
        raise InputError(
            f"{run.model}: its bases do not lie among its embeddings, the layers of its head are "
            "between them; take another system"
        )
    return np.asarray(layer.bases, dtype=np.float32).T


def impostor_cosines(means: np.ndarray) -> np.ndarray:
    """cos(c_i, c_j) of every pair of speakers i < j: (speakers (speakers - 1) / 2,) float32.

    Args:
        means: (speakers, dim), no row all zeros.
    """
    unit = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    parts = []
    for start in range(0, len(unit), _PAIR_BLOCK):
        cosines = unit[start : start + _PAIR_BLOCK] @ unit[start:].T
        parts.append(cosines[np.triu_indices(len(cosines), 1, cosines.shape[1])])
    return np.concatenate(parts)
