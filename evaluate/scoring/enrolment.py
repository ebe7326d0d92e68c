"""Speakers and models that are made of several utterances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


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
        return means_of(vectors[self.rows], self.counts)


def means_of(vectors: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The means (groups, dim) float64 of vectors that stand group by group.

    Args:
        vectors: (n, dim).
        counts: (groups,) int, 1 or more, how many of them are each group's.
    """
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(vectors.astype(np.float64), starts)
    return sums / np.reshape(counts, (-1, 1))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, dim) at unit length, float64; a zero stays zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
