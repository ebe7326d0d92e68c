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
from .threads import Each

LEAST_FRAMES = 100.0
"""A component of fewer keeps its parameters (``--gaussian-min-count``)."""

FLOOR_FACTOR = 0.1
"""Of the mean covariance, below which none may fall (``--variance-floor-factor``)."""

LARGEST_CONDITION = 1e4
"""Of what is inverted for a matrix (SolverOptions), and of the floor of the covariances: the
largest eigenvalue to the smallest."""


SLICE = 32
"""Recordings that a thread works on at a time."""

BLOCKS = 16
"""Parts of the components, each of which a thread adds up."""


class ExtractorIteration:
    """Adds up recordings, and gives the extractor that is likelier.

    Args:
        extractor: the extractor before.
        moments: (components, dim, dim), of all recordings the frames' x x' weighted by their
            posteriors.

    Attributes:
        frames: how many were added, by their posteriors.
    """

    def __init__(self, extractor: Extractor, moments: np.ndarray):
        components, dim, ivector_dim = extractor.matrices.shape
        self.extractor = extractor
        self.frames = 0.0
        self._moments = moments
        self._counts = np.zeros(components)
        self._products = np.zeros((components * dim, ivector_dim))  # X_i m'
        self._scatters = np.zeros((components, ivector_dim * (ivector_dim + 1) // 2))
        self._recordings = 0
        self._sum = np.zeros(ivector_dim)
        self._scatter = np.zeros(self._scatters.shape[1])
        self._auxiliary = 0.0

    def add(self, statistics: Statistics, each: Each = map) -> None:
        """Add recordings; of a hundred or more at a time the matrix products are large ones.

        Args:
            statistics: theirs.
            each: a `map`, which may work in threads.
        """
        counts, sums = statistics.counts, statistics.sums.reshape(len(statistics.sums), -1)
        parts = [slice(at, at + SLICE) for at in range(0, len(counts), SLICE)]
        found = list(each(lambda part: self._expected(counts[part], sums[part]), parts))
        means, halves, auxiliary = zip(*found, strict=True)
        means, halves = np.concatenate(means), np.concatenate(halves)
        self._auxiliary += sum(auxiliary)
        self.frames += counts.sum()
        self._recordings += len(counts)
        self._counts += counts.sum(axis=0)
        self._sum += means.sum(axis=0)
        self._scatter += halves.sum(axis=0)
        for total, left, right in (
            (self._products, sums, means),
            (self._scatters, counts, halves),
        ):
            blocks = np.array_split(np.arange(len(total)), BLOCKS)
            blocks = [slice(block[0], block[-1] + 1) for block in blocks if len(block)]
            adding = each(lambda b, t=total, x=left, y=right: add_product(t[b], x[:, b], y), blocks)
            list(adding)

    def _expected(
        self, counts: np.ndarray, sums: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Of some recordings the means of w, and the lower halves of m m' + V; and their share of
        the auxiliary function.

        With Q the quadratic, P = 1 + Q, so that the trace of V Q is the dimension less that of V.
        """
        extractor = self.extractor
        linear, halves = extractor.linear(sums), extractor.quadratics(counts)
        dim, auxiliary = linear.shape[1], 0.0
        prior = np.zeros(dim)
        prior[0] = extractor.offset
        means = np.empty_like(linear)
        for row, half in enumerate(halves):
            factor = extractor.factor(half)
            mean = linalg.cho_solve((factor, True), linear[row] + prior, check_finite=False)
            covariance = linalg.lapack.dpotri(factor, lower=1)[0]
            trace = np.trace(covariance)
            log_determinant = -2 * np.log(np.diagonal(factor)).sum()
            quadratic = mean @ (linear[row] + prior - mean)  # m' Q m
            auxiliary += mean @ linear[row] - 0.5 * quadratic - 0.5 * (dim - trace)
            distance = ((mean - prior) ** 2).sum()
            auxiliary -= 0.5 * (distance + trace - dim - log_determinant)
            covariance += np.outer(mean, mean)
            means[row], halves[row] = mean, covariance.ravel()[extractor.lower]
        return means, halves, auxiliary

    def starved(self) -> np.ndarray:
        """The components that too few frames are of to be estimated again."""
        return np.flatnonzero(self._counts < LEAST_FRAMES)

    def objective(self) -> float:
        """The auxiliary function of the extractor before, a frame: it grows with each iteration."""
        extractor = self.extractor
        _, log_determinants = np.linalg.slogdet(extractor.precisions)
        constants = 0.5 * (log_determinants - extractor.matrices.shape[1] * LOG_TWO_PI)
        total = self._auxiliary + self._counts @ (np.log(extractor.weights) + constants)
        return (total - 0.5 * (self._moments * extractor.precisions).sum()) / self.frames

    def updated(self) -> Extractor:
        """The extractor after the iteration."""
        matrices, precisions = self.extractor.matrices.copy(), self.extractor.precisions.copy()
        enough = np.flatnonzero(self._counts >= LEAST_FRAMES)
        scatters = np.zeros_like(self._moments)
        products = self._products.reshape(matrices.shape)
        for component in enough:
            moment = self.extractor.square(self._scatters[component])
            product = products[component]
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
        scatter = extractor.square(self._scatter)
        covariance = scatter / self._recordings - np.outer(mean, mean)
        values, vectors = np.linalg.eigh(covariance)
        turn = vectors.T / np.sqrt(np.maximum(values, 1e-7))[:, None]
        turn = _to_first_axis(turn @ mean) @ turn
        back = np.linalg.inv(turn[1:, 1:])
        of_weights = extractor.square(extractor.quadratics(extractor.weights[None])[0])
        quadratic = back.T @ of_weights[1:, 1:] @ back
        turn[1:] = np.linalg.eigh(quadratic)[1][:, ::-1].T @ turn[1:]
        matrices = extractor.matrices @ np.linalg.inv(turn)
        offset = float((turn @ mean)[0])
        return Extractor(extractor.weights, matrices, extractor.precisions, offset)


def second_moments(features: np.ndarray, posteriors: sparse.csr_array) -> np.ndarray:
    """The frames' x x' weighted by their posteriors, (components, dim, dim).

    Args:
        features: (frames, dim).
        posteriors: (frames, components).
    """
    x, by_component = features.astype(np.float64), posteriors.tocsc()
    moments = np.zeros((posteriors.shape[1], x.shape[1], x.shape[1]))
    for component in np.flatnonzero(np.diff(by_component.indptr)):
        some = slice(*by_component.indptr[component : component + 2])
        frames = x[by_component.indices[some]]
        moments[component] = (by_component.data[some][:, None] * frames).T @ frames
    return moments


def add_product(total: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Add left' right to a total (a, b), where it lies; left is (n, a), right (n, b)."""
    linalg.blas.dgemm(1.0, right.T, left.T, beta=1.0, c=total.T, trans_b=1, overwrite_c=1)


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
