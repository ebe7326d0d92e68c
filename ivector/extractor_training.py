"""An iteration of expectation and maximisation for a total-variability matrix.

With w the distribution of a recording's vector, of mean m and covariance V, an iteration sets, in
the terms of `extractor`, sums being over the recordings::

    M_i = (sum X_i m') (sum g_i (m m' + V))^-1      but see `towards`
    S_i = (sum x x' - X_i m' M_i' - M_i m X_i' + M_i g_i (m m' + V) M_i') / sum g_i

and then turns the space of w so that over the recordings it has a covariance of 1 and a mean
along the first axis.

Source: IvectorExtractorStats in Kaldi's src/ivector/ivector-extractor.cc, of
ivector-extractor-acc-stats and ivector-extractor-est.
"""

import numpy as np
from scipy import linalg, sparse

from .extractor import Extractor, Statistics
from .mixtures import LOG_TWO_PI

LEAST_FRAMES = 100.0
"""A component of fewer keeps its parameters (``--gaussian-min-count``)."""

FLOOR_FACTOR = 0.1
"""Of the mean covariance, below which none may fall (``--variance-floor-factor``)."""

LARGEST_CONDITION = 1e4
"""Of what is inverted for a matrix (SolverOptions), and of the floor of the covariances: the
largest eigenvalue to the smallest."""

CACHED = 100
"""Recordings whose vectors are added up at a time, as one matrix product."""


class ExtractorIteration:
    """Adds up recordings, and gives the extractor that is likelier.

    Args:
        extractor: the extractor before.

    Attributes:
        frames: how many were added, by their posteriors.
    """

    def __init__(self, extractor: Extractor):
        components, dim, ivector_dim = extractor.matrices.shape
        self.extractor = extractor
        self.frames = 0.0
        self._counts = np.zeros(components)
        self._products = np.zeros((components, dim, ivector_dim))  # X_i m'
        self._scatters = np.zeros((components, ivector_dim * (ivector_dim + 1) // 2))
        self._moments = np.zeros((components, dim, dim))  # x x'
        self._recordings = 0
        self._sum = np.zeros(ivector_dim)
        self._scatter = np.zeros((ivector_dim, ivector_dim))
        self._auxiliary = 0.0
        self._cache: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, features: np.ndarray, posteriors: sparse.csr_array) -> None:
        """Add a recording.

        Args:
            features: (frames, dim).
            posteriors: (frames, components).
        """
        statistics = Statistics.of(features, posteriors)
        x, by_component = features.astype(np.float64), posteriors.tocsc()
        for component in np.flatnonzero(statistics.counts):
            some = slice(*by_component.indptr[component : component + 2])
            frames = x[by_component.indices[some]]
            weighted = by_component.data[some][:, None] * frames
            self._moments[component] += weighted.T @ frames
        mean, covariance = self._distribution(statistics)
        scatter = covariance + np.outer(mean, mean)
        self.frames += statistics.counts.sum()
        self._counts += statistics.counts
        self._products += statistics.sums[:, :, None] * mean
        self._recordings += 1
        self._sum += mean
        self._scatter += scatter
        self._cache.append((statistics.counts, scatter[np.tril_indices(len(mean))]))
        if len(self._cache) == CACHED:
            self._empty_cache()

    def _distribution(self, statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
        """The mean and the covariance of w; adds to the auxiliary function what is of them."""
        extractor = self.extractor
        quadratic, linear = extractor.quadratic(statistics.counts), extractor.linear(statistics)
        prior = np.zeros(extractor.ivector_dim)
        prior[0] = extractor.offset
        factor = linalg.cho_factor(quadratic + np.eye(len(prior)), lower=True)
        mean = linalg.cho_solve(factor, linear + prior)
        covariance = linalg.cho_solve(factor, np.eye(len(prior)))
        log_determinant = -2 * np.log(np.diagonal(factor[0])).sum()
        self._auxiliary += mean @ linear - 0.5 * mean @ quadratic @ mean
        self._auxiliary -= 0.5 * (covariance * quadratic).sum()
        distance = ((mean - prior) ** 2).sum()
        self._auxiliary -= 0.5 * (distance + np.trace(covariance) - len(mean) - log_determinant)
        return mean, covariance

    def _empty_cache(self) -> None:
        if self._cache:
            counts, scatters = (np.stack(part) for part in zip(*self._cache, strict=True))
            self._scatters += counts.T @ scatters
            self._cache = []

    def auxiliary(self) -> float:
        """The auxiliary function of the extractor before, a frame: it grows with each iteration."""
        extractor = self.extractor
        _, log_determinants = np.linalg.slogdet(extractor.precisions)
        constants = 0.5 * (log_determinants - extractor.matrices.shape[1] * LOG_TWO_PI)
        total = self._auxiliary + self._counts @ (np.log(extractor.weights) + constants)
        return (total - 0.5 * (self._moments * extractor.precisions).sum()) / self.frames

    def updated(self) -> Extractor:
        """The extractor after the iteration."""
        self._empty_cache()
        matrices, precisions = self.extractor.matrices.copy(), self.extractor.precisions.copy()
        enough = np.flatnonzero(self._counts >= LEAST_FRAMES)
        scatters, ivector_dim = np.zeros_like(self._moments), self.extractor.ivector_dim
        for component in enough:
            lower = np.zeros((ivector_dim, ivector_dim))
            lower[np.tril_indices(ivector_dim)] = self._scatters[component]
            moment = lower + np.tril(lower, -1).T
            product = self._products[component]
            matrix = towards(matrices[component], product, moment)
            matrices[component] = matrix
            cross = product @ matrix.T
            scatters[component] = self._moments[component] - cross - cross.T
            scatters[component] += matrix @ moment @ matrix.T
        floor = FLOOR_FACTOR * scatters[enough].sum(axis=0) / self._counts[enough].sum()
        floor = well_conditioned(floor)
        for component in enough:
            covariance = floored(scatters[component] / self._counts[component], floor)
            precisions[component] = np.linalg.inv(covariance)
        new = Extractor(self.extractor.weights, matrices, precisions, self.extractor.offset)
        return self._turned(new)

    def _turned(self, extractor: Extractor) -> Extractor:
        """The same extractor in a space where the vectors have a covariance of 1.

        The first axis is along their mean, and among the others the quadratic of the weights is
        diagonal.
        """
        mean = self._sum / self._recordings
        covariance = self._scatter / self._recordings - np.outer(mean, mean)
        values, vectors = np.linalg.eigh(covariance)
        turn = vectors.T / np.sqrt(np.maximum(values, 1e-7))[:, None]
        turn = _to_first_axis(turn @ mean) @ turn
        back = np.linalg.inv(turn[1:, 1:])
        quadratic = back.T @ extractor.quadratic(extractor.weights)[1:, 1:] @ back
        turn[1:] = np.linalg.eigh(quadratic)[1][:, ::-1].T @ turn[1:]
        matrices = extractor.matrices @ np.linalg.inv(turn)
        offset = float((turn @ mean)[0])
        return Extractor(extractor.weights, matrices, extractor.precisions, offset)


def towards(matrix: np.ndarray, product: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """From a matrix M to ``product moment^-1``, less far where the moment says little.

    The step is (product - M moment) moment^-1; of the moment, scaled to a diagonal of 1, the
    eigenvalues are at least a share of the largest.

    Args:
        matrix: (dim, ivector_dim), M.
        product: (dim, ivector_dim).
        moment: (ivector_dim, ivector_dim), symmetric.

    Source: SolveQuadraticMatrixProblem in Kaldi's src/matrix/sp-matrix.cc.
    """
    scale = np.sqrt(np.diagonal(moment))
    scaled = moment / np.outer(scale, scale)
    rest = product / scale - matrix * scale @ scaled
    return matrix + linalg.solve(well_conditioned(scaled), rest.T, assume_a="pos").T / scale


def well_conditioned(matrix: np.ndarray) -> np.ndarray:
    """A symmetric matrix (dim, dim) whose eigenvalues are at least a share of the largest."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.maximum(values, values[-1] / LARGEST_CONDITION) @ vectors.T


def floored(covariance: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """A covariance (dim, dim) that in no direction is below another one, `floor`."""
    root = np.linalg.cholesky(floor)
    inner = linalg.solve_triangular(root, covariance, lower=True)
    inner = linalg.solve_triangular(root, inner.T, lower=True)
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    half = root @ vectors * np.sqrt(np.maximum(values, 1.0))
    return half @ half.T


def _to_first_axis(vector: np.ndarray) -> np.ndarray:
    """The reflection (dim, dim) that takes a vector to a positive multiple of the first axis."""
    difference = vector / np.linalg.norm(vector)
    difference[0] -= 1.0
    length = np.linalg.norm(difference)
    if length < 1e-12:
        return np.eye(len(vector))
    difference /= length
    return np.eye(len(vector)) - 2.0 * np.outer(difference, difference)
