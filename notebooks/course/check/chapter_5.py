"""The exercises of chapter 5: training on speech."""

import numpy as np

from .exercises import Experiment, Function, Mistake, Question, add

add(
    "steps",
    Question(
        72,
        because="960 crops fill 9 whole batches of 100, in each of 8 epochs. The 60 left over are "
        "dropped; in the next epoch they are others.",
        hint="crops of an epoch, whole batches of an epoch, epochs.",
        mistakes=[
            Mistake(76.8, "an optimizer takes no part of a step: what becomes of half a batch?"),
            Mistake(32, "each utterance is in an epoch crops_per_utterance times."),
            Mistake(9, "that is one epoch."),
            Mistake(80, "what becomes of a batch that is not full?"),
        ],
    ),
)


def _paired_interval(rates_a, rates_b):
    difference = rates_a.mean(axis=1) - rates_b.mean(axis=1)
    return np.quantile(difference, [0.025, 0.975])


def _draws(seed: int, draws: int, seeds_a: int, seeds_b: int):
    """EERs that rise and fall together, as those of two systems on the same speakers do."""
    random = np.random.default_rng(seed)
    common = random.normal(0.08, 0.02, (draws, 1))
    return (
        common + random.normal(0.01, 0.004, (draws, seeds_a)),
        common + random.normal(0.0, 0.004, (draws, seeds_b)),
    )


def _quantiles(rates):
    return np.quantile(rates.mean(axis=1), [0.025, 0.975])


add(
    "paired_interval",
    Function(
        _paired_interval,
        [_draws(0, 400, 3, 3), _draws(1, 100, 2, 5)],
        mistakes=[
            Mistake(
                lambda a, b: _quantiles(a) - _quantiles(b)[::-1],
                "that is as wide as two lists of other speakers would be. Both systems had the "
                "same draw: take the difference within each draw first.",
            ),
            Mistake(
                lambda a, b: _quantiles(a) - _quantiles(b),
                "the difference of two quantiles is no quantile of the difference: take the "
                "difference within each draw first.",
            ),
            Mistake(
                lambda a, b: np.quantile(a[:, 0] - b[:, 0], [0.025, 0.975]),
                "that is one seed of each. A system's rate is the mean over its seeds.",
            ),
            Mistake(
                lambda a, b: _quantiles(b) * 0 + _paired_interval(b, a),
                "A's rate less B's, not the other way round.",
            ),
            Mistake(
                lambda a, b: np.quantile(a.mean(axis=1) - b.mean(axis=1), [0.05, 0.95]),
                "95 % lie between the quantiles 0.025 and 0.975.",
            ),
        ],
    ),
)

add(
    "common_part",
    Experiment(
        [
            (
                lambda changes: len(np.ravel(changes)) >= 6,
                "one number a run: the EER without the common part, less the EER with it.",
            ),
            (
                lambda changes: np.any(np.ravel(changes) != 0),
                "nothing changes at all: is the mean of the training embeddings really taken away "
                "before the cosine?",
            ),
            (
                lambda changes: np.abs(changes).max() < 5,
                "in percent points these are not small: take away the mean of *this* run's "
                "training embeddings, and of no other's.",
            ),
        ],
        because="some runs gain and some lose, none by much: a part that all embeddings share "
        "raises the cosines of targets and of non-targets alike.",
        mistakes=[
            Mistake([0.1, -0.2], "one number a run"),
            Mistake([0.0] * 9, "nothing changes at all"),
            Mistake([30.0] * 9, "take away the mean of *this* run's training embeddings"),
        ],
    ),
)
