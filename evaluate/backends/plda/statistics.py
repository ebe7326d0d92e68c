"""What LDA and PLDA are estimated from: sums over the embeddings of each speaker."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

BLOCK = 16_384
"""Embeddings that are worked on at a time: a million in double precision are too much at once."""


@dataclass(frozen=True)
class Statistics:
    """Of vectors x and the speakers that they are of.

    Attributes:
        counts: (speakers,) float64, how many vectors each speaker has; 1 or more.
        means: (speakers, dim), the mean m of each speaker's.
        second_moment: (dim, dim), the sum of x x'.
    """

    counts: np.ndarray
    means: np.ndarray
    second_moment: np.ndarray

    @property
    def between_scatter(self) -> np.ndarray:
        """(dim, dim), the sum of m m' over the vectors."""
        return (self.means.T * self.counts) @ self.means

    @property
    def within_scatter(self) -> np.ndarray:
        """(dim, dim), the sum of (x - m) (x - m)'."""
        return self.second_moment - self.between_scatter


def collect(
    embeddings: np.ndarray, labels: np.ndarray, vectors: Callable[[np.ndarray], np.ndarray]
) -> Statistics:
    """Collect the statistics of the vectors that embeddings become.

    Args:
        embeddings: (n, dim).
        labels: (n,) int, the number of each one's speaker from 0; each number comes.
        vectors: takes some rows of the embeddings to float64, of mean about zero: far from it,
            digits are lost.
    """
    counts = np.bincount(labels).astype(np.float64)
    sums = second_moment = 0.0
    for start in range(0, len(labels), BLOCK):
        x = vectors(embeddings[start : start + BLOCK])
        speakers = labels[start : start + BLOCK]
        where = (speakers, np.arange(len(x)))
        sums += sparse.csr_array((np.ones(len(x)), where), shape=(len(counts), len(x))) @ x
        second_moment += x.T @ x
    return Statistics(counts, sums / counts[:, None], second_moment)
