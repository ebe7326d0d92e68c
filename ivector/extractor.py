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

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg, sparse


@dataclass(frozen=True)
class Statistics:
    """Of one recording.

    Attributes:
        counts: (components,), g_i.
        sums: (components, dim), X_i.
    """

    counts: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, posteriors: sparse.csr_array) -> "Statistics":
        """Those of features (frames, dim) with posteriors (frames, components)."""
        x = features.astype(np.float64)
        return cls(np.asarray(posteriors.sum(axis=0)).ravel(), posteriors.T @ x)


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

    @cached_property
    def _projections(self) -> np.ndarray:
        """(components dim, ivector_dim), S_i^-1 M_i, so that all X_i go through at once."""
        return (self.precisions @ self.matrices).reshape(-1, self.ivector_dim)

    @cached_property
    def _quadratics(self) -> np.ndarray:
        """(components, half), the lower half of M_i' S_i^-1 M_i in a row."""
        rows, columns = np.tril_indices(self.ivector_dim)
        weighted = self.precisions @ self.matrices
        quadratics = np.empty((len(self.matrices), len(rows)))
        for component, (left, right) in enumerate(zip(self.matrices, weighted, strict=True)):
            quadratics[component] = (left.T @ right)[rows, columns]
        return quadratics

    def quadratic(self, counts: np.ndarray) -> np.ndarray:
        """The sum over the components of their counts times M_i' S_i^-1 M_i.

        Args:
            counts: (components,).

        Returns:
            (ivector_dim, ivector_dim).
        """
        lower = np.zeros((self.ivector_dim, self.ivector_dim))
        lower[np.tril_indices(self.ivector_dim)] = counts @ self._quadratics
        return lower + np.tril(lower, -1).T

    def linear(self, statistics: Statistics) -> np.ndarray:
        """The sum of M_i' S_i^-1 X_i, (ivector_dim,)."""
        return statistics.sums.ravel() @ self._projections

    def ivector(self, statistics: Statistics) -> np.ndarray:
        """The mean of w less its offset, (ivector_dim,) float64.

        Source: ivector-extract.
        """
        precision = self.quadratic(statistics.counts)
        precision[np.diag_indices(self.ivector_dim)] += 1.0
        linear = self.linear(statistics)
        linear[0] += self.offset
        factor = linalg.cho_factor(precision, lower=True, overwrite_a=True)
        mean = linalg.cho_solve(factor, linear)
        mean[0] -= self.offset
        return mean
