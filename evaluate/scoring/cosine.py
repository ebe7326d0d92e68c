"""The cosine of two embeddings."""

from dataclasses import dataclass

import numpy as np

from .enrolment import means_of, unit
from .row_products import row_products


class CosineScorer:
    """Cosines as a `Scorer`: a speaker is the mean of unit embeddings."""

    def enrol(
        self, embeddings: np.ndarray, counts: np.ndarray, dtype: np.typing.DTypeLike = np.float64
    ) -> "CosineVoices":
        """See `Scorer`."""
        return CosineVoices(unit(means_of(unit(embeddings), counts)).astype(dtype))


@dataclass(frozen=True)
class CosineVoices:
    """See `Voices`.

    Attributes:
        directions: (speakers, dim), unit vectors.
    """

    directions: np.ndarray

    def scores(self, embedding: np.ndarray) -> np.ndarray:
        """See `Voices`."""
        cosines = self.directions @ unit(embedding[None])[0].astype(self.directions.dtype)
        return np.clip(cosines, -1.0, 1.0, out=cosines)


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
