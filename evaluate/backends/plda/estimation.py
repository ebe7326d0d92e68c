"""PLDA with two covariances, estimated by expectation and maximisation.

A speaker's mean m of n vectors, less the mean of all speakers' means, is y + z with y of the
covariance B between speakers and z of W / n, W being the one within them. Given m, y has the
covariance V = (B^-1 + n W^-1)^-1 and the mean w = V n W^-1 m. So an iteration sets::

    B = sum over speakers of (w w' + V)                        / speakers
    W = (sum over vectors of (x - m)(x - m)'
         + sum over speakers of n ((m - w)(m - w)' + V))       / vectors

In the space in which W is unit and B diagonal, psi, V is diagonal, psi / (n psi + 1), for every n:
one eigenvalue problem an iteration, however many different n there are.

Source: PldaEstimator in Kaldi's src/ivector/plda.cc, which ivector-compute-plda calls.
"""

import numpy as np
from scipy import linalg

from ...scoring.two_covariance import Plda
from .statistics import Statistics


def train_plda(statistics: Statistics, iterations: int = 10) -> Plda:
    """Estimate PLDA, from W and B unit.

    Args:
        statistics: of the vectors.
        iterations: of expectation and maximisation.

    Raises:
        LinAlgError: the covariance within speakers is singular.
    """
    mean = statistics.means.mean(axis=0)
    counts, means = statistics.counts[:, None], statistics.means - mean
    scatter = statistics.within_scatter
    within = between = np.eye(len(mean))
    for _ in range(iterations):
        psi, transform = _diagonalised(between, within)
        variance = psi / (counts * psi + 1.0)  # (speakers, dim), V of each
        projected = means @ transform.T
        expected = counts * variance * projected  # w
        rest = projected - expected
        back = within @ transform.T  # the inverse of the transform
        between_sum = expected.T @ expected + np.diag(variance.sum(axis=0))
        within_sum = (counts * rest).T @ rest + np.diag((counts * variance).sum(axis=0))
        between = back @ between_sum @ back.T / len(counts)
        within = (scatter + back @ within_sum @ back.T) / counts.sum()
    psi, transform = _diagonalised(between, within)
    return Plda(mean, transform, psi)


def _diagonalised(between: np.ndarray, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """psi (dim,), from the largest, and the transform (dim, dim) to the space it belongs to."""
    values, vectors = linalg.eigh(between, within)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1].T
