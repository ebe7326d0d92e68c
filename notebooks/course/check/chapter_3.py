"""Chapter 3: the chance that a negative is in the batch, L_H, and how many negatives."""

import numpy as np
from keras import ops

from .exercises import Experiment, Function, Mistake, Question, add

add(
    "chance_in_batch",
    Question(
        63 / 5993,
        because="63 places for 5,993 others: about one batch in a hundred.",
        hint="how many others are in the batch, and how many are there in all?",
        tolerance=1e-5,
        mistakes=[
            Mistake(64 / 5994, "its own speaker is in the batch already, and is no negative."),
            Mistake(63 / 5994, "its own speaker cannot be its hardest negative."),
            Mistake(1 / 5993, "the batch has 63 places for others, not one."),
            Mistake(100 * 63 / 5993, "a probability is at most 1."),
        ],
    ),
)


def _hard_negatives(y, cosines, num_negatives, scale):
    own = cosines[np.arange(len(y)), y][:, None]
    others = np.where(np.arange(cosines.shape[1]) == y[:, None], -np.inf, cosines)
    hardest = np.sort(others, axis=1)[:, -num_negatives:]
    return np.log(1 + np.exp(scale * (hardest - own))).sum()


def _case(seed, num_negatives, scale, utterances=4, speakers=6):
    random = np.random.default_rng(seed)
    cosines = random.uniform(-1, 1, (utterances, speakers)).astype("float32")
    y = random.integers(0, speakers, utterances)
    cosines[0, y[0]] = 0.95  # near its own basis, as after training
    return y, cosines, num_negatives, scale


def _parts(y, cosines, num_negatives, own_counts=False, easiest=False):
    is_own = ops.one_hot(y, cosines.shape[-1])
    own = ops.sum(is_own * cosines, axis=1, keepdims=True)
    if easiest:
        return own, -ops.top_k(-cosines - 3 * is_own, num_negatives)[0]
    return own, ops.top_k(cosines - (0 if own_counts else 3) * is_own, num_negatives)[0]


def _own_counts(y, cosines, num_negatives, scale):
    own, hardest = _parts(y, cosines, num_negatives, own_counts=True)
    return ops.sum(ops.softplus(scale * (hardest - own)))


def _easiest(y, cosines, num_negatives, scale):
    own, easy = _parts(y, cosines, num_negatives, easiest=True)
    return ops.sum(ops.softplus(scale * (easy - own)))


def _no_scale(y, cosines, num_negatives, scale):
    own, hardest = _parts(y, cosines, num_negatives)
    return ops.sum(ops.softplus(hardest - own))


def _turned_around(y, cosines, num_negatives, scale):
    own, hardest = _parts(y, cosines, num_negatives)
    return ops.sum(ops.softplus(scale * (own - hardest)))


def _mean(y, cosines, num_negatives, scale):
    own, hardest = _parts(y, cosines, num_negatives)
    return ops.mean(ops.softplus(scale * (hardest - own)))


def _own_fixed(y, cosines, num_negatives, scale):
    own, hardest = _parts(y, cosines, num_negatives)
    return ops.sum(ops.softplus(scale * (hardest - ops.stop_gradient(own))))


add(
    "hard_negatives",
    Function(
        _hard_negatives,
        cases=[_case(0, 2, 1.0), _case(1, 1, 5.0), _case(2, 5, 2.0)],
        gradient=[1],
        mistakes=[
            Mistake(_own_counts, "the own speaker has the largest cosine, and is no negative."),
            Mistake(_easiest, "hard negatives are those with the largest cosines."),
            Mistake(_no_scale, "each cosine is multiplied by the scale."),
            Mistake(_turned_around, "the loss falls as the own cosine rises."),
            Mistake(_mean, "Eq. 10 is a sum over batch and negatives, not a mean."),
            Mistake(_own_fixed, "the own basis is pulled as well: stop no gradient there."),
        ],
    ),
)

add(
    "how_many_negatives",
    Experiment(
        conditions=[
            (lambda rates: len(rates) == 3, "three rates are wanted, for H of 1, 10 and 100."),
            (
                lambda rates: all(1 < rate < 60 for rate in rates),
                "are these rates in %, and those after 50 steps?",
            ),
            (
                lambda rates: rates[0] > rates[2] + 3 and rates[1] > rates[2],
                "in the order of H, 1 first. Who pushes at the start?",
            ),
        ],
        because="the fewer negatives, the slower the start: one negative that is hard by chance "
        "pushes in a random direction, a hundred push on average in the right one.",
        mistakes=[
            Mistake([25.0, 12.0], "three rates"),
            Mistake([0.25, 0.2, 0.1], "in %"),
            Mistake([12.0, 20.0, 25.0], "1 first"),
        ],
    ),
)
