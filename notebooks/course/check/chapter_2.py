"""Chapter 2: how wide a margin can be, L_AMS, and a margin that is too wide."""

import numpy as np
from keras import ops

from .exercises import Experiment, Function, Mistake, Question, add

add(
    "widest_margin",
    Question(
        0.5,
        because="1 - cos 60°. A wider margin asks for what six directions cannot give.",
        hint="the own cosine is 1 at best. What is the angle to the next basis?",
        mistakes=[
            Mistake(1 - np.cos(np.pi / 4), "that is for eight bases, 45 degrees apart."),
            Mistake(1.0, "the next basis is not at a right angle."),
            Mistake(60, "that is the angle; a margin is a difference of cosines."),
            Mistake(1 - np.cos(60), "np.cos takes radians."),
        ],
    ),
)


def _additive_margin(y, cosines, scale, margin):
    own = np.arange(len(y)), y
    right = np.exp(scale * (cosines[own] - margin))
    rest = np.exp(scale * cosines).sum(axis=1) - np.exp(scale * cosines[own])
    return -np.log(right / (right + rest)).sum()


def _case(seed, scale, margin, utterances=4, speakers=5):
    random = np.random.default_rng(seed)
    cosines = random.uniform(-1, 1, (utterances, speakers)).astype("float32")
    return random.integers(0, speakers, utterances), cosines, scale, margin


def _softmax(y, logits, right):
    own = ops.sum(ops.one_hot(y, logits.shape[-1]) * right, axis=1)
    return ops.logsumexp(logits, axis=1) - own


def _is_own(y, cosines):
    return ops.one_hot(y, cosines.shape[-1])


def _by_scale(y, cosines, scale, margin):
    logits = scale * cosines - margin * _is_own(y, cosines)
    return ops.sum(_softmax(y, logits, logits))


def _of_all(y, cosines, scale, margin):
    logits = scale * (cosines - margin)
    return ops.sum(_softmax(y, logits, logits))


def _above_only(y, cosines, scale, margin):
    return ops.sum(_softmax(y, scale * cosines, scale * (cosines - margin)))


def _larger(y, cosines, scale, margin):
    logits = scale * (cosines + margin * _is_own(y, cosines))
    return ops.sum(_softmax(y, logits, logits))


def _mean(y, cosines, scale, margin):
    logits = scale * (cosines - margin * _is_own(y, cosines))
    return ops.mean(_softmax(y, logits, logits))


add(
    "additive_margin",
    Function(
        _additive_margin,
        cases=[_case(0, 5.0, 0.35), _case(1, 20.0, 0.1), _case(2, 1.0, 0.0)],
        gradient=[1],
        mistakes=[
            Mistake(_by_scale, "the margin is subtracted from the cosine, before the scale."),
            Mistake(_of_all, "only the own cosine gets smaller: softmax does not see what is "
                    "subtracted from all."),
            Mistake(_above_only, "the numerator stands in the denominator again, margin and all."),
            Mistake(_larger, "the margin makes it harder: the own cosine gets smaller."),
            Mistake(_mean, "Eq. 4 is a sum over the batch, not a mean."),
        ],
    ),
)  # fmt: skip

add(
    "wide_margin",
    Experiment(
        conditions=[
            (
                lambda pairs: len(pairs[0]) == len(pairs[1]) >= 2,
                "two lists are wanted, with one number for each seed.",
            ),
            (
                lambda pairs: all(0.5 < cosine <= 1 for each in pairs for cosine in each),
                "are these the cosines of the closest two bases?",
            ),
            (
                lambda pairs: np.all(np.array(pairs[0]) < pairs[1]),
                "the list without a margin comes first. Is the other one with 0.7?",
            ),
        ],
        because="the wide margin brings the closest two bases nearer together. It cannot be met, "
        "so it goes on pulling where the speakers are apart already.",
        mistakes=[
            Mistake(([0.7], [0.9]), "one number for each seed"),
            Mistake(([0.71, 0.72], [45.0, 45.0]), "cosines of the closest two"),
            Mistake(([0.9, 0.9], [0.7, 0.7]), "without a margin comes first"),
        ],
    ),
)
