"""An iteration of expectation and maximisation for a mixture of Gaussians.

The posteriors are those of the selected components alone. A component that too few frames are of
keeps its mean and covariance, and at least the smallest weight.

Source: Kaldi's gmm-global-acc-stats and gmm-global-est, fgmm-global-acc-stats and fgmm-global-est,
with ``--remove-low-count-gaussians=false``.
"""

import numpy as np

from .mixtures import DiagonalMixture, FullMixture, by_component

LEAST_WEIGHT = 1e-4
"""Of a component that is estimated again (``--min-gaussian-weight``)."""

LEAST_VARIANCE = 1e-3

LARGEST_CONDITION = 1e4
"""Of a full covariance, its largest eigenvalue to its smallest."""


class DiagonalIteration:
    """Adds up recordings, and gives the mixture that is likelier.

    Args:
        mixture: the mixture before.

    Attributes:
        frames: how many were added.
        log_likelihood: of them, the sum.
    """

    least_frames = 10.0

    def __init__(self, mixture: DiagonalMixture | FullMixture):
        self.mixture = mixture
        self.frames = 0
        self.log_likelihood = 0.0
        self._counts = np.zeros(len(mixture.weights))
        self._sums = np.zeros_like(mixture.means)
        self._second_moments = self._no_moments()

    def _no_moments(self) -> np.ndarray:
        return np.zeros_like(self.mixture.means)

    def add(self, features: np.ndarray, selected: np.ndarray) -> None:
        """Add a recording.

        Args:
            features: (frames, dim).
            selected: (frames, number) int, the components that count for each frame.
        """
        x = features.astype(np.float64)
        likelihoods = self._log_likelihoods(x, selected)
        largest = likelihoods.max(axis=1, keepdims=True)
        posteriors = np.exp(likelihoods - largest)
        totals = posteriors.sum(axis=1, keepdims=True)
        posteriors /= totals
        self.frames += len(x)
        self.log_likelihood += float((largest + np.log(totals)).sum())
        posteriors = posteriors.ravel()
        for component, places, frames in by_component(selected):
            some = x[frames]
            weighted = posteriors[places, None] * some
            self._counts[component] += posteriors[places].sum()
            self._sums[component] += weighted.sum(axis=0)
            self._second_moments[component] += self._moments(weighted, some)

    def add_for_all(self, features: np.ndarray) -> None:
        """Add frames (frames, dim), every component counting for each."""
        x = features.astype(np.float64)
        posteriors = self.mixture.log_likelihoods(x)
        largest = posteriors.max(axis=1, keepdims=True)
        posteriors = np.exp(posteriors - largest)
        totals = posteriors.sum(axis=1, keepdims=True)
        posteriors /= totals
        self.frames += len(x)
        self.log_likelihood += float((largest + np.log(totals)).sum())
        self._counts += posteriors.sum(axis=0)
        self._sums += posteriors.T @ x
        self._second_moments += posteriors.T @ x**2

    def merge(self, other: "DiagonalIteration") -> None:
        """Add what another iteration of the same mixture has added."""
        self.frames += other.frames
        self.log_likelihood += other.log_likelihood
        self._counts += other._counts
        self._sums += other._sums
        self._second_moments += other._second_moments

    def objective(self) -> float:
        """The log likelihood of a frame under the mixture before, by the components that count."""
        return self.log_likelihood / self.frames

    def starved(self) -> np.ndarray:
        """The components that too few frames are of to be estimated again."""
        return np.flatnonzero(~self._enough())

    def _log_likelihoods(self, x: np.ndarray, selected: np.ndarray) -> np.ndarray:
        return np.take_along_axis(self.mixture.log_likelihoods(x), selected, axis=1)

    def _moments(self, weighted: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.vecdot(weighted, x, axis=0)

    def updated(self) -> DiagonalMixture:
        """The mixture after the iteration."""
        weights, means, enough = self._weights_and_means()
        variances = self.mixture.variances.copy()
        moments = self._second_moments[enough] / self._counts[enough, None]
        variances[enough] = np.maximum(moments - means[enough] ** 2, LEAST_VARIANCE)
        return DiagonalMixture(weights, means, variances)

    def _weights_and_means(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """And (components,) bool, which have frames enough to be estimated again."""
        shares, enough = self._counts / self._counts.sum(), self._enough()
        means = self.mixture.means.copy()
        means[enough] = self._sums[enough] / self._counts[enough, None]
        return np.maximum(shares, LEAST_WEIGHT), means, enough

    def _enough(self) -> np.ndarray:
        shares = self._counts / self._counts.sum()
        return (self._counts > self.least_frames) & (shares > LEAST_WEIGHT)


class FullIteration(DiagonalIteration):
    """The same for full covariances.

    Args:
        mixture: the mixture before.
    """

    least_frames = 100.0

    def _no_moments(self) -> np.ndarray:
        return np.zeros_like(self.mixture.precisions)

    def _log_likelihoods(self, x: np.ndarray, selected: np.ndarray) -> np.ndarray:
        return self.mixture.log_likelihoods(x, selected)

    def _moments(self, weighted: np.ndarray, x: np.ndarray) -> np.ndarray:
        return weighted.T @ x

    def updated(self) -> FullMixture:
        """The mixture after the iteration."""
        weights, means, enough = self._weights_and_means()
        precisions = self.mixture.precisions.copy()
        for component in np.flatnonzero(enough):
            moment = self._second_moments[component] / self._counts[component]
            values, vectors = np.linalg.eigh(moment - np.outer(means[component], means[component]))
            floor = max(LEAST_VARIANCE, values[-1] / LARGEST_CONDITION)
            precisions[component] = (vectors / np.maximum(values, floor)) @ vectors.T
        return FullMixture(weights, means, precisions)
