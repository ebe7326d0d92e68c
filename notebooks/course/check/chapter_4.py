"""The exercises of chapter 4: L_BC."""

import numpy as np
from keras import ops

from .exercises import Experiment, Function, Mistake, Question, add

_random = np.random.default_rng(4)
_CASES = [_random.normal(size=shape).astype("float32") for shape in ((2, 3), (4, 7), (16, 12))]

add(
    "at_the_minimum",
    Question(
        {"even", "opposite"},
        because="both sum to zero, so both have -N. That no two speakers of the first are close, "
        "and all of the second are, is nothing that L_BC can tell.",
        hint="the minimum is -N, and L_BC = ||sum of the unit bases||^2 - N.",
        mistakes=[
            Mistake({"even"}, "do the unit bases of no other set sum to zero?"),
            Mistake(
                {"even", "opposite", "orthogonal"},
                "add up (1, 0) four times and (0, 1) four times: is that zero?",
            ),
        ],
    ),
)


def _cosines(bases):
    units = bases / np.linalg.norm(bases, axis=0)
    return units.T @ units


def _l_bc(bases):
    return _cosines(bases).sum() - bases.shape[1]


def _norm_of_sum(bases, axis=0):
    units = bases / ops.norm(bases, axis=axis, keepdims=True)
    return ops.sum(ops.square(ops.sum(units, axis=1)))


add(
    "l_bc",
    Function(
        _l_bc,
        [(bases,) for bases in _CASES],
        gradient=[0],
        mistakes=[
            Mistake(_norm_of_sum, "a square of a sum has the pairs i = j, too. What do they add?"),
            Mistake(
                lambda bases: _norm_of_sum(bases, axis=1) - bases.shape[1],
                "a basis is a column: which axis does its length run over?",
            ),
            Mistake(
                lambda bases: ops.sum(ops.square(ops.sum(bases, axis=1))) - bases.shape[1],
                "cosines do not know how long a basis is.",
            ),
            Mistake(
                lambda bases: (
                    ops.norm(ops.sum(bases / ops.norm(bases, axis=0), axis=1)) - bases.shape[1]
                ),
                "the norm is still to be squared.",
            ),
        ],
    ),
)


def _spread(bases, scale):
    different = ~np.eye(bases.shape[1], dtype=bool)
    return np.log(np.mean(np.exp(scale * _cosines(bases)[different])))


def _scaled(bases, scale, power=1):
    units = bases / ops.norm(bases, axis=0)
    return (scale * (ops.transpose(units) @ units)) ** power


def _log_mean(exponents, number):
    different = 1.0 - ops.eye(exponents.shape[0])
    return ops.log(ops.sum(different * ops.exp(exponents)) / number)


add(
    "spread",
    Function(
        _spread,
        [(bases, scale) for bases, scale in zip(_CASES, (5.0, 2.0, 5.0), strict=True)],
        gradient=[0],
        mistakes=[
            Mistake(
                lambda bases, scale: ops.log(ops.mean(ops.exp(_scaled(bases, scale)))),
                "every basis has a cosine of 1 with itself, and that is no pair of speakers.",
            ),
            Mistake(
                lambda bases, scale: _log_mean(_scaled(bases, scale), bases.shape[1] ** 2),
                "the mean is over the N (N - 1) pairs: without the diagonal there are no N^2.",
            ),
            Mistake(
                lambda bases, scale: _log_mean(
                    _scaled(bases, scale, 2), bases.shape[1] * (bases.shape[1] - 1)
                ),
                "the square of a cosine takes opposite bases for alike ones.",
            ),
            Mistake(
                lambda bases, scale: (
                    (ops.sum(_scaled(bases, scale)) - scale * bases.shape[1])
                    / (bases.shape[1] * (bases.shape[1] - 1))
                ),
                "the mean of the logarithms is L_BC again: take the exponentials first.",
            ),
        ],
    ),
)

add(
    "many_dimensions",
    Experiment(
        [
            (
                lambda closest: set(closest) == {"start", "L_BC", "spread"},
                "a dict with the closest pair's cosine at the start, after L_BC and after the "
                "spreading loss.",
            ),
            (
                lambda closest: 0.25 < closest["start"] < 0.6,
                "200 random directions in 64 dimensions; is the closest pair the largest cosine "
                "off the diagonal?",
            ),
            (
                lambda closest: abs(closest["L_BC"] - closest["start"]) < 0.1,
                "start from the same bases and let `descend` run with the pushes of L_BC.",
            ),
            (
                lambda closest: closest["spread"] < closest["start"] - 0.1,
                "start from the same bases and let `descend` run with the pushes of the "
                "spreading loss.",
            ),
        ],
        because="random bases in many dimensions are nearly centred already, so L_BC has next to "
        "nothing to do; the other loss still finds the pairs that are close.",
        mistakes=[
            Mistake(
                {"L_BC": 0.4, "spread": 0.2},
                "a dict with the closest pair's cosine at the start",
            ),
            Mistake(
                {"start": 0.99, "L_BC": 0.98, "spread": 0.7},
                "200 random directions in 64 dimensions",
            ),
            Mistake(
                {"start": 0.4, "L_BC": 0.2, "spread": 0.2},
                "run with the pushes of L_BC.",
            ),
            Mistake(
                {"start": 0.4, "L_BC": 0.4, "spread": 0.4},
                "run with the pushes of the spreading loss",
            ),
        ],
    ),
)
