"""The losses in ordinary Keras models: training, metrics, what is exported, docstrings."""

import doctest
import importlib

import keras
import numpy as np
import pytest
from keras import ops

from speaker_bases import losses
from speaker_bases.losses import CenterLoss, CenterUpdate, HardNegativeMining, SpeakerBases

from . import systems
from .systems import KINDS, fit


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        *[(kind, "float32") for kind in KINDS],
        *[(kind, "mixed_bfloat16") for kind in [*KINDS, "proposed2 mined"]],
        *[(kind, "mixed_float16") for kind in ["proposed1", "proposed2 mined"]],
    ],
)
def test_every_system_learns(kind, policy, monkeypatch):
    if kind.endswith("mined"):
        monkeypatch.setattr(SpeakerBases, "mine_from", 2)
    keras.config.set_dtype_policy(policy)
    try:
        model = systems.build(kind, jit_compile=policy == "mixed_bfloat16")
    finally:
        keras.config.set_dtype_policy("float32")
    features, labels = systems.batches()
    history = fit(model, kind, features, labels)
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
    for name in {"proposed1": ["center", "between_speaker"], "ge2e": ["ge2e"]}.get(kind, []):
        assert np.isfinite(history[name]).all()
    dtypes = {v.dtype for layer in model.layers for v in layer.weights}
    assert dtypes == {"float32"}


def test_total_is_the_sum_of_the_losses_and_metrics_begin_anew_each_epoch():
    model = systems.build("proposed2")
    features, labels = systems.batches()
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


def test_speakers_beyond_the_half_precision_integers_train_right():
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


def test_a_metric_of_a_jitted_step_is_nan_only_where_it_cannot_be_known():
    """On JAX; what was seen before must not be taken for it."""
    model = systems.build("ge2e")
    features, labels = systems.batches()
    first = fit(model, "ge2e", features, labels, 1)["ge2e"][0]
    assert np.isfinite(first)
    inputs = [features[:8], labels[:8]]  # another shape: traced anew
    shown = model.train_on_batch(inputs, return_dict=True)["ge2e"]
    assert np.isnan(shown) == (keras.backend.backend() == "jax")
    assert np.isfinite(float(model.get_metrics_result()["ge2e"]))


FUNCTIONS = [name for name in losses.__all__ if name.islower()]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_comes_before_the_module_of_its_name(name):
    function = getattr(losses, name)
    module = importlib.import_module(f"speaker_bases.losses.{name}")
    assert callable(function)
    assert getattr(module, name) is function
    assert getattr(losses, name) is function  # importing the module has not put it in its place
    config = keras.saving.serialize_keras_object(function)
    assert keras.saving.deserialize_keras_object(config) is function


def test_a_function_is_a_loss_to_compile():
    features = keras.Input((4,))
    model = keras.Model(features, SpeakerBases(5, "cosine")(features))
    model.compile("adam", losses.additive_margin_softmax)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)).astype("float32"), rng.integers(0, 5, 6)
    expected = losses.AdditiveMarginSoftmax(reduction="mean")(y, model.predict(x, verbose=0))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(float(expected), rel=1e-5)


MODULES = sorted({getattr(losses, name).__module__ for name in losses.__all__})


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    names = {**vars(losses), "np": np, "keras": keras, "ops": ops}
    result = doctest.testmod(module, extraglobs=names)
    assert result.attempted > 0
    assert result.failed == 0
