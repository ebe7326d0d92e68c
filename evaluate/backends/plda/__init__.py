"""PLDA, Kaldi's back-end: a model of how speakers, and a speaker's utterances, differ."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ....files import content_digest
from ....run_dir import RunDir
from ..enrolment import Enrolment
from .fitting import Settings, fit_plda
from .model import Model, load_model


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
        """See `Model.scores`."""
        return _loaded(run, embeddings).scores(embeddings, enrol, test)

    def model_scores(
        self, run: RunDir, embeddings: np.ndarray, models: Enrolment, test: np.ndarray
    ) -> np.ndarray:
        """See `Model.model_scores`."""
        return _loaded(run, embeddings).model_scores(embeddings, models, test)


def _loaded(run: RunDir, embeddings: np.ndarray) -> Model:
    model = load_model(run)
    model.refuse_misfits(run.plda, embeddings.shape[1])
    return model
