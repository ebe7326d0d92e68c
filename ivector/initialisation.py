"""What EM begins with: a mixture from frames drawn at random, an extractor from a mixture."""

import numpy as np

from .extractor import Extractor
from .mixture_training import DiagonalIteration
from .mixtures import DiagonalMixture, FullMixture
from .threads import Each

FRAMES_A_COMPONENT = 10
"""As Kaldi's program, which asks for so many."""

PERTURBATION = 0.1
"""Standard deviations that the halves of a split component move apart, times a random vector."""

OFFSET = 100.0
"""Of the first element of an i-vector, before it is estimated."""

BLOCK = 8192
"""Frames that a thread works on at a time."""


def initial_mixture(
    frames: np.ndarray,
    components: int,
    iterations: int,
    rng: np.random.Generator,
    each: Each = map,
) -> DiagonalMixture:
    """A mixture with diagonal covariances of frames that are held in memory.

    It begins with half of the components, at frames drawn at random, with the covariance of all;
    in the first half of the iterations the heaviest are split. A component that too few frames are
    of is taken away, and another one split instead.

    Args:
        frames: (frames, dim), at least `FRAMES_A_COMPONENT` for each component.
        components: how many.
        iterations: of EM.
        rng: draws.
        each: a `map`, which may work in threads.

    Source: gmm-global-init-from-feats, with half of the components as ``--num-gauss-init``.
    """
    begun = max(components // 2, 1)
    spread = np.maximum(frames.var(axis=0, dtype=np.float64), 1e-3)
    drawn = np.sort(rng.choice(len(frames), begun, replace=False))
    means = frames[drawn].astype(np.float64)
    mixture = DiagonalMixture(np.full(begun, 1 / begun), means, np.tile(spread, (begun, 1)))
    for number in range(1, iterations + 1):
        iteration = _iteration(mixture, frames, each)
        mixture = _without(iteration.updated(), iteration.starved())
        share = min(1.0, number / max(iterations // 2, 1))
        wanted = begun + int(share * (components - begun))
        mixture = split(mixture, wanted if number < iterations else components, rng)
    return mixture


def _iteration(mixture: DiagonalMixture, frames: np.ndarray, each: Each) -> DiagonalIteration:
    def part(begin: int) -> DiagonalIteration:
        found = DiagonalIteration(mixture)
        found.add_for_all(frames[begin : begin + BLOCK])
        return found

    total = DiagonalIteration(mixture)
    for found in each(part, range(0, len(frames), BLOCK)):
        total.merge(found)
    return total


def _without(mixture: DiagonalMixture, components: np.ndarray) -> DiagonalMixture:
    """The mixture without some components, unless that would leave none."""
    keep = np.setdiff1d(np.arange(len(mixture.weights)), components)
    if not len(keep):
        return mixture
    weights = mixture.weights[keep]
    return DiagonalMixture(weights / weights.sum(), mixture.means[keep], mixture.variances[keep])


def split(mixture: DiagonalMixture, components: int, rng: np.random.Generator) -> DiagonalMixture:
    """Split the heaviest component in two until there are so many.

    Source: DiagGmm::Split.
    """
    weights, means, variances = map(list, (mixture.weights, mixture.means, mixture.variances))
    while len(weights) < components:
        heaviest = int(np.argmax(weights))
        weights[heaviest] /= 2
        apart = PERTURBATION * rng.normal(size=len(means[0])) * np.sqrt(variances[heaviest])
        weights.append(weights[heaviest])
        means.append(means[heaviest] - apart)
        variances.append(variances[heaviest])
        means[heaviest] = means[heaviest] + apart
    return DiagonalMixture(np.array(weights), np.array(means), np.array(variances))


def initial_extractor(mixture: FullMixture, dim: int, rng: np.random.Generator) -> Extractor:
    """An extractor whose i-vectors' first element carries the means, the others random directions.

    Args:
        mixture: with full covariances.
        dim: of the i-vectors.
        rng: draws.

    Source: ivector-extractor-init --use-weights=false.
    """
    matrices = rng.normal(size=(*mixture.means.shape, dim))
    matrices[:, :, 0] = mixture.means / OFFSET
    return Extractor(mixture.weights, matrices, mixture.precisions, OFFSET)
