"""Error rates of many score columns of one trial list, each over the same draws of its speakers.

The draws are those of `interval.eer_interval`: as many speakers as there are, with replacement. A
non-target trial counts as often as its two speakers are drawn, multiplied; a target trial as often
as its speaker is. Since all columns (systems, seeds) see the same draws, the differences between
their rates vary as those of paired measurements do.

References:
    Poh, Bengio: "Estimating the confidence interval of expected performance curve in biometric
    authentication using joint bootstrap", ICASSP 2007.
    Bisani, Ney: "Bootstrap estimates for confidence intervals in ASR performance evaluation",
    ICASSP 2004 (both systems on the same draw).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..error_rates import check_trials, eer, last_of_ties, min_dcf

P_TARGET = 0.01
"""Prior of a target trial in the minDCF that systems are compared by."""

_BLOCK = 600_000
"""Trials times draws that are weighted at once: a few MB, which stay in the processor's cache."""


class Rates(NamedTuple):
    """Error rates of every column over every draw of speakers.

    Attributes:
        eer: (draws, columns) float64, fractions.
        min_dcf: (draws, columns) float64, with prior `P_TARGET`.
    """

    eer: np.ndarray
    min_dcf: np.ndarray


@dataclass(frozen=True)
class SpeakerTrials:
    """A checked trial list; its speakers are numbered from 0, and each occurs in some trial.

    Attributes:
        is_target: (trials,) bool.
        enrol: (trials,) int, the first utterance's speaker.
        test: (trials,) int, the second's.
        num_speakers: how many there are.
    """

    is_target: np.ndarray
    enrol: np.ndarray
    test: np.ndarray
    num_speakers: int

    @classmethod
    def of(
        cls, is_target: ArrayLike, enrol_speakers: ArrayLike, test_speakers: ArrayLike
    ) -> "SpeakerTrials":
        """Number the speakers, names or numbers (trials,), and check them.

        Raises:
            ValueError: for unequal lengths, a target trial of two speakers or a non-target one of
                one, or fewer than three speakers, of whom nothing can be drawn anew.
        """
        is_target = np.asarray(is_target, dtype=bool)
        enrol, test = np.asarray(enrol_speakers), np.asarray(test_speakers)
        if not enrol.shape == test.shape == is_target.shape or is_target.ndim != 1:
            raise ValueError("Expected one label, one enrol and one test speaker a trial.")
        names, index = np.unique(np.concatenate([enrol, test]), return_inverse=True)
        enrol, test = index.reshape(2, -1)
        if not np.array_equal(enrol == test, is_target):
            raise ValueError("Speakers and `is_target` disagree on which trials are targets.")
        if len(names) < 3:
            raise ValueError(f"A comparison needs at least 3 speakers. Received: {len(names)}")
        return cls(is_target, enrol, test, len(names))


class _Column:
    """One system's scores of one seed, sorted once for all draws."""

    def __init__(self, scores: np.ndarray, is_target: np.ndarray):
        order = np.argsort(-scores, kind="stable")
        hit = is_target[order]
        # The trial's place among the list's targets, or among its non-targets.
        place = np.where(is_target, np.cumsum(is_target), np.cumsum(~is_target)) - 1
        self.targets = place[order[hit]]
        self.nontargets = place[order[~hit]]
        last = last_of_ties(scores[order])
        # How many targets and non-targets each operating point accepts; the first point, none.
        self.hits = np.concatenate([[0], np.cumsum(hit)[last]])
        self.alarms = np.concatenate([[0], last + 1]) - self.hits
        # The cheapest point is one that accepts a target more than the one before.
        self.steps = np.flatnonzero(np.diff(self.hits, prepend=-1))

    def rates(self, targets: np.ndarray, nontargets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """EER and minDCF, each (draws,), of trials that count (draws, trials) times."""
        hits = _running_sum(np.take(targets, self.targets, axis=1))
        alarms = _running_sum(np.take(nontargets, self.nontargets, axis=1))
        # Draws in rows; the last entry of a row is its total.
        miss_unit, alarm_unit = 1.0 / hits[:, -1:], 1.0 / alarms[:, -1:]
        equal = self._equal_error_rate(hits, alarms, miss_unit[:, 0], alarm_unit[:, 0])
        cost = P_TARGET * (1.0 - np.take(hits, self.hits[self.steps], axis=1) * miss_unit)
        cost += (1.0 - P_TARGET) * np.take(alarms, self.alarms[self.steps], axis=1) * alarm_unit
        return equal, cost.min(axis=1) / min(P_TARGET, 1.0 - P_TARGET)

    def _equal_error_rate(self, hits, alarms, miss_unit, alarm_unit) -> np.ndarray:
        """By bisection of all draws together: the rest of the curves is never computed."""
        draws = np.arange(len(hits))

        def rates(point):
            false_alarm = alarms[draws, self.alarms[point]] * alarm_unit
            return false_alarm, 1.0 - hits[draws, self.hits[point]] * miss_unit

        left, right = np.zeros(len(hits), int), np.full(len(hits), len(self.hits) - 1)
        while (right - left > 1).any():  # at `left` the misses are more, at `right` they are not
            middle = (left + right) // 2
            false_alarm, miss = rates(middle)
            crossed = false_alarm >= miss
            left, right = np.where(crossed, left, middle), np.where(crossed, middle, right)
        (alarm_left, miss_left), (alarm_right, miss_right) = rates(left), rates(right)
        gap_left, gap_right = miss_left - alarm_left, alarm_right - miss_right
        return alarm_left + (alarm_right - alarm_left) * gap_left / (gap_left + gap_right)


def observed_rates(scores: np.ndarray, is_target: np.ndarray) -> Rates:
    """The rates of scores (columns, trials) on the list as it is, as one draw: (1, columns)."""
    return Rates(
        np.array([[eer(column, is_target) for column in scores]]),
        np.array([[min_dcf(column, is_target, P_TARGET) for column in scores]]),
    )


def drawn_rates(scores: ArrayLike, trials: SpeakerTrials, draws: int, seed: int) -> Rates:
    """The rates of scores (columns, trials) over `draws` draws of the list's speakers.

    Draws without target or without non-target trials, which happen with a handful of speakers,
    are left out.

    Raises:
        ValueError: for scores that are not finite or not (columns, trials), or if no draw is left.
    """
    columns = [
        _Column(check_trials(column, trials.is_target)[0], trials.is_target)
        for column in np.atleast_2d(scores)
    ]
    speaker = trials.enrol[trials.is_target]
    first, second = trials.enrol[~trials.is_target], trials.test[~trials.is_target]
    chances = np.full(trials.num_speakers, 1.0 / trials.num_speakers)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(trials.num_speakers, chances, size=draws).astype(np.int32)
    rates = []
    block = max(1, _BLOCK // len(trials.is_target))
    for start in range(0, draws, block):
        times = drawn[start : start + block]
        targets = np.take(times, speaker, axis=1)
        nontargets = np.take(times, first, axis=1) * np.take(times, second, axis=1)
        whole = targets.any(axis=1) & nontargets.any(axis=1)
        if whole.any():
            targets, nontargets = targets[whole], nontargets[whole]
            rates.append([column.rates(targets, nontargets) for column in columns])
    if not rates:
        raise ValueError("No draw of the speakers has target and non-target trials.")
    whole = np.concatenate(rates, axis=2)  # (columns, 2, draws)
    return Rates(whole[:, 0].T, whole[:, 1].T)


def _running_sum(times: np.ndarray) -> np.ndarray:
    """The sum of the first n entries of each row, for n from 0: (draws, 1 + trials) int32."""
    total = np.zeros((len(times), 1 + times.shape[1]), np.int32)
    np.cumsum(times, axis=1, dtype=np.int32, out=total[:, 1:])
    return total
