"""Chapter 0: what is pooled, the equal error rate, the common vector."""

import numpy as np

from speaker_bases.error_rates import eer

from .exercises import Experiment, Function, Mistake, Question, add

add(
    "positions",
    Question(
        304,
        because="38 frames times 8 bands are left of 304 times 64: three rows halve both.",
        hint="which shape does `res4` have? The pool is global.",
        mistakes=[
            Mistake(38, "the pool is global: over time, and over what else?"),
            Mistake(304 * 64, "so many come in; what do the strides of res2, res3 and res4 leave?"),
            Mistake(128, "that is how many means there are."),
        ],
    ),
)


def _nearest_point(scores, is_target):
    thresholds = np.sort(scores)
    misses = np.array([np.mean(scores[is_target] < t) for t in thresholds])
    alarms = np.array([np.mean(scores[~is_target] >= t) for t in thresholds])
    nearest = np.argmin(np.abs(misses - alarms))
    return (misses[nearest] + alarms[nearest]) / 2


def _fewest_errors(scores, is_target):
    return min(np.mean((scores >= t) != is_target) for t in scores)


def _trials(seed, trials):
    random = np.random.default_rng(seed)
    is_target = np.arange(trials) < trials // 3
    return random.permutation(trials) / trials + 0.4 * is_target + 1e-4 * np.arange(
        trials
    ), is_target


add(
    "equal_error_rate",
    Function(
        eer,
        cases=[
            (
                np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1]),
                np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0], bool),
            ),
            _trials(0, 31),
            _trials(1, 100),
        ],
        mistakes=[
            Mistake(
                _nearest_point,
                "the nearest threshold is not yet where the two are equal: "
                "draw the line between two neighbours.",
            ),
            Mistake(
                _fewest_errors,
                "that is the share of wrong decisions. Misses are counted among "
                "the targets, false alarms among the others.",
            ),
            Mistake(
                lambda scores, is_target: eer(-scores, is_target),
                "a high score speaks for the same speaker: accept the high ones.",
            ),
        ],
    ),
)

add(
    "common_vector",
    Experiment(
        conditions=[
            (
                lambda rates: len(rates[0]) == len(rates[1]) >= 2,
                "two lists are wanted, with one rate for each seed.",
            ),
            (
                lambda rates: all(1 < rate < 99 for each in rates for rate in each),
                "are these rates in %?",
            ),
            (
                lambda rates: not np.allclose(*rates),
                "both lists are the same: was the mean embedding taken away?",
            ),
            (
                lambda rates: np.mean(rates[1]) > np.mean(rates[0]) - 3,
                "the EER falls by much? Both lists should be measured with `rate_of`.",
            ),
        ],
        because="the cosines spread, but the EER does not fall: it asks for the order of the "
        "scores alone. A common vector makes cosines large; it does not make them wrong.",
        mistakes=[
            Mistake(([30.0], [30.0]), "one rate for each seed"),
            Mistake(([0.3, 0.3], [0.2, 0.3]), "in %"),
            Mistake(([30.0, 31.0], [30.0, 31.0]), "was the mean embedding taken away?"),
            Mistake(([43.0, 44.0], [12.0, 9.0]), "measured with `rate_of`"),
        ],
    ),
)
