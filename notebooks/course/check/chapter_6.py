"""The exercises of chapter 6: a model of one's own."""

import math

import numpy as np
from keras import ops

from .exercises import Experiment, Function, Mistake, Question, add

add(
    "largest_probability",
    Question(
        math.exp(5) / (math.exp(5) + 59),
        because="however long one trains, a loss on cosines with a small scale goes on pulling: it "
        "cannot be satisfied by long vectors. With a scale of 40 the probability would be 1 up to "
        "rounding, and the pull would be gone.",
        hint="the logits are 5 for its own class and 0 for the 59 others.",
        mistakes=[
            Mistake(1.0, "5 is the largest logit there can be; infinity is not."),
            Mistake(
                math.exp(5) / (math.exp(5) + 60), "of 60 classes one is its own: how many others?"
            ),
            Mistake(math.exp(1) / (math.exp(1) + 59), "the scale multiplies the cosine."),
            Mistake(5 / (5 + 59), "a softmax is of exponentials, and that of 0 is 1."),
        ],
    ),
)


def _reference(labels, embeddings, bases, scale):
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    logits = scale * units @ (bases / np.linalg.norm(bases, axis=0))
    logits = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -log_probabilities[np.arange(len(labels)), labels].mean()


def _softmax(labels, logits):
    own = ops.one_hot(labels, logits.shape[1])
    return ops.mean(ops.logsumexp(logits, axis=1) - ops.sum(own * logits, axis=1))


def _unit(x, axis):
    return x / ops.norm(x, axis=axis, keepdims=True)


def _case(seed: int, number: int, dim: int, classes: int, scale: float):
    random = np.random.default_rng(seed)
    return (
        random.integers(0, classes, number).astype("int32"),
        random.normal(size=(number, dim)).astype("float32"),
        random.normal(size=(dim, classes)).astype("float32"),
        scale,
    )


add(
    "cosine_softmax",
    Function(
        _reference,
        [_case(0, 5, 4, 3, 5.0), _case(1, 3, 6, 8, 2.0)],
        gradient=[1, 2],
        mistakes=[
            Mistake(
                lambda y, e, w, s: _softmax(y, s * ops.matmul(e, w)),
                "these are dot products: neither side has length 1.",
            ),
            Mistake(
                lambda y, e, w, s: _softmax(y, s * ops.matmul(_unit(e, 1), w)),
                "the embeddings have length 1, the bases do not.",
            ),
            Mistake(
                lambda y, e, w, s: _softmax(y, s * ops.matmul(e, _unit(w, 0))),
                "the bases have length 1, the embeddings do not.",
            ),
            Mistake(
                lambda y, e, w, s: _softmax(y, s * ops.matmul(_unit(e, 1), _unit(w, 1))),
                "a basis is a column of W: which axis does its length run over?",
            ),
            Mistake(
                lambda y, e, w, s: _softmax(y, ops.matmul(_unit(e, 1), _unit(w, 0))),
                "and the scale?",
            ),
            Mistake(
                lambda y, e, w, s: (
                    y.shape[0] * _softmax(y, s * ops.matmul(_unit(e, 1), _unit(w, 0)))
                ),
                "the mean over the batch, not the sum.",
            ),
        ],
    ),
)

_ARMS = ("pixels", "softmax", "cosine")

add(
    "new_digits",
    Experiment(
        [
            (
                lambda rates: set(rates) == set(_ARMS),
                "a dict with the mean EER of the bare pixels, of softmax and of the cosine arm.",
            ),
            (
                lambda rates: all(10 < rates[arm] < 45 for arm in _ARMS),
                "in percent, of numbers whose digits were all held out: is `split(seed, "
                "new_digits=True)` what was trained and tested on?",
            ),
            (
                lambda rates: rates["pixels"] < min(rates["softmax"], rates["cosine"]),
                "bare pixels are embeddings, too: give `verification_eer` the test images as they "
                "are.",
            ),
        ],
        because="no training at all is best. Six digits are too few to learn from what makes "
        "digits differ; the networks have learnt what makes *these six* differ.",
        mistakes=[
            Mistake({"pixels": 20.0}, "a dict with the mean EER"),
            Mistake(
                {"pixels": 16.0, "softmax": 9.0, "cosine": 7.0},
                "is `split(seed, new_digits=True)` what was trained and tested on?",
            ),
            Mistake(
                {"pixels": 35.0, "softmax": 29.0, "cosine": 28.0}, "bare pixels are embeddings, too"
            ),
        ],
    ),
)
