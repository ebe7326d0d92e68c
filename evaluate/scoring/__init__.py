"""How two voices are compared, in NumPy alone: an exported model needs no more.

The back-ends of stage 4 learn and load what stands here; see `evaluate.backends`.
"""

from typing import Protocol

import numpy as np


class Voices(Protocol):
    """Enrolled speakers, ready to be compared with one recording after another."""

    def scores(self, embedding: np.ndarray) -> np.ndarray:
        """The score of each speaker (speakers,) against an embedding (dim,)."""


class Scorer(Protocol):
    """A way to compare a recording with speakers of one or several utterances."""

    def enrol(
        self, embeddings: np.ndarray, counts: np.ndarray, dtype: np.typing.DTypeLike = np.float64
    ) -> Voices:
        """Make speakers ready.

        Args:
            embeddings: (utterances, dim), speaker by speaker; finite, no row all zeros.
            counts: (speakers,) int, how many of them are each one's.
            dtype: in which the speakers are kept.
        """
