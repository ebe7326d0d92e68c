"""Error rates of a verification system from its scores: DET curve, EER, minimum detection cost.

Pure functions on arrays. A trial is accepted if its score is at least the threshold.

References:
    Martin, Doddington, Kamm, Ordowski, Przybocki: "The DET curve in assessment of detection task
    performance", Eurospeech 1997.
    NIST 2018 Speaker Recognition Evaluation plan, section 3 (detection cost).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class DetCurve(NamedTuple):
    """Operating points of a detector, from the strictest threshold to the most lenient.

    Attributes:
        false_alarm: (points,) float64, share of non-target trials accepted; rises from 0 to 1.
        miss: (points,) float64, share of target trials rejected; falls from 1 to 0.
        thresholds: (points,) float64; inf first, then every distinct score, falling.
    """

    false_alarm: np.ndarray
    miss: np.ndarray
    thresholds: np.ndarray


def det_curve(scores: ArrayLike, is_target: ArrayLike) -> DetCurve:
    """The false alarm and miss rate at every threshold that makes a difference.

    Trials of equal score cannot be told apart by any threshold, so they make one point, in
    whatever order they come.

    Args:
        scores: (trials,) finite; higher speaks for the same speaker.
        is_target: (trials,) bool, or 0 and 1; both classes must occur.

    Returns:
        A `DetCurve`.

    Raises:
        ValueError: for NaN or infinite scores, other labels, unequal lengths, one class only.
    """
    scores, is_target = check_trials(scores, is_target)
    order = np.argsort(-scores, kind="stable")
    scores, is_target = scores[order], is_target[order]
    last = last_of_ties(scores)
    accepted_targets = np.cumsum(is_target)[last]
    accepted = last + 1
    return DetCurve(
        false_alarm=rate_from_zero(accepted - accepted_targets),
        miss=1.0 - rate_from_zero(accepted_targets),
        thresholds=np.concatenate([[np.inf], scores[last]]),
    )


def eer(scores: ArrayLike, is_target: ArrayLike) -> float:
    """Equal error rate: where the false alarm rate equals the miss rate, as a fraction.

    Between the two operating points on either side of equality the curve is taken as a straight
    line, which a detector that chooses between the two thresholds at random attains.

    Args:
        scores: (trials,) finite; higher speaks for the same speaker.
        is_target: (trials,) bool, or 0 and 1; both classes must occur.

    Raises:
        ValueError: as `det_curve`.

    Example:
        >>> eer([0.9, 0.4, 0.6, 0.1], [True, True, False, False])
        0.5
    """
    curve = det_curve(scores, is_target)
    return crossing(curve.false_alarm, curve.miss)


def min_dcf(
    scores: ArrayLike,
    is_target: ArrayLike,
    p_target: float,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> float:
    """Smallest normalised detection cost over all thresholds.

    ``min_t [ c_miss p_target P_miss(t) + c_fa (1 - p_target) P_fa(t) ]`` divided by the cost of
    the better of the two detectors that do not listen (accept all, reject all); so at most 1.

    Args:
        scores: (trials,) finite; higher speaks for the same speaker.
        is_target: (trials,) bool, or 0 and 1; both classes must occur.
        p_target: prior probability of a target trial, between 0 and 1.
        c_miss: cost of a miss.
        c_fa: cost of a false alarm.

    Raises:
        ValueError: as `det_curve`; or if the prior or a cost is out of range.
    """
    if not 0.0 < p_target < 1.0:
        raise ValueError(f"Invalid value for argument `p_target`. Expected 0 < p < 1: {p_target=}")
    if not (c_miss > 0.0 and c_fa > 0.0):
        raise ValueError(f"Costs must be above 0. Received: {c_miss=}, {c_fa=}")
    curve = det_curve(scores, is_target)
    miss_cost, fa_cost = c_miss * p_target, c_fa * (1.0 - p_target)
    cost = miss_cost * curve.miss + fa_cost * curve.false_alarm
    return float(cost.min() / min(miss_cost, fa_cost))


def check_trials(scores: ArrayLike, is_target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """`scores` as float64 and `is_target` as bool, both (trials,), or a ValueError."""
    scores = np.asarray(scores, dtype=np.float64)
    is_target = np.asarray(is_target)
    if scores.ndim != 1 or scores.shape != is_target.shape:
        raise ValueError(
            "Expected `scores` and `is_target` of one shape (trials,). "
            f"Received: {scores.shape} and {is_target.shape}"
        )
    if not np.isfinite(scores).all():
        bad = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ValueError(f"Expected finite scores. Received: scores[{bad}]={scores[bad]}")
    if is_target.dtype != bool:
        if not np.isin(is_target, (0, 1)).all():
            raise ValueError("Expected `is_target` to hold booleans, or 0 and 1.")
        is_target = is_target.astype(bool)
    targets = int(np.count_nonzero(is_target))
    if targets in (0, len(is_target)):
        raise ValueError(
            "Error rates need target and non-target trials. "
            f"Received: {targets} and {len(is_target) - targets}"
        )
    return scores, is_target


def last_of_ties(sorted_scores: np.ndarray) -> np.ndarray:
    """The index of the last trial of each run of equal scores: (distinct,) int."""
    return np.append(np.flatnonzero(np.diff(sorted_scores)), len(sorted_scores) - 1)


def rate_from_zero(accepted: np.ndarray) -> np.ndarray:
    """Accepted counts (points,), the last one all, as rates (1 + points,) that start at 0."""
    return np.concatenate([[0.0], accepted / accepted[-1]])


def crossing(false_alarm: np.ndarray, miss: np.ndarray) -> float:
    """Where a rising and a falling rate (points,) meet, by linear interpolation."""
    difference = false_alarm - miss
    right = int(np.searchsorted(difference, 0.0))
    left = right - 1  # never -1: the curve starts at false alarm 0, miss 1
    share = difference[left] / (difference[left] - difference[right])
    return float(false_alarm[left] + share * (false_alarm[right] - false_alarm[left]))
