"""Cosine scoring, the back-end of the paper's Table 2."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...run_dir import RunDir

_BLOCK_VALUES = 65_536
"""Values taken from each side at a time: in float64 half a megabyte, which caches hold."""


class Cosine:
    """The cosine as a back-end: it learns nothing. See `Backend`."""

    settings: Mapping[str, int | float] = {}

    def fit(self, run: RunDir, train_dir: Path, settings: Mapping[str, int | float]) -> None:
        """Nothing to learn."""

    def made_of(self, run: RunDir) -> dict[str, str | None]:
        """Of the embeddings alone."""
        return {}

    def scores(
        self, run: RunDir, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray
    ) -> np.ndarray:
        """See `cosine_scores`."""
        return cosine_scores(embeddings, enrol, test)


def cosine_scores(embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The cosine of the angle between the two embeddings of every trial, computed in float64.

    Trials go through in small blocks, so that beside the embeddings themselves hardly any memory
    is needed, however long the list.

    Args:
        embeddings: (utterances, dim) float32 or float64, finite, no row all zeros.
        enrol: (trials,) int, the row of each trial's first utterance.
        test: (trials,) int, the row of the second.

    Returns:
        (trials,) float64, from -1 to 1; the same for (a, b) as for (b, a).

    Raises:
        ValueError: for an embedding that is zero, NaN or infinite: it has no direction.
    """
    everyone = np.arange(len(embeddings))
    norms = np.sqrt(_dots(embeddings, everyone, everyone))
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0.0))
    if len(bad):
        raise ValueError(f"Embedding {bad[0]} has no direction: its norm is {norms[bad[0]]}")
    scores = _dots(embeddings, enrol, test)
    scores /= norms[enrol] * norms[test]
    return np.clip(scores, -1.0, 1.0, out=scores)


def _dots(embeddings: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Inner products of pairs of rows, (pairs,) float64."""
    dots = np.empty(len(first))
    block = max(1, _BLOCK_VALUES // embeddings.shape[1])
    for start in range(0, len(first), block):
        pairs = slice(start, start + block)
        a = embeddings[first[pairs]].astype(np.float64, copy=False)
        b = embeddings[second[pairs]].astype(np.float64, copy=False)
        np.vecdot(a, b, out=dots[pairs])
    return dots
