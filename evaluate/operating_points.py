"""Error rates at thresholds, each with its interval over other speakers."""

import numpy as np

from ..error_rates import check_trials, det_curve

RESAMPLES = 500

NAMED = ("eer", "dcf-0.01", "dcf-0.05")
"""The thresholds that have a name."""

RATES = tuple(
    f"{kind}{end}" for kind in ("false_accept", "false_reject") for end in ("", "_low", "_high")
)
"""What is known at each threshold."""


def named_thresholds(scores: np.ndarray, is_target: np.ndarray) -> dict[str, float]:
    """The thresholds of `NAMED`.

    ``eer`` is where the two error rates are nearest to each other, ``dcf-P`` where the detection
    cost of prior P, with equal costs, is smallest.

    Args:
        scores: (trials,) finite.
        is_target: (trials,) bool; both kinds must occur.
    """
    curve = det_curve(scores, is_target)
    rates = (curve.false_alarm[1:], curve.miss[1:])  # the first threshold is infinite
    costs = {"eer": np.abs(rates[0] - rates[1])}
    for prior in (0.01, 0.05):
        costs[f"dcf-{prior}"] = (1 - prior) * rates[0] + prior * rates[1]
    return {name: float(curve.thresholds[1 + np.argmin(cost)]) for name, cost in costs.items()}


def operating_points(
    scores: np.ndarray,
    is_target: np.ndarray,
    enrol_speakers: np.ndarray,
    test_speakers: np.ndarray,
    thresholds: np.ndarray,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """False accepts and false rejects at each threshold, with 95 % bootstrap intervals.

    Drawn anew are speakers, as in `eer_interval`: a non-target trial counts as often as its two
    speakers were drawn, multiplied, a target trial as often as its speaker was.

    Args:
        scores: (trials,) finite; a trial is accepted from the threshold on.
        is_target: (trials,) bool.
        enrol_speakers: (trials,) int, the first utterance's speaker.
        test_speakers: (trials,) int, the second's.
        thresholds: (points,).
        seed: of the draws.

    Returns:
        Arrays (points,): ``false_accept`` and ``false_reject`` as fractions, and ``_low`` and
        ``_high`` of each.
    """
    scores, is_target = check_trials(scores, is_target)
    speakers, place = np.unique(
        np.concatenate([enrol_speakers, test_speakers]), return_inverse=True
    )
    order = np.argsort(scores, kind="stable")
    enrol, test = place[: len(scores)][order], place[len(scores) :][order]
    target = is_target[order]
    at = np.searchsorted(scores[order], thresholds, side="left")

    def rates(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = np.where(target, counts[enrol], counts[enrol] * counts[test])
        of_targets = np.concatenate([[0.0], np.cumsum(weights * target)])
        of_others = np.concatenate([[0.0], np.cumsum(weights * ~target)])
        with np.errstate(invalid="ignore"):  # a draw without one of the kinds
            return 1.0 - of_others[at] / of_others[-1], of_targets[at] / of_targets[-1]

    random = np.random.default_rng(seed)
    draws = random.multinomial(len(speakers), np.full(len(speakers), 1 / len(speakers)), RESAMPLES)
    resampled = np.array([rates(counts) for counts in draws])
    found = {}
    for side, name in enumerate(("false_accept", "false_reject")):
        found[name] = rates(np.ones(len(speakers)))[side]
        bounds = np.nanquantile(resampled[:, side], (0.025, 0.975), axis=0)
        found[f"{name}_low"], found[f"{name}_high"] = bounds
    return found


def spread_thresholds(scores: np.ndarray, is_target: np.ndarray, points: int = 100) -> np.ndarray:
    """Thresholds all along the DET curve, finer where error rates are small: (points,) rising."""
    curve = det_curve(scores, is_target)
    rates = np.geomspace(1e-4, 1.0, points // 2)
    at = np.concatenate(
        [
            np.searchsorted(curve.false_alarm, rates),
            len(curve.miss) - 1 - np.searchsorted(curve.miss[::-1], rates),
        ]
    )
    return np.sort(curve.thresholds[np.clip(at, 1, len(curve.thresholds) - 1)])


def rates_at(
    thresholds: dict[str, float], scores: np.ndarray, is_target: np.ndarray
) -> dict[str, dict[str, float]]:
    """False accepts and false rejects, as fractions, at thresholds that another list chose.

    Args:
        thresholds: by name.
        scores: (trials,) finite.
        is_target: (trials,) bool; both kinds must occur.

    Returns:
        By name, ``false_accept`` and ``false_reject``.
    """
    found = {}
    for name, threshold in thresholds.items():
        accepted = scores >= threshold
        found[name] = {
            "false_accept": float(accepted[~is_target].mean()),
            "false_reject": float(1.0 - accepted[is_target].mean()),
        }
    return found
