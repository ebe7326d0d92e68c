"""Mixtures of Gaussians: likelihoods, selection of components, posteriors.

Source: Kaldi's src/gmm/diag-gmm.cc and src/gmm/full-gmm.cc.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

LOG_TWO_PI = np.log(2 * np.pi)


@dataclass(frozen=True)
class DiagonalMixture:
    """Gaussians with diagonal covariances.

    Attributes:
        weights: (components,), which sum to 1.
        means: (components, dim).
        variances: (components, dim).
    """

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    @cached_property
    def constants(self) -> np.ndarray:
        """(components,), what of a log likelihood does not depend on the frame."""
        exponent = self.means**2 / self.variances + np.log(self.variances) + LOG_TWO_PI
        return np.log(self.weights) - 0.5 * exponent.sum(axis=1)

    def log_likelihoods(self, features: np.ndarray) -> np.ndarray:
        """Of each frame with each component, weighted: (frames, components) float64.

        Args:
            features: (frames, dim).
        """
        x = features.astype(np.float64)
        linear = x @ (self.means / self.variances).T
        return self.constants + linear - 0.5 * (x**2 @ (1.0 / self.variances).T)

    def select(self, features: np.ndarray, number: int) -> np.ndarray:
        """The likeliest components of each frame.

        Args:
            features: (frames, dim).
            number: of components; all of them if there are fewer.

        Returns:
            (frames, number) int, the likeliest first.

        Source: gmm-gselect.
        """
        likelihoods = self.log_likelihoods(features)
        components = likelihoods.shape[1]
        number = min(number, components)
        some = np.argpartition(likelihoods, components - number, axis=1)[:, -number:]
        order = np.argsort(-np.take_along_axis(likelihoods, some, axis=1), axis=1, kind="stable")
        return np.take_along_axis(some, order, axis=1)


@dataclass(frozen=True)
class FullMixture:
    """Gaussians with full covariances.

    Attributes:
        weights: (components,), which sum to 1.
        means: (components, dim).
        precisions: (components, dim, dim), the inverses of the covariances, positive definite.
    """

    weights: np.ndarray
    means: np.ndarray
    precisions: np.ndarray

    @classmethod
    def of(cls, mixture: DiagonalMixture) -> "FullMixture":
        """The same mixture, as gmm-global-to-fgmm gives it."""
        precisions = np.stack([np.diag(1.0 / each) for each in mixture.variances])
        return cls(mixture.weights, mixture.means, precisions)

    @cached_property
    def factors(self) -> np.ndarray:
        """(components, dim, dim), lower triangular L with L L' the precision."""
        return np.linalg.cholesky(self.precisions)

    @cached_property
    def constants(self) -> np.ndarray:
        """(components,), the weighted log likelihood of a frame that is a component's mean."""
        log_roots = np.log(np.diagonal(self.factors, axis1=1, axis2=2)).sum(axis=1)
        return np.log(self.weights) + log_roots - 0.5 * self.means.shape[1] * LOG_TWO_PI

    def prepare(self) -> None:
        """Compute what is computed once, before threads would compute it at the same time."""
        _ = self.factors, self.constants, self.diagonal.constants

    @cached_property
    def diagonal(self) -> DiagonalMixture:
        """The mixture of the covariances' diagonals, as fgmm-global-to-gmm gives it."""
        variances = np.diagonal(np.linalg.inv(self.precisions), axis1=1, axis2=2)
        return DiagonalMixture(self.weights, self.means, variances)

    def log_likelihoods(self, features: np.ndarray, selected: np.ndarray) -> np.ndarray:
        """Of each frame with some of the components, weighted.

        Args:
            features: (frames, dim).
            selected: (frames, number) int, which components.

        Returns:
            (frames, number) float64.
        """
        x = features.astype(np.float64)
        likelihoods = np.empty(selected.size)
        for component, places, frames in by_component(selected):
            whitened = (x[frames] - self.means[component]) @ self.factors[component]
            distances = np.vecdot(whitened, whitened)
            likelihoods[places] = self.constants[component] - 0.5 * distances
        return likelihoods.reshape(selected.shape)


def by_component(selected: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The places of each component that is selected for any frame.

    Args:
        selected: (frames, number) int.

    Yields:
        The component, its places in the flattened array, and their frames, both ascending.
    """
    flat = selected.ravel().astype(np.int32)
    order = np.argsort(flat, kind="stable")
    components, begins = np.unique(flat[order], return_index=True)
    for component, places in zip(components, np.split(order, begins[1:]), strict=True):
        yield int(component), places, places // selected.shape[1]


def pruned_posteriors(
    mixture: FullMixture, features: np.ndarray, selected: np.ndarray, least: float = 0.025
) -> sparse.csr_array:
    """The probability of each selected component, given the frame.

    Args:
        mixture: the components.
        features: (frames, dim).
        selected: (frames, number) int, which components count; see `DiagonalMixture.select`.
        least: smaller ones count as 0, and the others are scaled to a sum of 1; if all are smaller,
            the largest is 1.

    Returns:
        (frames, components) float64, sparse.

    Source: fgmm-global-gselect-to-post --min-post.
    """
    likelihoods = mixture.log_likelihoods(features, selected)
    posteriors = np.exp(likelihoods - likelihoods.max(axis=1, keepdims=True))
    posteriors /= posteriors.sum(axis=1, keepdims=True)
    largest = posteriors.argmax(axis=1)
    posteriors[posteriors < least] = 0.0
    none = np.flatnonzero(~posteriors.any(axis=1))
    posteriors[none, largest[none]] = 1.0
    posteriors /= posteriors.sum(axis=1, keepdims=True)
    frames, columns = np.nonzero(posteriors)
    return sparse.csr_array(
        (posteriors[frames, columns], (frames, selected[frames, columns])),
        shape=(len(features), len(mixture.weights)),
    )
