"""PLDA, Kaldi's back-end: a model of how speakers, and a speaker's utterances, differ."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ....files import content_digest
from ....run_dir import RunDir
from ...scoring.enrolment import Enrolment
from ...scoring.plda import PldaScorer
from .files import load_scorer
from .fitting import Settings, fit_plda


class PldaBackend:
    """PLDA as a back-end; see `Backend`. Its files, Kaldi's, lie in the run's folder ``plda``."""

    settings: Mapping[str, bool | int | float | str] = asdict(Settings())

    def fit(
        self, run: RunDir, train_dir: Path, settings: Mapping[str, bool | int | float | str]
    ) -> None:
        """Estimate LDA and PLDA, or take Kaldi's files; see `fit_plda`."""
        fit_plda(run, train_dir, Settings(**settings))

    def made_of(self, run: RunDir) -> dict[str, str | None]:
        """The files, and the stamp, which says how lengths are normalised."""
        paths = (run.plda, run.plda_lda, run.plda_mean, run.plda_done)
        return {path.name: content_digest(path) if path.is_file() else None for path in paths}

    def scores(
        self, run: RunDir, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray
    ) -> np.ndarray:
        """See `PldaScorer.scores`."""
        return self.load(run, embeddings.shape[1]).scores(embeddings, enrol, test)

    def model_scores(
        self, run: RunDir, embeddings: np.ndarray, models: Enrolment, test: np.ndarray
    ) -> np.ndarray:
        """See `PldaScorer.model_scores`."""
        return self.load(run, embeddings.shape[1]).model_scores(embeddings, models, test)

    def load(self, run: RunDir, dim: int) -> PldaScorer:
        """The scorer with what the run has learnt.

        Raises:
            InputError: it is missing, damaged, or not of embeddings of `dim` values.
        """
        scorer = load_scorer(run)
        scorer.refuse_misfits(run.plda, dim)
        return scorer
