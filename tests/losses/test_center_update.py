"""Eq. 3, inside CenterLoss, and CenterUpdate, which sets its alpha."""

import keras
import numpy as np
import pytest
from keras import ops

from speaker_bases.losses import CenterLoss, CenterUpdate

from . import equations, problems

SPEAKERS, DIM, BATCH = 6, 3, 5


def trained_model(**compile_args):
    """Embeddings are the inputs themselves, so that Eq. 3 can be followed outside."""
    features = keras.Input((DIM,))
    speakers = keras.Input((), dtype="int32")
    embeddings = CenterLoss(SPEAKERS, weight=0.2, name="center")(features, speakers)
    outputs = keras.layers.Dense(SPEAKERS)(embeddings)
    model = keras.Model([features, speakers], outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, **compile_args)
    return model


def utterances(batches=4):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(batches * BATCH, DIM)).astype("float32")
    # Speakers several times in a batch, and one (5) never.
    labels = np.array([0, 1, 1, 1, 4] * batches, "int32")
    labels[-BATCH:] = 2
    return features, labels


def assert_are(centers, expected):
    """Centres may lie near 0, and are differences of numbers near 1, which float32 has to 1e-7."""
    np.testing.assert_allclose(ops.convert_to_numpy(centers), expected, rtol=1e-5, atol=1e-7)


WAYS = [
    {"jit_compile": False},
    {"jit_compile": True},
    {"jit_compile": False, "steps_per_execution": 2},
    {"jit_compile": True, "steps_per_execution": 4},
    {"run_eagerly": True},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_centers_follow_eq_3_in_every_mini_batch(way):
    model = trained_model(**way)
    layer = model.get_layer("center")
    features, labels = utterances()
    expected = ops.convert_to_numpy(layer.centers).astype("float64")
    losses = []
    for start in range(0, len(labels), BATCH):
        e, y = features[start : start + BATCH], labels[start : start + BATCH]
        losses.append(equations.center_loss(e, expected, y, 0.2))  # the centres before the update
        expected = equations.updated_centers(e, expected, y, 0.3)

    history = model.fit(
        [features, labels],
        labels,
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
        callbacks=[CenterUpdate(0.3)],
    )
    assert_are(layer.centers, expected)
    assert history.history["center"][0] == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_only_training_moves_the_centers_and_only_while_alpha_is_set(jit):
    model = trained_model(jit_compile=jit)
    layer = model.get_layer("center")
    features, labels = utterances()
    inputs = [features, labels]
    before = ops.convert_to_numpy(layer.centers)

    def moved():
        return not np.array_equal(ops.convert_to_numpy(layer.centers), before)

    model.fit(inputs, labels, verbose=0)
    assert not moved()
    layer.alpha.assign(0.5)
    model.evaluate(inputs, labels, verbose=0)
    model.predict(inputs, verbose=0)
    assert not moved()
    layer.alpha.assign(0.0)
    model.fit(
        inputs, labels, verbose=0, callbacks=[CenterUpdate()], validation_data=(inputs, labels)
    )
    assert moved()
    assert float(layer.alpha) == 0
    after = ops.convert_to_numpy(layer.centers)
    model.fit(inputs, labels, verbose=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.centers), after)


def test_alpha_is_set_while_fit_runs_and_in_nested_models():
    inner_inputs = [keras.Input((DIM,)), keras.Input((), dtype="int32")]
    inner = keras.Model(inner_inputs, CenterLoss(SPEAKERS, name="deep")(*inner_inputs))
    inputs = [keras.Input((DIM,)), keras.Input((), dtype="int32")]
    model = keras.Model(inputs, keras.layers.Dense(SPEAKERS)(inner(inputs)))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    layer = inner.get_layer("deep")
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(float(layer.alpha))

    features, labels = utterances()
    model.fit([features, labels], labels, verbose=0, callbacks=[CenterUpdate(0.25), Look()])
    assert seen == [0.25]
    assert float(layer.alpha) == 0


def test_centers_stay_frozen_in_a_model_saved_while_training(tmp_path):
    """And in one whose weights a callback restores when training begins."""
    path = tmp_path / "model.keras"
    features, labels = utterances()
    inputs = [features, labels]
    keep = keras.callbacks.ModelCheckpoint(path)
    trained_model().fit(inputs, labels, verbose=0, callbacks=[CenterUpdate(), keep])
    model = keras.saving.load_model(path)
    layer = model.get_layer("center")
    before = ops.convert_to_numpy(layer.centers)
    model.fit(inputs, labels, verbose=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.centers), before)

    class Restore(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.load_weights(path)

    model.fit(inputs, labels, verbose=0, callbacks=[CenterUpdate(), Restore()])
    assert (ops.convert_to_numpy(layer.centers) != before).any()


def test_a_label_of_no_speaker_moves_no_center():
    layer = CenterLoss(SPEAKERS)
    features, labels = utterances(1)
    layer.build(features.shape, labels.shape)
    layer.alpha.assign(0.5)
    before = ops.convert_to_numpy(layer.centers)
    layer(features, np.array([0, -1, SPEAKERS, 1, 0]), training=True)
    moved = (ops.convert_to_numpy(layer.centers) != before).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [0, 1]
    same = np.array([0, 0, 1])  # as if the others were not there
    rows = features[[0, 4, 3]].astype("float64")
    expected = before.astype("float64")
    for speaker in (0, 1):
        away = expected[speaker] - rows[same == speaker]
        expected[speaker] -= 0.5 * away.sum(axis=0) / (1 + len(away))
    np.testing.assert_allclose(ops.convert_to_numpy(layer.centers), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("jit", [False, True])
def test_saved_and_resumed_training_is_the_uninterrupted_one(jit, tmp_path):
    features, labels = utterances()

    def fit(model):
        callbacks = [CenterUpdate(0.3)]
        model.fit([features, labels], labels, BATCH, shuffle=False, verbose=0, callbacks=callbacks)

    model = trained_model(jit_compile=jit)
    fit(model)
    model.save(tmp_path / "model.keras")
    fit(model)
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    fit(resumed)
    for a, b in zip(model.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_sample_weights_do_not_stop_what_is_inside_the_model():
    """As CenterLoss says."""
    model = trained_model()
    features, labels = utterances(1)
    before = ops.convert_to_numpy(model.get_layer("center").centers)
    expected = equations.updated_centers(features, before, labels, 0.3)
    weights = np.zeros(BATCH)
    callbacks = [CenterUpdate(0.3)]
    model.fit([features, labels], labels, BATCH, 1, 0, callbacks, sample_weight=weights)
    assert_are(model.get_layer("center").centers, expected)


def test_callback_says_when_it_has_nothing_to_do():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no CenterLoss"):
        model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0, callbacks=[CenterUpdate()])


@pytest.mark.parametrize("value", [-1, 1.1, "x", True, float("nan")])
def test_wrong_alphas_are_refused(value):
    problems.is_refused(lambda: CenterUpdate(alpha=value), "alpha")


def test_configuration_goes_round():
    problems.goes_round(CenterUpdate(0.1))
