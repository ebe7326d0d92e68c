"""Trials of models that are made of several utterances."""

from typing import TYPE_CHECKING

import numpy as np

from ...command_line import InputError
from ...run_dir import RunDir
from ..scoring.enrolment import Enrolment

if TYPE_CHECKING:
    from . import Backend  # which imports this module


def score_models(
    backend: "Backend", run: RunDir, embeddings: np.ndarray, models: Enrolment, test: np.ndarray
) -> np.ndarray:
    """Score trials of models, by the back-end's own rule or of the mean of unit embeddings.

    Args:
        backend: one of `BACKENDS`.
        run: the run.
        embeddings: (utterances, dim) float32, finite, no row all zeros.
        models: the models, and that of each trial.
        test: (trials,) int, the row of each trial's test utterance.

    Returns:
        (trials,) float64.

    Raises:
        InputError: as the back-end, or a model's unit embeddings have a mean of zero.
    """
    if hasattr(backend, "model_scores"):
        return backend.model_scores(run, embeddings, models, test)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    means = models.means(unit).astype(embeddings.dtype)
    zeros = np.flatnonzero(~means.any(axis=1))
    if len(zeros):
        raise InputError(f"the model {models.names[zeros[0]]}: its embeddings cancel one another")
    return backend.scores(
        run, np.concatenate([embeddings, means]), len(embeddings) + models.enrol, test
    )
