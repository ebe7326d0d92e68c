"""The b-vector, the back-end of the paper's Table 4: a classifier of pairs of embeddings."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ....backend import load_keras
from ....files import content_digest
from ....run_dir import RunDir
from .training import Settings, train_bvector


class BVector:
    """The b-vector as a back-end; see `Backend`. Its classifier lies in ``bvector.keras``."""

    settings: Mapping[str, int | float | str] = asdict(Settings())

    def fit(self, run: RunDir, train_dir: Path, settings: Mapping[str, int | float | str]) -> None:
        """Train the classifier on the embeddings of the training set; see `train_bvector`.

        A run that was copied without these embeddings is scored by the classifier it has.
        """
        if run.bvector_done.is_file() and not run.embeddings(train_dir.name).is_file():
            return
        train_bvector(run, train_dir, Settings(**settings))

    def made_of(self, run: RunDir) -> dict[str, str | None]:
        """The classifier."""
        return {"bvector": content_digest(run.bvector) if run.bvector.is_file() else None}

    def scores(
        self, run: RunDir, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray
    ) -> np.ndarray:
        """See `bvector_scores`."""
        load_keras()  # takes seconds: not for another back-end
        from .scoring import bvector_scores, load_bvector

        return bvector_scores(load_bvector(run), embeddings, enrol, test, run.bvector)
