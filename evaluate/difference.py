"""The difference of two systems' error rates, and how far it would move.

It would come out otherwise with other test speakers and with other trainings (seeds). Both are
counted::

    D = mean over seeds of A's rate - mean over seeds of B's rate
    V = V_speakers + V_seeds(A) + V_seeds(B)
    V_speakers = K / (K - 1) * variance of D over draws of the K speakers
    V_seeds(X) = max(0, s_X^2 - i_X) / n_X

s_X^2 is the variance of X's rate over its n_X seeds. Part of it is no property of the trainings:
each has its own accidents with this list's speakers. That part, i_X, is the variance over seeds of
what a draw of speakers changes, averaged over draws; V_speakers holds it already. The interval is
D -+ t sqrt(V), with Student's t of Satterthwaite's degrees of freedom: s_X^2 has n_X - 1, and the
bootstrap's variance counts as one of K independent speakers, K - 1.

Runs of A and B with the same seed are not taken as pairs: whatever they share would only narrow
the interval, and two degrees of freedom instead of four would widen it by half.

References:
    Satterthwaite: "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 2(6), 1946.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95

_MOST_SPEAKERS, _MOST_SEEDS = 1_000_000, 10_000
"""Beyond these a difference counts as out of reach."""


@dataclass(frozen=True)
class Difference:
    """A's error rate less B's; below 0, A is better.

    Attributes:
        rate_a, rate_b: the two systems' rates, each the mean over its seeds; EER in percent, or
            minDCF.
        value: rate_a - rate_b.
        low, high: ends of the 95 % interval.
        probability: that A is better: the t distribution's share below 0.
        p_value: two-sided, of no difference.
        p_adjusted: the same, corrected for the number of comparisons where that was asked for.
        speakers_needed: how many speakers, with these seeds, would give a difference of this size
            an interval that just excludes 0 (so that half of such comparisons tell; for four of
            five, take twice as many); None if no number would.
        seeds_needed: how many seeds of each system, with these speakers, likewise; None too if
            the seeds' variance is unknown.
    """

    rate_a: float
    rate_b: float
    value: float
    low: float
    high: float
    probability: float
    p_value: float
    p_adjusted: float
    speakers_needed: int | None
    seeds_needed: int | None


def difference(
    rates_a: np.ndarray,
    rates_b: np.ndarray,
    drawn_a: np.ndarray,
    drawn_b: np.ndarray,
    num_speakers: int,
) -> Difference:
    """The difference of one error rate, by the formulas at the head of this module.

    Args:
        rates_a: (seeds_a,) A's rate on the list.
        rates_b: (seeds_b,) B's.
        drawn_a: (draws, seeds_a) A's rate over draws of the speakers.
        drawn_b: (draws, seeds_b) B's over the same draws.
        num_speakers: how many speakers the list has.
    """
    rate_a, rate_b = float(np.mean(rates_a)), float(np.mean(rates_b))
    value = rate_a - rate_b
    moved = drawn_a.mean(axis=1) - drawn_b.mean(axis=1)
    variance = _Variance.of(rates_a, rates_b, drawn_a, drawn_b, float(np.var(moved)), num_speakers)
    total, dof = variance.here()
    error, reach = math.sqrt(total), float(variance.reach())
    if error > 0.0:
        probability = float(stats.t.cdf(-value / error, dof))
        p_value = float(2.0 * stats.t.sf(abs(value) / error, dof))
    else:  # the same scores, or scores without any error
        probability, p_value = 0.5 - 0.5 * float(np.sign(value)), float(value == 0.0)
    speakers = _fewest(lambda n: abs(value) > variance.reach(speakers=n), 3, _MOST_SPEAKERS)
    seeds = None
    if variance.covers_seeds:
        seeds = _fewest(lambda n: abs(value) > variance.reach(seeds=n), 2, _MOST_SEEDS)
    return Difference(
        rate_a=rate_a,
        rate_b=rate_b,
        value=value,
        low=value - reach,
        high=value + reach,
        probability=probability,
        p_value=p_value,
        p_adjusted=p_value,
        speakers_needed=speakers,
        seeds_needed=seeds,
    )


@dataclass(frozen=True)
class _Variance:
    """The parts of a difference's variance, for the present speakers and seeds and for others.

    Attributes:
        common: V_speakers without the seeds' own accidents with the speakers.
        own: (systems,) those accidents, i_X, of one seed.
        over_seeds: (systems,) s_X^2; not used with one seed.
        seeds: (systems,) n_X.
        speakers: K.
        covers_seeds: whether both systems have several seeds.
    """

    common: float
    own: np.ndarray
    over_seeds: np.ndarray
    seeds: np.ndarray
    speakers: int
    covers_seeds: bool

    @classmethod
    def of(cls, rates_a, rates_b, drawn_a, drawn_b, variance: float, speakers: int) -> "_Variance":
        seeds = np.array([len(rates_a), len(rates_b)])
        correction = speakers / (speakers - 1)
        own, over_seeds = np.zeros(2), np.zeros(2)
        covers_seeds = bool(seeds.min() > 1)
        if covers_seeds:
            moves = [drawn - drawn.mean(axis=0) for drawn in (drawn_a, drawn_b)]
            own = correction * np.array([np.var(move, axis=1, ddof=1).mean() for move in moves])
            over_seeds = np.array([np.var(rates, ddof=1) for rates in (rates_a, rates_b)])
        common = max(0.0, correction * variance - float((own / seeds).sum()))
        return cls(common, own, over_seeds, seeds, speakers, covers_seeds)

    def _spread(self, speakers: ArrayLike, seeds: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """The variance and its degrees of freedom, each (counts,).

        Args:
            speakers: (counts,) or (), numbers of speakers.
            seeds: (counts, systems) or (systems,), numbers of seeds.
        """
        own, over_seeds = self.own / seeds, self.over_seeds / seeds
        speakers = np.asarray(speakers)
        of_speakers = (self.common + own.sum(axis=-1)) * (self.speakers / speakers)
        total = of_speakers + np.maximum(0.0, over_seeds - own).sum(axis=-1)
        known = of_speakers**2 / (speakers - 1)
        if self.covers_seeds:
            known = known + (over_seeds**2 / (np.asarray(seeds) - 1)).sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return total, np.where(known > 0.0, total**2 / known, np.inf)

    def here(self) -> tuple[float, float]:
        """The variance and its degrees of freedom for the present speakers and seeds."""
        total, dof = self._spread(self.speakers, self.seeds)
        return float(total), float(dof)

    def reach(self, speakers: ArrayLike | None = None, seeds: ArrayLike | None = None):
        """Half the width of the 95 % interval, for each of several counts (counts,) or here.

        Args:
            speakers: (counts,) numbers of speakers; the present one if None.
            seeds: (counts,) numbers of seeds of each system; the present ones if None.
        """
        total, dof = self._spread(
            self.speakers if speakers is None else speakers,
            self.seeds if seeds is None else np.column_stack([seeds, seeds]),
        )
        return stats.t.ppf(0.5 + CONFIDENCE / 2.0, dof) * np.sqrt(total)


def _fewest(enough: Callable[[np.ndarray], np.ndarray], least: int, most: int) -> int | None:
    """The smallest number from `least` to `most` that is enough, or None.

    More is not always better: where the speakers' share of the variance vanishes, what is left
    has the seeds' few degrees of freedom. So the numbers are gone through, in steps of 1 % at
    most, and then those of the step in which it happens.
    """
    steps = np.unique(np.geomspace(least, most, 2000).round().astype(int))
    found = np.flatnonzero(enough(steps))
    if not len(found):
        return None
    first = int(found[0])
    between = np.arange(steps[first - 1] + 1 if first else least, steps[first] + 1)
    return int(between[np.flatnonzero(enough(between))[0]])
