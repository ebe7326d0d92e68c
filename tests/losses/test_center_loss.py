"""L_C, Eq. 2; how its centres move is in test_center_update.py."""

import keras
import numpy as np
import pytest
from keras import ops

from speaker_bases.losses import CenterLoss, center_loss

from . import equations, problems
from .calculus import built, call, value_and_gradients
from .problems import BATCH, DIM, LABELS, SPEAKERS

CENTERS = np.random.default_rng(2).normal(size=(SPEAKERS, DIM))


@pytest.mark.parametrize("reduction", ["sum", "mean", "sum_over_batch_size"])
def test_equation(check, data, reduction):
    embeddings, _ = data
    layer = built(CenterLoss(SPEAKERS, 0.01, reduction), embeddings, LABELS)
    layer.centers.assign(CENTERS)
    divisor = 1 if reduction == "sum" else BATCH

    def function(e):
        return call(layer, [], e, LABELS, training=False)[1]

    def reference(e):
        return equations.center_loss(e, CENTERS, LABELS, 0.01) / divisor

    check(function, reference, embeddings)


def test_function_gives_one_loss_an_utterance(data):
    embeddings, centers = data[0], CENTERS.astype("float32")
    losses = ops.convert_to_numpy(center_loss(embeddings, LABELS, centers, 0.01))
    expected = 0.01 / 2 * ((embeddings - CENTERS[LABELS]) ** 2).sum(axis=1)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_no_gradient_reaches_the_centers(data):
    layer = CenterLoss(SPEAKERS, weight=2.0)
    features, labels = data[0], LABELS
    layer.build(features.shape, labels.shape)
    assert layer.trainable_variables == []

    def function(e, centers):
        others = [v.value for v in layer.non_trainable_variables if v is not layer.centers]
        variables = [centers if v is layer.centers else None for v in layer.non_trainable_variables]
        state = [others.pop(0) if v is None else v for v in variables]
        losses = layer.stateless_call([], state, e, labels, training=True, return_losses=True)[2]
        return sum(losses)

    centers = np.ones((SPEAKERS, DIM), "float32")
    _, (by_embedding, by_center) = value_and_gradients(function, [features, centers])
    np.testing.assert_allclose(by_embedding, 2.0 * (features - 1), rtol=1e-5)
    assert not by_center.any()


def test_half_precision_embeddings_pass_unchanged_and_centers_stay_float32():
    layer = CenterLoss(SPEAKERS)
    embeddings = ops.cast(ops.ones((2, DIM)), "bfloat16")
    out = layer(embeddings, np.array([0, 1]), training=True)
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
    assert layer.centers.dtype == "float32"


def added(embeddings, labels):
    layer = CenterLoss(5)
    layer(embeddings, labels)
    return layer.losses[0]


def test_labels():
    problems.wrong_labels_make_nan(added)
    problems.one_hot_labels_are_refused(added)


WRONG = [
    *[("num_speakers", value) for value in (0, True, 2.0)],
    *[("weight", value) for value in (-1, "x", None, True, float("nan"))],
    *[("reduction", value) for value in (None, "none", "average")],
]


@pytest.mark.parametrize(("argument", "value"), WRONG)
def test_wrong_arguments_are_refused(argument, value):
    problems.is_refused(lambda: CenterLoss(**{"num_speakers": 5, argument: value}), argument)


def test_configuration_goes_round():
    layer = CenterLoss(5, 0.1, "mean", centers_initializer="zeros", name="c")
    problems.goes_round(layer)
