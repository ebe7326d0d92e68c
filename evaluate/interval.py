"""How far an equal error rate would move with other speakers: a bootstrap over speakers.

The trials of a list share a few speakers (40 in VoxCeleb1's original list's 37,720 trials), so
they are far from independent, and an interval from resampling trials is much too narrow. What is
drawn anew here is the speakers.

References:
    Poh, Bengio: "Estimating the confidence interval of expected performance curve in biometric
    authentication using joint bootstrap", ICASSP 2007.
"""

import numpy as np
from numpy.typing import ArrayLike

from .metrics import check_trials, crossing, last_of_ties, rate_from_zero

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
        (low, high); (nan, nan) if fewer than three speakers leave nothing to resample.

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
    resamples = max(min(resamples, _WORK // len(scores)), min(resamples, 200))
    draws = np.random.default_rng(seed)
    chances = np.full(len(speakers), 1.0 / len(speakers))
    rates = []
    for _ in range(resamples):
        drawn = draws.multinomial(len(speakers), chances)
        target = np.where(is_target, drawn[enrol], 0).cumsum()[last]
        nontarget = np.where(is_target, 0, drawn[enrol] * drawn[test]).cumsum()[last]
        if target[-1] and nontarget[-1]:
            rates.append(crossing(rate_from_zero(nontarget), 1.0 - rate_from_zero(target)))
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(rates, [tail, 100.0 - tail])
    return float(low), float(high)
