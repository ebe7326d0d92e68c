"""Trials of models that are made of several utterances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...command_line import InputError
from ...run_dir import RunDir

if TYPE_CHECKING:
    from . import Backend  # which imports this module


@dataclass(frozen=True)
class Enrolment:
    """The models of a trial list.

    Attributes:
        names: of the models that occur in a trial.
        rows: the row of each one's utterances among the embeddings, model by model.
        counts: (models,) int, how many of them are each model's.
        enrol: (trials,) int, the number of each trial's model among `names`.
    """

    names: list[str]
    rows: np.ndarray
    counts: np.ndarray
    enrol: np.ndarray

    @classmethod
    def of(
        cls, models: Mapping[str, Sequence[str]], enrol: np.ndarray, row_of: Mapping[str, int]
    ) -> "Enrolment":
        """Those models of a map that occur in a trial.

        Args:
            models: the utterances of each.
            enrol: (trials,) int, the number of each trial's model in the map.
            row_of: the row of each utterance's embedding.
        """
        numbers, enrol = np.unique(enrol, return_inverse=True)
        names = list(models)
        names = [names[number] for number in numbers]
        rows = [row_of[utterance] for name in names for utterance in models[name]]
        counts = [len(models[name]) for name in names]
        return cls(names, np.array(rows), np.array(counts), enrol)

    def means(self, vectors: np.ndarray) -> np.ndarray:
        """The mean (models, dim) float64 of each model's vectors, of all (utterances, dim)."""
        starts = np.cumsum(self.counts) - self.counts
        sums = np.add.reduceat(vectors[self.rows].astype(np.float64), starts)
        return sums / self.counts[:, None]


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
