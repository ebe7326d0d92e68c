"""What embeddings go through before PLDA: mean, LDA, length.

Source: Kaldi's ivector-subtract-global-mean, ivector-transform, ivector-normalize-length and
ivector-compute-lda.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from .statistics import Statistics

COVARIANCE_FLOOR = 1e-6
"""Of ivector-compute-lda: an eigenvalue is at least so much of the largest one."""


@dataclass(frozen=True)
class Projection:
    """Subtract a mean, apply LDA, normalise the length.

    Attributes:
        mean: (dim,), or None to subtract none.
        lda: (lda_dim, dim) or, with an offset in the last column, (lda_dim, dim + 1); None to
            leave the dimension as it is.
    """

    mean: np.ndarray | None
    lda: np.ndarray | None

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """The vectors (n, lda_dim) float64 of embeddings (n, dim)."""
        vectors = self.centred(embeddings)
        if self.lda is not None:
            dim = vectors.shape[1]
            vectors = vectors @ self.lda[:, :dim].T
            if self.lda.shape[1] > dim:
                vectors += self.lda[:, dim]
        return with_length(vectors)

    def centred(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings (n, dim) less the mean, float64."""
        vectors = embeddings.astype(np.float64)
        return vectors if self.mean is None else vectors - self.mean


def with_length(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors (n, dim) to the length sqrt(dim); a zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True) / np.sqrt(vectors.shape[1])
    return vectors / np.where(lengths > 0, lengths, 1.0)


def train_lda(statistics: Statistics, dim: int, total_covariance_factor: float = 0.0) -> np.ndarray:
    """Linear discriminant analysis of vectors of mean zero.

    The transform T makes the covariance f C + (1 - f) W unit, C being the total covariance, W the
    one within speakers and f the factor, and T (C - W) T' diagonal; it keeps the largest elements.

    Args:
        statistics: of the vectors.
        dim: how many dimensions to keep, at most those of the vectors.
        total_covariance_factor: f, from 0 to 1.

    Returns:
        (dim, dim of the vectors + 1), its last column zero: Kaldi's form, which may shift too.

    Source: ComputeLdaTransform in Kaldi's src/ivectorbin/ivector-compute-lda.cc.
    """
    count = statistics.counts.sum()
    total = statistics.second_moment / count
    within = statistics.within_scatter / count
    factor = total_covariance_factor
    values, vectors = linalg.eigh(factor * total + (1.0 - factor) * within)
    values = np.maximum(values, COVARIANCE_FLOOR * values[-1])
    whitening = (vectors / np.sqrt(values)).T
    _, directions = linalg.eigh(whitening @ (total - within) @ whitening.T)
    lda = directions[:, ::-1][:, :dim].T @ whitening
    return np.hstack([lda, np.zeros((dim, 1))])
