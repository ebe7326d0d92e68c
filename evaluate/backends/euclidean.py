"""Euclidean distances, what a network trained by the contrastive loss is compared by."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...run_dir import RunDir
from ..scoring.enrolment import Enrolment
from ..scoring.row_products import BLOCK_VALUES


class Euclidean:
    """The Euclidean distance as a back-end, negative: it learns nothing. See `Backend`."""

    settings: Mapping[str, int | float] = {}

    def fit(self, run: RunDir, train_dir: Path, settings: Mapping[str, int | float]) -> None:
        """Nothing to learn."""

    def made_of(self, run: RunDir) -> dict[str, str | None]:
        """Of the embeddings alone."""
        return {}

    def scores(
        self, run: RunDir, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray
    ) -> np.ndarray:
        """See `negative_distances`."""
        return negative_distances(embeddings, enrol, embeddings, test)

    def model_scores(
        self, run: RunDir, embeddings: np.ndarray, models: Enrolment, test: np.ndarray
    ) -> np.ndarray:
        """The distance from the mean of a model's embeddings, whose lengths count."""
        return negative_distances(models.means(embeddings), models.enrol, embeddings, test)


def negative_distances(
    left: np.ndarray, left_rows: np.ndarray, right: np.ndarray, right_rows: np.ndarray
) -> np.ndarray:
    """Minus the Euclidean distance of a row of one matrix and a row of another, in float64.

    Pairs go through in blocks, as in `row_products`.

    Args:
        left: (n, dim) float32 or float64.
        left_rows: (pairs,) int.
        right: (m, dim) float32 or float64.
        right_rows: (pairs,) int.

    Returns:
        (pairs,) float64, 0 for the same embedding, else below.
    """
    scores = np.empty(len(left_rows))
    block = max(1, BLOCK_VALUES // left.shape[1])
    for start in range(0, len(left_rows), block):
        pairs = slice(start, start + block)
        difference = left[left_rows[pairs]].astype(np.float64) - right[right_rows[pairs]]
        np.sqrt(np.vecdot(difference, difference), out=scores[pairs])
    return 0.0 - scores
