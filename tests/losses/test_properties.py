"""What must hold for any batch, speakers and bases."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import ops

from speaker_bases.losses import (
    GE2E,
    AdditiveMarginSoftmax,
    BetweenSpeakerVariation,
    HardNegativeMining,
    SpeakerBases,
)

quick = settings(
    # Eager JAX compiles every operation for every shape.
    max_examples=20 if keras.backend.backend() == "tensorflow" else 5,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def problems(draw):
    """Embeddings (batch, dim), labels with repetitions, bases (dim, num_speakers)."""
    # Few different shapes: each new one costs a compilation on some backends.
    batch, num_speakers = draw(st.sampled_from([(1, 2), (6, 5), (4, 300)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    embeddings = rng.normal(size=(batch, 4)).astype("float32")
    labels = rng.integers(0, num_speakers, size=batch).astype("int32")
    return embeddings, labels, rng.normal(size=(4, num_speakers)).astype("float32")


def cosines(embeddings, bases):
    layer = SpeakerBases(bases.shape[1], "cosine")
    layer.build(embeddings.shape)
    layer.bases.assign(bases)
    return layer(embeddings)


def ge2e(embeddings, labels):
    layer = GE2E()
    layer(embeddings, labels)
    return float(layer.losses[0])


def all_losses(embeddings, labels, bases):
    c = cosines(embeddings, bases)
    hardest = min(3, bases.shape[1] - 1)
    return np.array(
        [
            AdditiveMarginSoftmax()(labels, c),
            HardNegativeMining(hardest)(labels, c),
            BetweenSpeakerVariation()(bases) / bases.shape[1],
            ge2e(embeddings, labels),
        ],
        "float64",
    )


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


@quick
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_batch_and_of_the_speakers_is_nothing(problem, random):
    embeddings, labels, bases = problem
    rows = random.sample(range(len(labels)), len(labels))
    speakers = random.sample(range(bases.shape[1]), bases.shape[1])
    renamed = np.argsort(speakers)[labels[rows]].astype("int32")
    same(
        all_losses(embeddings[rows], renamed, bases[:, speakers]),
        all_losses(embeddings, labels, bases),
    )


@quick
@given(problems(), st.floats(-3, 3), st.floats(-3, 3))
def test_lengths_are_nothing_to_cosines(problem, power, other_power):
    embeddings, labels, bases = problem
    longer, shorter = embeddings * np.float32(10**power), bases * np.float32(10**other_power)
    same(all_losses(longer, labels, shorter), all_losses(embeddings, labels, bases))


@quick
@given(problems())
def test_closed_form_is_the_double_sum(problem):
    bases = problem[2].astype("float64")
    units = bases / np.linalg.norm(bases, axis=0)
    matrix = units.T @ units
    expected = matrix.sum() - np.trace(matrix)
    error = abs(float(BetweenSpeakerVariation()(problem[2])) - expected)
    assert error <= 1e-5 * bases.shape[1]


@quick
@given(problems())
def test_all_negatives_are_the_full_sum(problem):
    embeddings, labels, bases = problem
    c = ops.convert_to_numpy(cosines(embeddings, bases)).astype("float64")
    target = c[np.arange(len(labels)), labels]
    terms = np.log1p(np.exp(c - target[:, None]))
    expected = terms.sum() - len(labels) * np.log(2)  # the target with itself
    everyone = HardNegativeMining(bases.shape[1] - 1)
    assert float(everyone(labels, c)) == pytest.approx(expected, rel=1e-5)


@quick
@given(problem=problems(), num_negatives=st.integers(1, 60))
def test_dense_and_gathered_agree_on_values_and_gradients(problem, num_negatives, calculus):
    embeddings, labels, bases = problem
    num_negatives = min(num_negatives, bases.shape[1] - 1)
    layer = SpeakerBases(bases.shape[1], "cosine", num_negatives=num_negatives)
    layer.build(embeddings.shape, labels.shape)
    loss = HardNegativeMining(num_negatives)
    results = {}
    for form, mine_from in [("dense", 10**9), ("gathered", 1)]:
        layer.mine_from = mine_from
        outputs = layer(embeddings, labels)
        assert len(outputs.shape) == (2 if form == "dense" else 3)
        assert layer.compute_output_shape(embeddings.shape, labels.shape) == outputs.shape
        results[form] = calculus.value_and_gradients(
            lambda e, w: loss(labels, calculus.call(layer, [w], e, labels)[0]),
            [embeddings, bases],
        )
    value, gradients = results["dense"]
    assert results["gathered"][0] == pytest.approx(value, rel=1e-5)
    for a, b in zip(gradients, results["gathered"][1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * max(np.abs(a).max(), 1e-6))


@pytest.mark.parametrize("form", ["dense", "gathered"])
def test_h_plus_one_speakers_are_no_trap(form, equations):
    """N == 1 + H: both forms are as wide as one another."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(5, 4)).astype("float32")
    labels = np.array([4, 2, 2, 0, 1])
    layer = SpeakerBases(5, "cosine", num_negatives=4)
    layer.mine_from = 1 if form == "gathered" else 100
    outputs = layer(embeddings, labels)
    expected = equations.hard_negative_mining(
        embeddings.astype("float64"), np.asarray(layer.get_weights()[0], "float64"), labels, 4
    )
    assert float(HardNegativeMining(4)(labels, outputs)) == pytest.approx(expected, rel=1e-5)


def test_mining_never_picks_the_target_and_ties_do_not_matter(mined):
    """All bases equal: every cosine ties with the target's."""
    layer = SpeakerBases(6, "cosine", bases_initializer="ones", num_negatives=5)
    embeddings = np.ones((6, 3), "float32")
    outputs = layer(embeddings, np.arange(6))
    loss = HardNegativeMining(5)(np.arange(6), outputs)
    assert float(loss) == pytest.approx(30 * np.log(2), rel=1e-6)

    # The targets nearest of all: were one among its own negatives, the loss would show log(2).
    layer = SpeakerBases(6, "cosine", bases_initializer="identity", num_negatives=2)
    outputs = layer(np.eye(6, dtype="float32"), np.arange(6))
    np.testing.assert_allclose(ops.convert_to_numpy(outputs)[:, 0], [[1, 0, 0]] * 6, atol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("form", ["dense", "gathered"])
@pytest.mark.parametrize("where", ["embeddings", "bases"])
def test_zero_vectors_give_finite_gradients(where, form, jit, calculus, monkeypatch):
    monkeypatch.setattr(SpeakerBases, "mine_from", 2 if form == "gathered" else 100)
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(4, 3)).astype("float32")
    bases = rng.normal(size=(3, 5)).astype("float32")
    labels = np.array([0, 0, 1, 2], "int32")
    if where == "embeddings":
        embeddings[:2] = 0
    else:
        bases[:, :2] = 0
    layer = SpeakerBases(5, "cosine", between_speaker=BetweenSpeakerVariation(), num_negatives=2)
    layer.build(embeddings.shape, labels.shape)
    contrast = GE2E()
    contrast.build(embeddings.shape, labels.shape)

    def function(e, w):
        outputs, added = calculus.call(layer, [w], e, labels)
        _, other = calculus.call(contrast, [10.0, -5.0], e, labels)
        margins = AdditiveMarginSoftmax()(labels, calculus.call(layer, [w], e)[0])
        return HardNegativeMining(2)(labels, outputs) + added + other + margins

    value, gradients = calculus.value_and_gradients(function, [embeddings, bases], jit)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)
    # No direction, no gradient: 1 / norm would blow up any that is not 0.
    zero = gradients[0][:2] if where == "embeddings" else gradients[1][:, :2]
    assert (zero == 0).all()
    assert all(np.abs(g).max() < 100 for g in gradients)


def test_between_speaker_variation_with_clustered_bases():
    """All bases alike: the value is near N^2, and as exact as float32 allows at N = 100,000."""
    rng = np.random.default_rng(0)
    bases = 1 + 0.1 * rng.normal(size=(8, 100_000)).astype("float32")
    units = bases.astype("float64") / np.linalg.norm(bases.astype("float64"), axis=0)
    expected = (units.sum(axis=1) ** 2).sum() - 100_000
    assert float(BetweenSpeakerVariation()(bases)) == pytest.approx(expected, rel=1e-5)


def test_ge2e_with_one_speaker_or_one_utterance():
    """Nobody else to be taken for: 1 - sigmoid(S) alone."""
    alone = np.array([[1.0, 0.0], [1.0, 0.0]], "float32")
    expected = 2 * (1 - 1 / (1 + np.exp(-5.0)))
    assert ge2e(alone, np.array([4, 4])) == pytest.approx(expected, rel=1e-5)
    layer = GE2E(include_self=False)
    layer(alone[:1], np.array([4]))
    assert float(layer.losses[0]) == pytest.approx(expected / 2, rel=1e-5)


def test_split_products_are_exact_where_the_device_rounds_factors(monkeypatch):
    """A GPU's TF32, imitated: factors of matrix products rounded to 11 bits."""
    from speaker_bases.losses import cosines as _ops

    matmul = ops.matmul

    def rounded(x):
        bits = ops.convert_to_numpy(x).view("uint32")
        return ((bits + 0x1000) & ~np.uint32(0x1FFF)).view("float32")

    monkeypatch.setattr(_ops.ops, "matmul", lambda x, y: matmul(rounded(x), rounded(y)))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 64, 64)).astype("float32")
    exact = x.astype("float64") @ y
    plain = np.abs(ops.convert_to_numpy(_ops.ops.matmul(x, y)) - exact).max()
    split = np.abs(ops.convert_to_numpy(_ops._product_of_parts(x, y)) - exact).max()
    assert plain > 1e-3
    assert split < 2e-5


def test_split_product_has_the_gradient_of_a_product(calculus):
    from speaker_bases.losses import cosines as _ops

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4, 4)).astype("float32")
    _, split = calculus.value_and_gradients(
        lambda a, b: ops.sum(ops.sin(_ops._split_product(a, b))), [x, y]
    )
    _, plain = calculus.value_and_gradients(lambda a, b: ops.sum(ops.sin(ops.matmul(a, b))), [x, y])
    np.testing.assert_allclose(split[0], plain[0], atol=1e-5)
    np.testing.assert_allclose(split[1], plain[1], atol=1e-5)


@pytest.mark.parametrize("floatx", ["float32", "bfloat16"])
def test_labels_stay_whole_under_any_floatx(floatx):
    """bfloat16 turns 1211 into 1208."""
    before = keras.config.floatx()
    keras.config.set_floatx(floatx)
    try:
        cosines = np.zeros((1, 1250), "float32")
        cosines[0, 1211] = 1.0
        label = np.array([1211])
        right = 10 * np.log1p(np.exp(-1.0))
        assert float(HardNegativeMining(10)(label, cosines)) == pytest.approx(right, rel=1e-5)
        assert float(AdditiveMarginSoftmax(30.0)(label, cosines)) < 0.01
    finally:
        keras.config.set_floatx(before)
