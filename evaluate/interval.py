"""How far an equal error rate would move with other speakers: a bootstrap over speakers.

The trials of a list share a few speakers (40 in VoxCeleb1's original list's 37,720 trials), so
they are far from independent, and an interval from resampling trials is much too narrow. What is
drawn anew here is the speakers.

References:
    Poh, Bengio: "Estimating the confidence interval of expected performance curve in biometric
    authentication using joint bootstrap", ICASSP 2007.
"""

import bisect

import numpy as np
from numpy.typing import ArrayLike

from ..error_rates import check_trials, crossing, last_of_ties

_WORK = 200_000_000
"""Trials times resamples that one interval may cost: a few seconds."""


def eer_interval(
    scores: ArrayLike,
    is_target: ArrayLike,
    enrol_speakers: ArrayLike,
    test_speakers: ArrayLike,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the EER over test speakers, as fractions.

    Each resample draws as many speakers as there are, with replacement. A non-target trial counts
    as often as its two speakers were drawn, multiplied; a target trial as often as its speaker
    was drawn: copies of one speaker are two people with the same voice, and trials between
    them do not exist. Resamples without target or without non-target trials are left out.

    Args:
        scores: (trials,) finite.
        is_target: (trials,) bool.
        enrol_speakers: (trials,) speaker names or numbers of the first utterance.
        test_speakers: (trials,) the same of the second.
        confidence: share of the bootstrap distribution between the two ends.
        resamples: the most resamples drawn; fewer, but never below 200, if trials times
            resamples would exceed 200 million.
        seed: of the draws.

    Returns:
        (low, high); (nan, nan) if there is nothing to resample, as with fewer than three speakers.

    Raises:
        ValueError: as `det_curve`, or if a target trial has two speakers, or a non-target one.
    """
    scores, is_target = check_trials(scores, is_target)
    speakers, index = np.unique(
        np.concatenate([np.asarray(enrol_speakers), np.asarray(test_speakers)]),
        return_inverse=True,
    )
    if len(index) != 2 * len(scores):
        raise ValueError("Expected one enrol and one test speaker a trial.")
    enrol, test = index.reshape(2, -1)
    if not np.array_equal(enrol == test, is_target):
        raise ValueError("Speakers and `is_target` disagree on which trials are targets.")
    if len(speakers) < 3:
        return float("nan"), float("nan")

    order = np.argsort(-scores, kind="stable")
    enrol, test, is_target = enrol[order], test[order], is_target[order]
    last = last_of_ties(scores[order])
    # How many targets and non-targets each threshold of the curve accepts; the first, none.
    targets = np.concatenate([[0], np.cumsum(is_target)[last]])
    nontargets = np.concatenate([[0], last + 1]) - targets
    of_target = enrol[is_target]
    of_nontarget = enrol[~is_target], test[~is_target]
    resamples = max(min(resamples, _WORK // len(scores)), min(resamples, 200))
    draws = np.random.default_rng(seed)
    chances = np.full(len(speakers), 1.0 / len(speakers))
    rates = []
    for _ in range(resamples):
        drawn = draws.multinomial(len(speakers), chances)
        hits = _running_share(drawn[of_target])
        alarms = _running_share(drawn[of_nontarget[0]] * drawn[of_nontarget[1]])
        if hits is not None and alarms is not None:
            rates.append(_eer(alarms, hits, nontargets, targets))
    if not rates:
        return float("nan"), float("nan")
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(rates, [tail, 100.0 - tail])
    return float(low), float(high)


def _running_share(times: np.ndarray) -> np.ndarray | None:
    """Running sum (1 + trials,), as a share of the whole; None if the whole is 0."""
    total = np.concatenate([[0], np.cumsum(times)])
    return total / total[-1] if total[-1] else None


def _eer(
    alarms: np.ndarray, hits: np.ndarray, nontargets: np.ndarray, targets: np.ndarray
) -> float:
    """The EER of weighted trials, by bisection: the rest of the curve is never computed."""

    def rates(point: int) -> tuple[float, float]:
        return alarms[nontargets[point]], 1.0 - hits[targets[point]]

    points = range(len(targets))
    right = bisect.bisect_left(points, 0.0, key=lambda point: np.subtract(*rates(point)))
    false_alarm, miss = np.transpose([rates(right - 1), rates(right)])
    return crossing(false_alarm, miss)
