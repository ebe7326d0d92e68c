"""L_BC, Eq. 9."""

import keras
import numpy as np
import pytest
from hypothesis import given

from speaker_bases.losses import (
    BetweenSpeakerVariation,
    SpeakerBases,
    between_speaker_variation,
    squared_cosines,
)

from . import equations, problems
from .calculus import value_and_gradients
from .problems import SPEAKERS, quick

FORMS = ["sum_of_cosines", "log_mean_exp"]


@pytest.mark.parametrize("reduction", ["sum", "mean", "sum_over_batch_size"])
def test_equation(check, data, reduction):
    embeddings, bases = data
    loss = BetweenSpeakerVariation(weight=0.5, scale=5.0, reduction=reduction)
    divisor = 1 if reduction == "sum" else SPEAKERS * (SPEAKERS - 1)

    def reference(e, w):
        return 2.5 * equations.between_speaker_variation(w) / divisor

    check(lambda e, w: loss(w), reference, embeddings, bases, scale=2.5 * SPEAKERS / divisor)


@pytest.mark.parametrize("block", [1, 20, 10**6])  # 9 blocks of a row, 5 of 2 rows, 1 of 9
@pytest.mark.parametrize("scale", [5.0, 0.5])
def test_the_later_codes_equation(check, data, scale, block, monkeypatch):
    monkeypatch.setattr(squared_cosines, "BLOCK", block)
    embeddings, bases = data
    loss = BetweenSpeakerVariation(weight=0.1, scale=scale, form="log_mean_exp")

    def reference(e, w):
        return 0.1 * equations.log_mean_exp_of_squares(w, scale)

    check(lambda e, w: loss(w), reference, embeddings, bases, scale=0.1 * scale**2)


def test_the_later_codes_exponents_do_not_overflow():
    """exp(20^2) is beyond float64, and of two bases alike that is what there is."""
    bases = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "float32")
    loss = BetweenSpeakerVariation(scale=20.0, form="log_mean_exp")
    value, (gradient,) = value_and_gradients(loss, [bases])
    assert value == pytest.approx(400 + np.log(2 / 9), rel=1e-6)
    assert np.isfinite(gradient).all()


def test_the_later_codes_bases_end_at_right_angles():
    layer = SpeakerBases(6, between_speaker=BetweenSpeakerVariation(1.0, 5.0, form="log_mean_exp"))
    layer.build((1, 8))
    optimizer = keras.optimizers.Adam(0.05)
    loss, bases = layer.between_speaker, layer.bases
    for _ in range(150):
        _, gradients = value_and_gradients(loss, [np.asarray(bases)])
        optimizer.apply([keras.ops.convert_to_tensor(gradients[0])], [bases])
    units = np.asarray(bases) / np.linalg.norm(np.asarray(bases), axis=0)
    np.testing.assert_allclose(units.T @ units, np.eye(6), atol=0.02)
    assert float(loss(bases)) == pytest.approx(0, abs=1e-3)


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


@pytest.mark.parametrize("form", FORMS)
def test_order_and_lengths_are_nothing(form):
    def loss(embeddings, labels, bases):
        return BetweenSpeakerVariation(form=form)(bases) / bases.shape[1]

    problems.order_is_nothing(loss)
    problems.lengths_are_nothing(loss)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("where", ["embeddings", "bases"])
@pytest.mark.parametrize("form", FORMS)
def test_zero_vectors(form, where, jit):
    def function(e, labels, w):
        return BetweenSpeakerVariation(form=form)(w)

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
    *[("form", value) for value in ("squares", None, 1)],
]


@pytest.mark.parametrize(("argument", "value"), WRONG)
def test_wrong_arguments_are_refused(argument, value):
    problems.is_refused(lambda: BetweenSpeakerVariation(**{argument: value}), argument)


def test_configuration_goes_round():
    problems.goes_round(BetweenSpeakerVariation(0.2, 5.0, "mean"))
    problems.goes_round(BetweenSpeakerVariation(0.1, 5.0, form="log_mean_exp"))
