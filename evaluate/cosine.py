"""Cosine scoring, the back-end of the paper's Table 2."""

import numpy as np

_BLOCK_VALUES = 8_000_000
"""Values gathered at a time from each side: 32 MB of float32."""


def cosine_scores(embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The cosine of the angle between the two embeddings of every trial.

    Trials go through in blocks, so that beside the embeddings themselves only a few dozen
    megabytes are needed, however long the list.

    Args:
        embeddings: (utterances, dim) float32 or float64, finite, no row all zeros.
        enrol: (trials,) int, the row of each trial's first utterance.
        test: (trials,) int, the row of the second.

    Returns:
        (trials,) float64, from -1 to 1; the same for (a, b) as for (b, a).

    Raises:
        ValueError: for an embedding that is zero, NaN or infinite: it has no direction.
    """
    # Squares of float32 values in float64: large or tiny embeddings neither overflow nor vanish.
    norms = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64))
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0.0))
    if len(bad):
        raise ValueError(f"Embedding {bad[0]} has no direction: its norm is {norms[bad[0]]}")
    scores = np.empty(len(enrol))
    block = max(1, _BLOCK_VALUES // embeddings.shape[1])
    for start in range(0, len(enrol), block):
        a, b = enrol[start : start + block], test[start : start + block]
        dots = np.einsum("ij,ij->i", embeddings[a], embeddings[b], dtype=np.float64)
        scores[start : start + block] = dots / (norms[a] * norms[b])
    return np.clip(scores, -1.0, 1.0, out=scores)
