"""Chapter 1: Eq. 3's share of the way, L_C, the gradient of L_S, the forgotten callback."""

import numpy as np
from keras import ops

from .exercises import Experiment, Function, Mistake, Question, add

add(
    "share_of_the_way",
    Question(
        4 / 5,
        because="n / (1 + n) of the way. The 1 counts as one more utterance, at the centre itself.",
        hint="write Eq. 3 for four equal embeddings and see how far the centre gets.",
        mistakes=[
            Mistake(1.0, "look at the denominator of Eq. 3: there are 1 + 4 in it."),
            Mistake(1 / 5, "the sum in the numerator has four terms."),
            Mistake(2 / 5, "that is for the paper's alpha of one half."),
        ],
    ),
)


def _center_loss(e, y, c, weight):
    return weight / 2 * np.sum((e - c[y]) ** 2)


def _case(seed, utterances=5, dim=3, speakers=4):
    random = np.random.default_rng(seed)
    e = random.normal(size=(utterances, dim)).astype("float32")
    return e, random.integers(0, speakers, utterances), random


def _center_case(seed, weight):
    e, y, random = _case(seed)
    return e, y, random.normal(size=(4, 3)).astype("float32"), weight


def _away(e, y, c):
    return e - ops.stop_gradient(ops.take(c, y, axis=0))


add(
    "center_loss",
    Function(
        _center_loss,
        cases=[_center_case(0, 1.0), _center_case(1, 0.001)],
        gradient=[0],
        constant=[2],
        mistakes=[
            Mistake(
                lambda e, y, c, weight: weight * ops.sum(_away(e, y, c) ** 2),
                "Eq. 2 has lambda over 2.",
            ),
            Mistake(
                lambda e, y, c, weight: weight / 2 * ops.mean(ops.sum(_away(e, y, c) ** 2, axis=1)),
                "Eq. 2 is a sum over the batch, not a mean.",
            ),
            Mistake(
                lambda e, y, c, weight: weight / 2 * ops.sum(ops.norm(_away(e, y, c), axis=1)),
                "the distance is squared.",
            ),
            Mistake(
                lambda e, y, c, weight: weight / 2 * ops.sum((e - ops.take(c, y, axis=0)) ** 2),
                "no gradient trains the centres: ops.stop_gradient.",
            ),
        ],
    ),
)


def _probabilities(e, W):
    p = np.exp(e @ W)
    return p / p.sum(axis=1, keepdims=True)


def _softmax_gradient(e, y, W):
    return e.T @ (_probabilities(e, W) - np.eye(W.shape[1])[y])


def _softmax_case(seed, speakers=6):
    e, y, random = _case(seed)
    return e, y, random.normal(size=(3, speakers)).astype("float32")


add(
    "softmax_gradient",
    Function(
        _softmax_gradient,
        cases=[_softmax_case(2), _softmax_case(3, speakers=4)],
        mistakes=[
            Mistake(
                lambda e, y, W: -_softmax_gradient(e, y, W),
                "that is the way down; the gradient points up.",
            ),
            Mistake(
                lambda e, y, W: e.T @ _probabilities(e, W),
                "all speakers are pushed away; who pulls the own one?",
            ),
            Mistake(
                lambda e, y, W: e.T @ (np.eye(W.shape[1])[y] * (_probabilities(e, W) - 1)),
                "that is the own column alone; every other one gets p times e.",
            ),
            Mistake(
                lambda e, y, W: _softmax_gradient(e, y, W) / len(e),
                "Eq. 1 is a sum over the batch, not a mean.",
            ),
        ],
    ),
)

add(
    "forgotten_callback",
    Experiment(
        conditions=[
            (
                lambda lengths: len(lengths[0]) == len(lengths[1]) >= 2,
                "two lists are wanted, with one number for each seed.",
            ),
            (
                lambda lengths: not np.allclose(*lengths),
                "both are the same: is the callback in only one of them?",
            ),
            (
                lambda lengths: np.all(np.array(lengths[0]) > lengths[1]),
                "with the callback first. Where do centres that never move pull?",
            ),
        ],
        because="centres that stay at the origin pull everything to the origin: the embeddings "
        "shrink, and nothing in the logs says why.",
        mistakes=[
            Mistake(([3.0], [2.0]), "one number for each seed"),
            Mistake(([3.0, 4.0], [3.0, 4.0]), "in only one of them"),
            Mistake(([2.0, 2.0], [3.0, 4.0]), "with the callback first"),
        ],
    ),
)
