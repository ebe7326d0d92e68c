"""Linear discriminant analysis.

Source: Kaldi's ivector-compute-lda.
"""

import numpy as np
from scipy import linalg

from .statistics import Statistics

COVARIANCE_FLOOR = 1e-6
"""Of ivector-compute-lda: an eigenvalue is at least so much of the largest one."""


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
