"""Every loss against a float64 loop written from its equation: values and gradients.

Values agree within 1e-5 (of the value; for L_BC of N), gradients within 1e-4 of the largest.
Half-precision embeddings change neither: the reference gets the same rounded embeddings. Only
the gradient for the embeddings is itself handed back in half precision, within 1e-2.
"""

import numpy as np
import pytest
from keras import ops

from speaker_bases.losses import (
    GE2E,
    AdditiveMarginSoftmax,
    BetweenSpeakerVariation,
    CenterLoss,
    HardNegativeMining,
    SpeakerBases,
)

BATCH, DIM, SPEAKERS = 7, 5, 9
LABELS = np.array([0, 3, 3, 8, 5, 3, 0], "int32")
# (dtype of the embeddings, jit)
WAYS = [("float32", False), ("float32", True), ("bfloat16", True), ("float16", False)]


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(BATCH, DIM)).astype("float32")
    bases = rng.normal(size=(DIM, SPEAKERS)).astype("float32")
    return embeddings, bases


def half(array, dtype):
    """The array rounded to ``dtype``, as float32."""
    rounded = ops.cast(ops.cast(ops.convert_to_tensor(array), dtype), "float32")
    return ops.convert_to_numpy(rounded)


class Check:
    """Compares a function of (embeddings, *weights) with a float64 reference of the same."""

    def __init__(self, calculus, dtype, jit):
        self.calculus, self.dtype, self.jit = calculus, dtype, jit

    def __call__(self, function, reference, embeddings, *weights, scale=None):
        embeddings = half(embeddings, self.dtype)
        value, gradients = self.calculus.value_and_gradients(
            lambda e, *w: function(ops.cast(e, self.dtype), *w), [embeddings, *weights], self.jit
        )
        exact = [np.asarray(x, "float64") for x in (embeddings, *weights)]
        expected = reference(*exact)
        assert abs(value - expected) <= 1e-5 * (scale or abs(expected))
        differences = self.calculus.finite_differences(reference, exact)
        for k, (gradient, difference) in enumerate(zip(gradients, differences, strict=True)):
            bound = 1e-2 if k == 0 and self.dtype != "float32" else 1e-4
            largest = max(np.abs(difference).max(), 1e-6)
            assert np.abs(gradient - difference).max() <= bound * largest


@pytest.fixture(params=WAYS, ids=str)
def check(request, calculus):
    return Check(calculus, *request.param)


def built(layer, *inputs):
    layer.build(*[x.shape for x in inputs])
    return layer


@pytest.mark.parametrize("use_bias", [True, False])
def test_softmax(check, data, equations, calculus, use_bias):
    embeddings, bases = data
    layer = built(SpeakerBases(SPEAKERS, use_bias=use_bias), embeddings)
    weights = [bases, np.linspace(-1, 1, SPEAKERS).astype("float32")][: 1 + use_bias]

    def function(e, *w):
        logits, _ = calculus.call(layer, w, e)
        return ops.sum(ops.sparse_categorical_crossentropy(LABELS, logits, from_logits=True))

    def reference(e, w, b=np.zeros(SPEAKERS)):  # noqa: B008
        return equations.softmax(e, w, b, LABELS)

    check(function, reference, embeddings, *weights)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_center_loss(check, data, equations, calculus, reduction):
    embeddings, _ = data
    layer = built(CenterLoss(SPEAKERS, 0.01, reduction), embeddings, LABELS)
    centers = np.random.default_rng(2).normal(size=(SPEAKERS, DIM))
    layer.centers.assign(centers)
    divisor = BATCH if reduction == "mean" else 1

    def function(e):
        return calculus.call(layer, [], e, LABELS, training=False)[1]

    def reference(e):
        return equations.center(e, centers, LABELS, 0.01) / divisor

    check(function, reference, embeddings)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_additive_margin_softmax(check, data, equations, calculus, reduction):
    embeddings, bases = data
    layer = built(SpeakerBases(SPEAKERS, "cosine"), embeddings)
    loss = AdditiveMarginSoftmax(scale=6.0, margin=0.3, reduction=reduction)
    divisor = BATCH if reduction == "mean" else 1

    def function(e, w):
        return loss(LABELS, calculus.call(layer, [w], e)[0])

    def reference(e, w):
        return equations.additive_margin_softmax(e, w, LABELS, 6.0, 0.3) / divisor

    check(function, reference, embeddings, bases)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_ge2e(check, data, equations, calculus, include_self, reduction):
    embeddings, _ = data
    layer = GE2E(include_self=include_self, reduction=reduction)
    built(layer, embeddings, LABELS)
    weights = [np.array(3.0, "float32"), np.array(-1.0, "float32")]
    divisor = BATCH if reduction == "mean" else 1

    def function(e, w, b):
        return calculus.call(layer, [w, b], e, LABELS)[1]

    def reference(e, w, b):
        return equations.ge2e(e, LABELS, w, b, include_self) / divisor

    check(function, reference, embeddings, *weights)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_between_speaker_variation(check, data, equations, reduction):
    embeddings, bases = data
    loss = BetweenSpeakerVariation(weight=0.5, scale=5.0, reduction=reduction)
    divisor = SPEAKERS * (SPEAKERS - 1) if reduction == "mean" else 1

    def reference(e, w):
        return 2.5 * equations.between_speaker_variation(w) / divisor

    check(lambda e, w: loss(w), reference, embeddings, bases, scale=2.5 * SPEAKERS / divisor)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("form", ["dense", "gathered"])
def test_hard_negative_mining(check, data, equations, calculus, reduction, form, monkeypatch):
    monkeypatch.setattr(SpeakerBases, "mine_from", 2 if form == "gathered" else 1000)
    embeddings, bases = data
    layer = built(SpeakerBases(SPEAKERS, "cosine", num_negatives=3), embeddings)
    loss = HardNegativeMining(3, scale=5.0, reduction=reduction)
    divisor = 3 * BATCH if reduction == "mean" else 1

    def function(e, w):
        return loss(LABELS, calculus.call(layer, [w], e, LABELS)[0])

    def reference(e, w):
        return equations.hard_negative_mining(e, w, LABELS, 3, 5.0) / divisor

    check(function, reference, embeddings, bases)


@pytest.mark.parametrize("jit", [False, True])
def test_mining_in_blocks_finds_the_same_as_sorting(calculus, jit):
    """With many speakers, where mining looks at blocks of columns first; 3,001 is no multiple."""
    rng = np.random.default_rng(3)
    cosines = rng.uniform(-1, 1, size=(6, 3001)).astype("float32")
    cosines[0] = 0.25  # ties everywhere
    cosines[1, :200] = 0.999  # all in the first blocks
    cosines[2, -60:] = 0.999  # all in the last columns, which fill no block
    speakers = np.array([7, 100, 3000, 5, 0, 2999], "int32")
    loss = HardNegativeMining(5)
    value, (gradient,) = calculus.value_and_gradients(
        lambda c: loss(speakers, c), [cosines], jit=jit
    )
    expected = 0.0
    for row, speaker in zip(cosines.astype("float64"), speakers, strict=True):
        hardest = np.sort(np.delete(row, speaker))[::-1][:5]
        expected += np.log1p(np.exp(hardest - row[speaker])).sum()
    assert value == pytest.approx(expected, rel=1e-5)
    assert ((gradient > 0).sum(axis=1) == 5).all()
    assert ((gradient < 0).sum(axis=1) == 1).all()
    assert (gradient[np.arange(6), speakers] < 0).all()
