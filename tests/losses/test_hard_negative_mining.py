"""L_H, Eq. 10, on all cosines and on mined ones."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from speaker_bases.losses import HardNegativeMining, SpeakerBases, hard_negative_mining

from . import equations, problems
from .calculus import built, call, value_and_gradients
from .problems import BATCH, LABELS, SPEAKERS, quick


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("form", ["dense", "gathered"])
def test_equation(check, data, reduction, form, monkeypatch):
    monkeypatch.setattr(SpeakerBases, "mine_from", 2 if form == "gathered" else 1000)
    embeddings, bases = data
    layer = built(SpeakerBases(SPEAKERS, "cosine", num_negatives=3), embeddings)
    loss = HardNegativeMining(3, scale=5.0, reduction=reduction)
    divisor = 3 * BATCH if reduction == "mean" else 1

    def function(e, w):
        return loss(LABELS, call(layer, [w], e, LABELS)[0])

    def reference(e, w):
        return equations.hard_negative_mining(e, w, LABELS, 3, 5.0) / divisor

    check(function, reference, embeddings, bases)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("form", ["dense", "gathered"])
def test_the_later_codes_equation(check, data, reduction, form, monkeypatch):
    monkeypatch.setattr(SpeakerBases, "mine_from", 2 if form == "gathered" else 1000)
    embeddings, bases = data
    layer = built(SpeakerBases(SPEAKERS, "cosine", num_negatives=5), embeddings)
    loss = HardNegativeMining(5, scale=10.0, reduction=reduction, form="joint")

    def reference(e, w):
        total = equations.joint_hard_negative_mining(e, w, LABELS, 5, 10.0)
        return total / BATCH if reduction == "mean" else total

    cosines = ops.convert_to_numpy(problems.cosines_of(embeddings, bases))
    fifth_of_others = np.sort(cosines, axis=1)[:, -6]
    assert (fifth_of_others < 0).any() and (fifth_of_others > 0).any()  # the relu is met
    check(lambda e, w: loss(LABELS, call(layer, [w], e, LABELS)[0]), reference, embeddings, bases)


def test_function_gives_the_sum_over_h_of_each_utterance(data):
    cosines = problems.cosines_of(*data)
    losses = ops.convert_to_numpy(hard_negative_mining(LABELS, cosines, num_negatives=3, scale=5.0))
    expected = [
        equations.hard_negative_mining(e[None], data[1].astype("float64"), [y], 3, 5.0)
        for e, y in zip(data[0].astype("float64"), LABELS, strict=True)
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for word in (None, "none"):
        unreduced = HardNegativeMining(3, scale=5.0, reduction=word)(LABELS, cosines)
        np.testing.assert_array_equal(ops.convert_to_numpy(unreduced), losses)
    mean = HardNegativeMining(3, scale=5.0, reduction="mean")(LABELS, cosines)
    assert losses.mean() == pytest.approx(3 * float(mean), rel=1e-6)


def test_keras_word_for_the_mean(data):
    cosines = problems.cosines_of(*data)
    one, other = (HardNegativeMining(3, reduction=r) for r in ("mean", "sum_over_batch_size"))
    assert float(one(LABELS, cosines)) == float(other(LABELS, cosines))
    assert one.get_config() == other.get_config()


@pytest.mark.parametrize("jit", [False, True])
def test_mining_in_blocks_finds_the_same_as_sorting(jit):
    """With many speakers, where mining looks at blocks of columns first; 3,001 is no multiple."""
    rng = np.random.default_rng(3)
    cosines = rng.uniform(-1, 1, size=(6, 3001)).astype("float32")
    cosines[0] = 0.25  # ties everywhere
    cosines[1, :200] = 0.999  # all in the first blocks
    cosines[2, -60:] = 0.999  # all in the last columns, which fill no block
    speakers = np.array([7, 100, 3000, 5, 0, 2999], "int32")
    loss = HardNegativeMining(5)
    value, (gradient,) = value_and_gradients(lambda c: loss(speakers, c), [cosines], jit=jit)
    expected = 0.0
    for row, speaker in zip(cosines.astype("float64"), speakers, strict=True):
        hardest = np.sort(np.delete(row, speaker))[::-1][:5]
        expected += np.log1p(np.exp(hardest - row[speaker])).sum()
    assert value == pytest.approx(expected, rel=1e-5)
    assert ((gradient > 0).sum(axis=1) == 5).all()
    assert ((gradient < 0).sum(axis=1) == 1).all()
    assert (gradient[np.arange(6), speakers] < 0).all()


def test_order_and_lengths_are_nothing():
    def loss(embeddings, labels, bases):
        hardest = min(3, bases.shape[1] - 1)
        return HardNegativeMining(hardest)(labels, problems.cosines_of(embeddings, bases))

    problems.order_is_nothing(loss)
    problems.lengths_are_nothing(loss)


@quick
@given(problems.problems())
def test_all_negatives_are_the_full_sum(problem):
    embeddings, labels, bases = problem
    c = ops.convert_to_numpy(problems.cosines_of(embeddings, bases)).astype("float64")
    target = c[np.arange(len(labels)), labels]
    terms = np.log1p(np.exp(c - target[:, None]))
    expected = terms.sum() - len(labels) * np.log(2)  # the target with itself
    everyone = HardNegativeMining(bases.shape[1] - 1)
    assert float(everyone(labels, c)) == pytest.approx(expected, rel=1e-5)


@quick
@given(problem=problems.problems(), num_negatives=st.integers(1, 60))
def test_dense_and_gathered_agree_on_values_and_gradients(problem, num_negatives):
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
        results[form] = value_and_gradients(
            lambda e, w: loss(labels, call(layer, [w], e, labels)[0]),
            [embeddings, bases],
        )
    value, gradients = results["dense"]
    assert results["gathered"][0] == pytest.approx(value, rel=1e-5)
    for a, b in zip(gradients, results["gathered"][1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * max(np.abs(a).max(), 1e-6))


@pytest.mark.parametrize("form", ["dense", "gathered"])
def test_h_plus_one_speakers_are_no_trap(form):
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
def test_zero_vectors(where, form, jit, monkeypatch):
    monkeypatch.setattr(SpeakerBases, "mine_from", 2 if form == "gathered" else 100)
    layer = SpeakerBases(5, "cosine", num_negatives=2)
    layer.build((4, 3), (4,))

    def function(e, labels, w):
        return HardNegativeMining(2)(labels, call(layer, [w], e, labels)[0])

    problems.zero_vectors_give_finite_gradients(function, where, jit)


def test_sample_weights_and_column_labels():
    problems.sample_weights_and_column_labels_count(HardNegativeMining(2))


def on_all(cosines, labels):
    return HardNegativeMining(2)(labels, cosines)


def on_mined(embeddings, labels):
    layer = SpeakerBases(5, "cosine", num_negatives=2)
    layer.mine_from = 2
    return HardNegativeMining(2)(labels, layer(embeddings, labels))


@pytest.mark.parametrize("loss", [on_all, on_mined])
def test_labels(loss):
    problems.wrong_labels_make_nan(loss)
    problems.one_hot_labels_are_refused(loss)


def test_labels_stay_whole_under_any_floatx():
    losses = problems.losses_of_label_1211(lambda: HardNegativeMining(10))
    assert losses == pytest.approx([10 * np.log1p(np.exp(-1.0))] * 2, rel=1e-5)


def test_too_many_negatives_are_found_before_training():
    features = keras.Input((4,))
    model = keras.Model(features, SpeakerBases(5, "cosine")(features))
    model.compile("adam", HardNegativeMining(5))
    with pytest.raises(ValueError, match="at most num_speakers - 1 = 4"):
        model.fit(np.ones((2, 4)), np.zeros(2, int), verbose=0)


WRONG = [
    *[("num_negatives", value) for value in (0, -1, 2.0, True, "x", None)],
    *[("scale", value) for value in (0, -5, "x", None, True, float("nan"))],
    *[("reduction", value) for value in ("average", "mean_with_sample_weight")],
    *[("form", value) for value in ("sum", None, 1)],
]


@pytest.mark.parametrize(("argument", "value"), WRONG)
def test_wrong_arguments_are_refused(argument, value):
    problems.is_refused(lambda: HardNegativeMining(**{argument: value}), argument)


@pytest.mark.parametrize("shape", [(2, 5), (2, 1, 5)])
def test_h_and_the_cosines_must_go_together(shape):
    loss, labels = HardNegativeMining(5), np.zeros(2, int)
    problems.is_refused(lambda: loss(labels, np.zeros(shape)), "num_negatives")


def test_configuration_goes_round():
    problems.goes_round(
        HardNegativeMining(7, scale=5.0, reduction="mean", name="h", dtype="float64")
    )
    problems.goes_round(HardNegativeMining(7, form="joint"))
