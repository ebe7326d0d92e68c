"""L_BC, Eq. 9."""

import keras
import numpy as np
import pytest
from hypothesis import given

from speaker_bases.losses import BetweenSpeakerVariation, between_speaker_variation

from . import equations, problems
from .problems import SPEAKERS, quick


@pytest.mark.parametrize("reduction", ["sum", "mean", "sum_over_batch_size"])
def test_equation(check, data, reduction):
    embeddings, bases = data
    loss = BetweenSpeakerVariation(weight=0.5, scale=5.0, reduction=reduction)
    divisor = 1 if reduction == "sum" else SPEAKERS * (SPEAKERS - 1)

    def reference(e, w):
        return 2.5 * equations.between_speaker_variation(w) / divisor

    check(lambda e, w: loss(w), reference, embeddings, bases, scale=2.5 * SPEAKERS / divisor)


def test_function_is_the_sum_over_the_pairs(data):
    bases = data[1]
    expected = equations.between_speaker_variation(bases.astype("float64"))
    assert float(between_speaker_variation(bases)) == pytest.approx(expected, abs=1e-5 * SPEAKERS)
    assert float(between_speaker_variation(bases)) == float(BetweenSpeakerVariation()(bases))


@quick
@given(problems.problems())
def test_closed_form_is_the_double_sum(problem):
    bases = problem[2].astype("float64")
    units = bases / np.linalg.norm(bases, axis=0)
    matrix = units.T @ units
    expected = matrix.sum() - np.trace(matrix)
    error = abs(float(BetweenSpeakerVariation()(problem[2])) - expected)
    assert error <= 1e-5 * bases.shape[1]


def test_order_and_lengths_are_nothing():
    def loss(embeddings, labels, bases):
        return BetweenSpeakerVariation()(bases) / bases.shape[1]

    problems.order_is_nothing(loss)
    problems.lengths_are_nothing(loss)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("where", ["embeddings", "bases"])
def test_zero_vectors(where, jit):
    def function(e, labels, w):
        return BetweenSpeakerVariation()(w)

    problems.zero_vectors_give_finite_gradients(function, where, jit)


def test_clustered_bases():
    """All bases alike: the value is near N^2, and as exact as float32 allows at N = 100,000."""
    rng = np.random.default_rng(0)
    bases = 1 + 0.1 * rng.normal(size=(8, 100_000)).astype("float32")
    units = bases.astype("float64") / np.linalg.norm(bases.astype("float64"), axis=0)
    expected = (units.sum(axis=1) ** 2).sum() - 100_000
    assert float(BetweenSpeakerVariation()(bases)) == pytest.approx(expected, rel=1e-5)


def test_it_is_a_regularizer_of_any_layer():
    layer = keras.layers.Dense(5, kernel_regularizer=BetweenSpeakerVariation())
    layer(np.ones((1, 3), "float32"))
    assert float(layer.losses[0]) == pytest.approx(float(BetweenSpeakerVariation()(layer.kernel)))


WRONG = [
    *[("weight", value) for value in (-1, "x", None, True, float("nan"))],
    *[("scale", value) for value in (0, -5, "x", float("inf"))],
    *[("reduction", value) for value in ("total", None, "none")],
]


@pytest.mark.parametrize(("argument", "value"), WRONG)
def test_wrong_arguments_are_refused(argument, value):
    problems.is_refused(lambda: BetweenSpeakerVariation(**{argument: value}), argument)


def test_configuration_goes_round():
    problems.goes_round(BetweenSpeakerVariation(0.2, 5.0, "mean"))
