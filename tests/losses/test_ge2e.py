"""L_G, Eq. 6 to 8."""

import numpy as np
import pytest
from keras import ops

from speaker_bases.losses import GE2E, ge2e

from . import equations, problems, systems
from .calculus import built, call
from .problems import BATCH, LABELS


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equation(check, data, include_self, reduction):
    embeddings, _ = data
    layer = GE2E(include_self=include_self, reduction=reduction)
    built(layer, embeddings, LABELS)
    weights = [np.array(3.0, "float32"), np.array(-1.0, "float32")]
    divisor = BATCH if reduction == "mean" else 1

    def function(e, w, b):
        return call(layer, [w, b], e, LABELS)[1]

    def reference(e, w, b):
        return equations.ge2e(e, LABELS, w, b, include_self) / divisor

    check(function, reference, embeddings, *weights)


def added(embeddings, labels, **arguments):
    layer = GE2E(**arguments)
    layer(embeddings, labels)
    return float(layer.losses[0])


@pytest.mark.parametrize("include_self", [True, False])
def test_function_gives_one_loss_an_utterance(data, include_self):
    embeddings = data[0]
    losses = ops.convert_to_numpy(ge2e(embeddings, LABELS, 3.0, -1.0, include_self))
    assert losses.shape == (BATCH,)
    expected = equations.ge2e(embeddings.astype("float64"), LABELS, 3.0, -1.0, include_self)
    assert losses.sum() == pytest.approx(expected, rel=1e-5)
    layer = {"init_weight": 3.0, "init_bias": -1.0, "include_self": include_self}
    assert losses.sum() == pytest.approx(added(embeddings, LABELS, **layer), rel=1e-6)


def test_keras_word_for_the_mean(data):
    means = [added(data[0], LABELS, reduction=r) for r in ("mean", "sum_over_batch_size")]
    assert means[0] == means[1] == pytest.approx(added(data[0], LABELS) / BATCH)


def test_order_and_lengths_are_nothing():
    def loss(embeddings, labels, bases):
        return added(embeddings, labels)

    problems.order_is_nothing(loss)
    problems.lengths_are_nothing(loss)


@pytest.mark.parametrize("jit", [False, True])
def test_zero_vectors(jit):
    layer = GE2E()
    layer.build((4, 3), (4,))

    def function(e, labels, w):
        return call(layer, [10.0, -5.0], e, labels)[1]

    problems.zero_vectors_give_finite_gradients(function, "embeddings", jit)


def test_one_speaker_or_one_utterance():
    """Nobody else to be taken for: 1 - sigmoid(S) alone."""
    alone = np.array([[1.0, 0.0], [1.0, 0.0]], "float32")
    expected = 2 * (1 - 1 / (1 + np.exp(-5.0)))
    assert added(alone, np.array([4, 4])) == pytest.approx(expected, rel=1e-5)
    only = added(alone[:1], np.array([4]), include_self=False)
    assert only == pytest.approx(expected / 2, rel=1e-5)


def test_score_weight_stays_positive():
    model = systems.build("ge2e")
    layer = model.get_layer("ge2e_layer")
    layer.score_weight.assign(-3.0)
    systems.fit(model, "ge2e", *systems.batches(), epochs=1)
    assert 0 < float(layer.score_weight) < 1


WRONG = [
    *[("init_weight", value) for value in (0, -1, "x", True, float("nan"))],
    *[("init_bias", value) for value in ("x", None, float("inf"))],
    *[("include_self", value) for value in ("no", 1, None)],
    *[("reduction", value) for value in ("mean_with_sample_weight", None, "none")],
]


@pytest.mark.parametrize(("argument", "value"), WRONG)
def test_wrong_arguments_are_refused(argument, value):
    problems.is_refused(lambda: GE2E(**{argument: value}), argument)


def test_configuration_goes_round():
    problems.goes_round(GE2E(3.0, 1.0, include_self=False, reduction="mean", trainable=False))
