"""From a recording's statistics to its i-vector.

The mean of component i in a recording is M_i w, of a vector w that has the distribution
N(offset e_1, 1), e_1 being the first unit vector; around it frames have the component's covariance
S_i. Given the frames, with g_i the sum of their posteriors and X_i that of the frames times them, w
has the precision P and the mean that the i-vector is::

    P = 1 + sum_i g_i M_i' S_i^-1 M_i
    P w = offset e_1 + sum_i M_i' S_i^-1 X_i

References:
    Dehak, Kenny, Dehak, Dumouchel and Ouellet: "Front-end factor analysis for speaker
    verification", IEEE Transactions on Audio, Speech, and Language Processing 19(4), 2011.

Source: IvectorExtractor in Kaldi's src/ivector/ivector-extractor.cc, with --use-weights=false.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg, sparse


@dataclass(frozen=True)
class Statistics:
    """Of recordings.

    Attributes:
        counts: (recordings, components), g_i of each.
        sums: (recordings, components, dim), X_i of each.
    """

    counts: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, posteriors: sparse.csr_array) -> "Statistics":
        """Those of one recording's features (frames, dim) and posteriors (frames, components)."""
        x = features.astype(np.float64)
        return cls(posteriors.sum(axis=0)[None], (posteriors.T @ x)[None])

    @classmethod
    def of_several(
        cls, features: Sequence[np.ndarray], posteriors: sparse.csr_array
    ) -> "Statistics":
        """Those of several recordings, whose posteriors stand below each other."""
        ends = np.cumsum([len(matrix) for matrix in features])
        begins = ends - [len(matrix) for matrix in features]
        rows = zip(features, begins, ends, strict=True)
        return cls.joined([cls.of(x, posteriors[begin:end]) for x, begin, end in rows])

    @classmethod
    def joined(cls, parts: Sequence["Statistics"]) -> "Statistics":
        """The recordings of all parts, in their order."""
        counts = np.concatenate([part.counts for part in parts])
        return cls(counts, np.concatenate([part.sums for part in parts]))


@dataclass(frozen=True)
class Extractor:
    """A total-variability matrix, by component.

    Attributes:
        weights: (components,), of the mixture; the i-vector does not depend on them.
        matrices: (components, dim, ivector_dim), M_i.
        precisions: (components, dim, dim), S_i^-1.
        offset: of the first element of w.
    """

    weights: np.ndarray
    matrices: np.ndarray
    precisions: np.ndarray
    offset: float

    @property
    def ivector_dim(self) -> int:
        return self.matrices.shape[2]

    def prepare(self) -> None:
        """Compute what is computed once, before threads would compute it at the same time."""
        _ = self._projections, self._quadratics

    @cached_property
    def lower(self) -> np.ndarray:
        """Where in a flattened matrix (ivector_dim, ivector_dim) its lower half is, row by row."""
        shape = (self.ivector_dim, self.ivector_dim)
        return np.ravel_multi_index(np.tril_indices(self.ivector_dim), shape)

    @cached_property
    def _projections(self) -> np.ndarray:
        """(components dim, ivector_dim), S_i^-1 M_i, so that all X_i go through at once."""
        return (self.precisions @ self.matrices).reshape(-1, self.ivector_dim)

    @cached_property
    def _quadratics(self) -> np.ndarray:
        """(components, half), the lower half of M_i' S_i^-1 M_i in a row."""
        quadratics = np.empty((len(self.matrices), len(self.lower)))
        weighted = self._projections.reshape(self.matrices.shape)
        for component, (left, right) in enumerate(zip(self.matrices, weighted, strict=True)):
            quadratics[component] = (left.T @ right).ravel()[self.lower]
        return quadratics

    def quadratics(self, counts: np.ndarray) -> np.ndarray:
        """The sums over the components of their counts times M_i' S_i^-1 M_i.

        Args:
            counts: (recordings, components).

        Returns:
            (recordings, half), the lower half of each, row by row.
        """
        return counts @ self._quadratics

    def square(self, half: np.ndarray) -> np.ndarray:
        """The symmetric matrix (ivector_dim, ivector_dim) of its lower half, row by row."""
        lower = self._lower_triangular(half)
        return lower + np.tril(lower, -1).T

    def linear(self, sums: np.ndarray) -> np.ndarray:
        """The sums of M_i' S_i^-1 X_i, (recordings, ivector_dim)."""
        return sums.reshape(len(sums), -1) @ self._projections

    def ivectors(self, statistics: Statistics) -> np.ndarray:
        """The means of w less its offset, (recordings, ivector_dim) float64.

        Source: ivector-extract.
        """
        linear = self.linear(statistics.sums)
        linear[:, 0] += self.offset
        for row, half in enumerate(self.quadratics(statistics.counts)):
            factor = self.factor(half)
            linear[row] = linalg.cho_solve((factor, True), linear[row], check_finite=False)
        linear[:, 0] -= self.offset
        return linear

    def factor(self, half: np.ndarray) -> np.ndarray:
        """The lower triangular L (ivector_dim, ivector_dim) with L L' the precision of w.

        Args:
            half: (half,), one row of `quadratics`.
        """
        precision = self._lower_triangular(half)
        precision[np.diag_indices(self.ivector_dim)] += 1.0
        return linalg.cholesky(precision, lower=True, overwrite_a=True, check_finite=False)

    def _lower_triangular(self, half: np.ndarray) -> np.ndarray:
        lower = np.zeros(self.ivector_dim**2)
        lower[self.lower] = half
        return lower.reshape(self.ivector_dim, self.ivector_dim)
