"""Cosine scoring, the back-end of the paper's Table 2."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...run_dir import RunDir
from ..scoring.cosine import cosine_scores


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
