"""Cosine scoring, the back-end of the paper's Table 2."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...run_dir import RunDir
from .row_products import row_products


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
    norms = np.sqrt(row_products(embeddings, everyone, embeddings, everyone))
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0.0))
    if len(bad):
        raise ValueError(f"Embedding {bad[0]} has no direction: its norm is {norms[bad[0]]}")
    scores = row_products(embeddings, enrol, embeddings, test)
    scores /= norms[enrol] * norms[test]
    return np.clip(scores, -1.0, 1.0, out=scores)
