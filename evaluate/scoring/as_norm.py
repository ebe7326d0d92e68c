"""Adaptive score normalisation of cosines (AS-norm)."""

from dataclasses import dataclass

import numpy as np

from .cosine import CosineScorer, CosineVoices, cosine_scores
from .enrolment import unit

_BLOCK_VALUES = 8_000_000
"""Cosines with the cohort taken at a time: 64 MB."""


def as_norm(
    embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray, cohort: np.ndarray, top: int
) -> np.ndarray:
    """Adaptive symmetric normalisation (Matejka et al. 2017, "AS-norm 1") of cosines.

    ``1/2 ((s - mean_e) / std_e + (s - mean_t) / std_t)``, where s is the cosine of a trial, and
    mean_e and std_e are over the `top` largest cosines between its first embedding and the cohort,
    mean_t and std_t between its second and the cohort.

    Args:
        embeddings: (utterances, dim), finite, no row all zeros.
        enrol: (trials,) int, the row of each trial's first utterance.
        test: (trials,) int, the row of the second.
        cohort: (impostors, dim), unit vectors.
        top: how many of the nearest impostors count; from 2 to all of them.

    Returns:
        (trials,) float64; the same for (a, b) as for (b, a).
    """
    cosines = cosine_scores(embeddings, enrol, test)
    used, place = np.unique(np.concatenate([enrol, test]), return_inverse=True)
    mean, std = _nearest(embeddings[used], cohort, top)
    enrol, test = place[: len(enrol)], place[len(enrol) :]
    return 0.5 * ((cosines - mean[enrol]) / std[enrol] + (cosines - mean[test]) / std[test])


def _nearest(embeddings: np.ndarray, cohort: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each embedding's `top` largest cosines with the cohort."""
    mean, std = np.empty(len(embeddings)), np.empty(len(embeddings))
    cohort = cohort.T.astype(np.float64)
    block = max(1, _BLOCK_VALUES // cohort.shape[1])
    for start in range(0, len(embeddings), block):
        rows = slice(start, start + block)
        cosines = unit(embeddings[rows]) @ cohort
        nearest = np.partition(cosines, -top, axis=1)[:, -top:]
        mean[rows], std[rows] = nearest.mean(axis=1), nearest.std(axis=1)
    return mean, np.maximum(std, 1e-9)  # a cohort of copies has none


@dataclass(frozen=True)
class AsNormScorer:
    """AS-norm as a `Scorer`: a speaker is the mean of unit embeddings.

    Attributes:
        cohort: (impostors, dim), unit vectors.
        top: how many of the nearest impostors count.
    """

    cohort: np.ndarray
    top: int

    def enrol(
        self, embeddings: np.ndarray, counts: np.ndarray, dtype: np.typing.DTypeLike = np.float64
    ) -> "AsNormVoices":
        """See `Scorer`."""
        voices = CosineScorer().enrol(embeddings, counts)
        mean, std = _nearest(voices.directions, self.cohort, self.top)
        voices = CosineVoices(voices.directions.astype(dtype))
        return AsNormVoices(self, voices, mean.astype(dtype), std.astype(dtype))


@dataclass(frozen=True)
class AsNormVoices:
    """See `Voices`.

    Attributes:
        scorer: whose impostors they are.
        voices: the speakers' directions.
        mean: (speakers,) of the cosines with the nearest impostors.
        std: (speakers,) their standard deviation.
    """

    scorer: AsNormScorer
    voices: CosineVoices
    mean: np.ndarray
    std: np.ndarray

    def scores(self, embedding: np.ndarray) -> np.ndarray:
        """See `Voices`."""
        cosines = self.voices.scores(embedding)
        (mean,), (std,) = _nearest(embedding[None], self.scorer.cohort, self.scorer.top)
        return 0.5 * ((cosines - self.mean) / self.std + (cosines - mean) / std)
