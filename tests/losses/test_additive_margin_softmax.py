"""L_AMS, Eq. 4 and 5."""

import keras
import numpy as np
import pytest
from keras import ops

from speaker_bases.losses import AdditiveMarginSoftmax, SpeakerBases, additive_margin_softmax

from . import equations, problems
from .calculus import built, call
from .problems import BATCH, LABELS, SPEAKERS


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equation(check, data, reduction):
    embeddings, bases = data
    layer = built(SpeakerBases(SPEAKERS, "cosine"), embeddings)
    loss = AdditiveMarginSoftmax(scale=6.0, margin=0.3, reduction=reduction)
    divisor = BATCH if reduction == "mean" else 1

    def function(e, w):
        return loss(LABELS, call(layer, [w], e)[0])

    def reference(e, w):
        return equations.additive_margin_softmax(e, w, LABELS, 6.0, 0.3) / divisor

    check(function, reference, embeddings, bases)


def test_function_gives_one_loss_an_utterance(data):
    embeddings, bases = data
    cosines = problems.cosines_of(embeddings, bases)
    losses = ops.convert_to_numpy(additive_margin_softmax(LABELS, cosines, 6.0, 0.3))
    expected = [
        equations.additive_margin_softmax(e[None], bases, [y], 6.0, 0.3)
        for e, y in zip(embeddings.astype("float64"), LABELS, strict=True)
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("word", [None, "none"])
def test_no_reduction(data, word):
    cosines = problems.cosines_of(*data)
    loss = AdditiveMarginSoftmax(reduction=word)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(loss(LABELS, cosines)),
        ops.convert_to_numpy(additive_margin_softmax(LABELS, cosines)),
    )


def test_keras_word_for_the_mean(data):
    cosines = problems.cosines_of(*data)
    one, other = (AdditiveMarginSoftmax(reduction=r) for r in ("mean", "sum_over_batch_size"))
    assert float(one(LABELS, cosines)) == float(other(LABELS, cosines))
    assert one.get_config() == other.get_config()


def test_order_and_lengths_are_nothing():
    def loss(embeddings, labels, bases):
        return AdditiveMarginSoftmax()(labels, problems.cosines_of(embeddings, bases))

    problems.order_is_nothing(loss)
    problems.lengths_are_nothing(loss)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("where", ["embeddings", "bases"])
def test_zero_vectors(where, jit):
    layer = SpeakerBases(5, "cosine")
    layer.build((4, 3))

    def function(e, labels, w):
        return AdditiveMarginSoftmax()(labels, call(layer, [w], e)[0])

    problems.zero_vectors_give_finite_gradients(function, where, jit)


def test_sample_weights_and_column_labels():
    problems.sample_weights_and_column_labels_count(AdditiveMarginSoftmax())


def test_labels():
    def loss(cosines, labels):
        return AdditiveMarginSoftmax()(labels, cosines)

    problems.wrong_labels_make_nan(loss)
    problems.one_hot_labels_are_refused(loss)
    losses = problems.losses_of_label_1211(lambda: AdditiveMarginSoftmax(30.0))
    assert max(losses) < 0.01


def test_labels_of_a_pipeline_whose_shape_nobody_knows():
    """And labels in a list."""
    cosines = np.random.default_rng(0).uniform(-1, 1, size=(3, 5)).astype("float32")
    loss = AdditiveMarginSoftmax()
    expected = float(loss(np.array([0, 4, 2]), cosines))
    assert float(ops.sum(loss.call([0, 4, 2], cosines))) == pytest.approx(expected, rel=1e-5)
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    for shape in (None, [None], [None, None], [None, 1]):
        traced = tf.function(
            lambda y: tf.reduce_sum(loss.call(y, cosines)),
            input_signature=[tf.TensorSpec(shape, tf.int64)],
        )
        labels = np.array([0, 4, 2]).reshape((-1, 1) if shape and len(shape) == 2 else -1)
        assert float(traced(labels)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("value", [0, -5, "x", None, True, float("nan"), float("inf")])
def test_wrong_scales_are_refused(value):
    problems.is_refused(lambda: AdditiveMarginSoftmax(scale=value), "scale")


@pytest.mark.parametrize("value", [-0.1, "x", False, float("nan")])
def test_wrong_margins_are_refused(value):
    problems.is_refused(lambda: AdditiveMarginSoftmax(margin=value), "margin")


@pytest.mark.parametrize("value", ["mean_with_sample_weight", "average", 1])
def test_wrong_reductions_are_refused(value):
    problems.is_refused(lambda: AdditiveMarginSoftmax(reduction=value), "reduction")


@pytest.mark.parametrize("reduction", ["mean", None])
def test_configuration_goes_round(reduction):
    problems.goes_round(AdditiveMarginSoftmax(np.float32(30), 0.2, reduction=reduction, name="m"))
