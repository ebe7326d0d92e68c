"""The losses in ordinary Keras models: training, metrics, weight decay, errors, docstrings."""

import doctest
import importlib

import keras
import numpy as np
import pytest
from keras import ops

import speaker_bases.losses
from speaker_bases.losses import (
    GE2E,
    AdditiveMarginSoftmax,
    BetweenSpeakerVariation,
    CenterLoss,
    CenterUpdate,
    HardNegativeMining,
    SpeakerBases,
)

KINDS = ["proposed1", "am_softmax", "ge2e", "proposed2"]


def fit(model, kind, features, labels, epochs=5):
    callbacks = [CenterUpdate()] if kind == "proposed1" else []
    return model.fit(
        [features, labels], labels, batch_size=16, epochs=epochs, verbose=0, callbacks=callbacks
    ).history


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        *[(kind, "float32") for kind in KINDS],
        *[(kind, "mixed_bfloat16") for kind in [*KINDS, "proposed2 mined"]],
        *[(kind, "mixed_float16") for kind in ["proposed1", "proposed2 mined"]],
    ],
)
def test_every_system_learns(kind, policy, models, monkeypatch):
    if kind.endswith("mined"):
        monkeypatch.setattr(SpeakerBases, "mine_from", 2)
    keras.config.set_dtype_policy(policy)
    try:
        model = models.build(kind, jit_compile=policy == "mixed_bfloat16")
    finally:
        keras.config.set_dtype_policy("float32")
    features, labels = models.batches()
    history = fit(model, kind, features, labels)
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
    for name in {"proposed1": ["center", "between_speaker"], "ge2e": ["ge2e"]}.get(kind, []):
        assert np.isfinite(history[name]).all()
    dtypes = {v.dtype for layer in model.layers for v in layer.weights}
    assert dtypes == {"float32"}


def test_total_is_the_sum_of_the_losses_and_metrics_begin_anew_each_epoch(models):
    model = models.build("proposed2")
    features, labels = models.batches()
    model.optimizer.learning_rate = 0.0
    first, second = (fit(model, "proposed2", features, labels, 1) for _ in range(2))
    assert first["between_speaker"] == pytest.approx(second["between_speaker"])
    bases = model.get_layer("bases")
    cosines = ops.convert_to_numpy(model.predict([features, labels], verbose=0))
    mining = float(HardNegativeMining(5, scale=5.0, reduction="mean")(labels, cosines))
    weights = ops.convert_to_numpy(bases.bases).astype("float64")
    decay = 1e-4 * (weights**2).sum()
    units = weights / np.linalg.norm(weights, axis=0)
    variation = ((units.sum(axis=1) ** 2).sum() - 20) / (20 * 19)
    assert first["between_speaker"][0] == pytest.approx(variation, rel=1e-4)
    assert first["loss"][0] == pytest.approx(mining + decay + variation, rel=1e-4)


def test_weight_decay_and_between_speaker_variation_on_the_same_bases(calculus):
    """Both reach the gradient of the bases, and the bias has neither."""
    variation = BetweenSpeakerVariation(weight=0.5)
    layer = SpeakerBases(4, bases_regularizer=keras.regularizers.L2(0.1), between_speaker=variation)
    layer.build((1, 3))
    rng = np.random.default_rng(0)
    bases, bias = rng.normal(size=(3, 4)).astype("float32"), np.ones(4, "float32")
    _, (by_bases, by_bias) = calculus.value_and_gradients(
        lambda w, b: calculus.call(layer, [w, b], np.ones((1, 3), "float32"))[1], [bases, bias]
    )
    _, (expected,) = calculus.value_and_gradients(
        lambda w: 0.1 * ops.sum(w * w) + variation(w), [bases]
    )
    np.testing.assert_allclose(by_bases, expected, rtol=1e-5, atol=1e-6)
    assert not by_bias.any()


def test_between_speaker_variation_is_a_regularizer_of_any_layer():
    layer = keras.layers.Dense(5, kernel_regularizer=BetweenSpeakerVariation())
    layer(np.ones((1, 3), "float32"))
    assert float(layer.losses[0]) == pytest.approx(float(BetweenSpeakerVariation()(layer.kernel)))


def test_score_weight_of_ge2e_stays_positive(models):
    model = models.build("ge2e")
    layer = model.get_layer("ge2e_layer")
    layer.score_weight.assign(-3.0)
    fit(model, "ge2e", *models.batches(), epochs=1)
    assert 0 < float(layer.score_weight) < 1


@pytest.mark.parametrize("loss", [HardNegativeMining(2), AdditiveMarginSoftmax()])
def test_sample_weights_and_column_labels(loss):
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, size=(3, 5)).astype("float32")
    labels = np.array([0, 4, 2])
    single = [float(loss(labels[i : i + 1], cosines[i : i + 1])) for i in range(3)]
    weights = np.array([0.5, 0.0, 2.0], "float32")
    weighted = float(loss(labels, cosines, sample_weight=weights))
    assert weighted == pytest.approx(np.dot(weights, single), rel=1e-5)
    assert float(loss(labels[:, None], cosines)) == pytest.approx(sum(single), rel=1e-5)


def mined_cosines(embeddings, labels):
    layer = SpeakerBases(5, "cosine", num_negatives=2)
    layer.mine_from = 2
    return layer(embeddings, labels)


def center_loss(embeddings, labels):
    layer = CenterLoss(5)
    layer(embeddings, labels)
    return layer.losses[0]


ON_LABELS = {
    "am_softmax": lambda e, y: AdditiveMarginSoftmax()(y, e),
    "hard_negative dense": lambda e, y: HardNegativeMining(2)(y, e),
    "hard_negative mined": lambda e, y: HardNegativeMining(2)(y, mined_cosines(e, y)),
    "center": center_loss,
}


@pytest.mark.parametrize("loss", ON_LABELS)
def test_a_label_of_no_speaker_makes_the_loss_nan(loss):
    embeddings = np.random.default_rng(0).uniform(-1, 1, size=(3, 5)).astype("float32")
    assert np.isfinite(float(ON_LABELS[loss](embeddings, np.array([0, 4, 2]))))
    for wrong in (-1, 5, 1000):
        assert np.isnan(float(ON_LABELS[loss](embeddings, np.array([0, wrong, 2]))))


@pytest.mark.parametrize("loss", ON_LABELS)
@pytest.mark.parametrize("batch", [1, 3])
def test_one_hot_labels_are_refused(loss, batch):
    embeddings = np.ones((batch, 5), "float32")
    with pytest.raises(ValueError, match=r"for one-hot labels take their argmax. .*, 5\)"):
        ON_LABELS[loss](embeddings, np.eye(5, dtype="int32")[:batch])


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


def test_counts_of_numpy_are_counts():
    labels = np.array([0, 3, 1])
    layer = SpeakerBases(labels.max() + 1, "cosine", num_negatives=np.int64(2))
    config = layer.get_config()
    assert type(config["num_speakers"]) is type(config["num_negatives"]) is int
    assert SpeakerBases.from_config(config).num_speakers == 4


def test_speakers_beyond_the_half_precision_integers_train_right(models):
    """In a whole model under mixed precision, label 1211 is 1211."""
    features, speakers = keras.Input((4,)), keras.Input((), dtype="int32")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        embeddings = CenterLoss(1300, name="center")(features, speakers)
        outputs = SpeakerBases(1300, "cosine", num_negatives=3)(embeddings, speakers)
        model = keras.Model([features, speakers], outputs)
        model.compile("adam", HardNegativeMining(3))
    finally:
        keras.config.set_dtype_policy("float32")
    layer = model.get_layer("center")
    before = ops.convert_to_numpy(layer.centers)
    x, y = np.ones((1, 4), "float32"), np.array([1211])
    model.fit([x, y], y, verbose=0, callbacks=[CenterUpdate()])
    moved = np.flatnonzero((ops.convert_to_numpy(layer.centers) != before).any(axis=1))
    assert moved.tolist() == [1211]


WRONG = [
    (lambda: SpeakerBases(0), "num_speakers"),
    (lambda: SpeakerBases(5, similarity="euclidean"), "similarity"),
    (lambda: SpeakerBases(5, "cosine", use_bias=True), "use_bias"),
    (lambda: SpeakerBases(5, "dot", num_negatives=2), "num_negatives"),
    (lambda: SpeakerBases(5, "cosine", num_negatives=5), "num_negatives"),
    (lambda: SpeakerBases(5, "cosine", num_negatives=2.0), "num_negatives"),
    (lambda: SpeakerBases(5, between_speaker=keras.regularizers.L2()), "between_speaker"),
    (lambda: HardNegativeMining(0), "num_negatives"),
    (lambda: HardNegativeMining(5)(np.zeros(2, int), np.zeros((2, 5))), "num_negatives"),
    (lambda: HardNegativeMining(5)(np.zeros(2, int), np.zeros((2, 1, 5))), "num_negatives"),
    (lambda: CenterLoss(True), "num_speakers"),
    (lambda: GE2E(init_weight=0), "init_weight"),
    (lambda: GE2E(reduction="mean_with_sample_weight"), "reduction"),
    (lambda: CenterLoss(5, reduction=None), "reduction"),
    (lambda: AdditiveMarginSoftmax(reduction="mean_with_sample_weight"), "reduction"),
    (lambda: HardNegativeMining(reduction="average"), "reduction"),
    (lambda: BetweenSpeakerVariation(reduction="total"), "reduction"),
]


@pytest.mark.parametrize(("make", "argument"), WRONG)
def test_wrong_arguments_are_named(make, argument):
    pattern = f"Invalid value for argument `{argument}`. Expected .* Received: {argument}="
    with pytest.raises(ValueError, match=pattern):
        make()


def test_too_many_negatives_are_found_before_training(models):
    features = keras.Input((4,))
    model = keras.Model(features, SpeakerBases(5, "cosine")(features))
    model.compile("adam", HardNegativeMining(5))
    with pytest.raises(ValueError, match="at most num_speakers - 1 = 4"):
        model.fit(np.ones((2, 4)), np.zeros(2, int), verbose=0)


MODULES = sorted(
    {cls.__module__ for cls in map(vars(speaker_bases.losses).get, speaker_bases.losses.__all__)}
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    names = {**vars(speaker_bases.losses), "np": np, "keras": keras, "ops": ops}
    result = doctest.testmod(module, extraglobs=names)
    assert result.attempted > 0
    assert result.failed == 0
