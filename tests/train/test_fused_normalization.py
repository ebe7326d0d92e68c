"""The fused batch normalization is Keras's own, in values, gradients and moving statistics."""

import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops

from speaker_bases.models import ResNetTable, batch_normalization, resnet34
from speaker_bases.train.fused_normalization import FUSED_NORMALIZATION

FusedBatchNormalization = partial(
    batch_normalization.FusedBatchNormalization, fused_normalization=FUSED_NORMALIZATION
)
SHAPE = (4, 6, 5, 3)
SMALL = ResNetTable(4, (1, 2), (4, 8), (1, 1), ((1, 1), (2, 2)), None)


def test_there_is_an_operation_on_tensorflow_and_on_no_other_backend():
    assert (FUSED_NORMALIZATION is not None) == (keras.backend.backend() == "tensorflow")


def test_every_normalization_of_a_network_uses_the_operation_it_is_given():
    calls = []

    def operation(x, gamma, beta, epsilon):
        calls.append(x.shape)
        return x, ops.zeros(x.shape[-1]), ops.ones(x.shape[-1])

    features = np.random.default_rng(3).normal(size=(2, 8, 64)).astype("float32")
    model = resnet34(SMALL, fused_normalization=operation)
    model(features, training=True)
    assert len(calls) == 6  # conv1, two blocks and a shortcut
    for arguments in ({}, {"training": True, "mask": np.ones((2, 8), bool)}):
        model(features, **arguments)
        assert len(calls) == 6
    resnet34(SMALL)(features, training=True)
    assert len(calls) == 6


def test_a_loaded_network_has_its_operation_where_it_is_registered(tmp_path):
    resnet34(SMALL, fused_normalization=FUSED_NORMALIZATION).save(tmp_path / "embedder.keras")
    loaded = keras.saving.load_model(tmp_path / "embedder.keras")
    assert loaded.get_layer("conv1").norm.fused_normalization is FUSED_NORMALIZATION


def test_a_network_trained_with_it_loads_where_only_the_networks_are_known(tmp_path):
    model = resnet34(SMALL, fused_normalization=FUSED_NORMALIZATION)
    features = np.random.default_rng(4).normal(size=(2, 8, 64)).astype("float32")
    model(features, training=True)
    model.save(tmp_path / "embedder.keras")
    np.save(tmp_path / "features.npy", features)
    program = (
        "import sys, keras, numpy as np, speaker_bases.models\n"
        "model = keras.saving.load_model(sys.argv[1] + '/embedder.keras')\n"
        "assert 'speaker_bases.train' not in sys.modules\n"
        "assert model.get_layer('conv1').norm.fused_normalization is None\n"
        "out = model(np.load(sys.argv[1] + '/features.npy'))\n"
        "np.save(sys.argv[1] + '/out.npy', keras.ops.convert_to_numpy(out))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    expected = keras.ops.convert_to_numpy(model(features))
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5, atol=1e-5)


def trained_once(kind, x, weights, dtype="float32", jit_compile=False):
    """Output, gradients and moving statistics of one SGD step on `sum(weights * norm(x))`."""
    norm = kind(momentum=0.9, dtype=dtype)
    inputs = keras.Input(x.shape[1:])
    shift = layers.Dense(3, kernel_initializer="identity", use_bias=False, dtype="float32")
    model = keras.Model(inputs, norm(shift(inputs)))
    model.compile(
        keras.optimizers.SGD(1.0),
        loss=lambda y, y_pred: ops.sum(y * ops.cast(y_pred, "float32")),
        jit_compile=jit_compile,
    )
    norm.gamma.assign([0.5, 1.0, 2.0])
    norm.beta.assign([0.1, 0.0, -0.3])
    output = ops.convert_to_numpy(ops.cast(model(x, training=True), "float32"))
    model.train_on_batch(x, weights)
    return {
        "output": output,
        "kernel": ops.convert_to_numpy(shift.kernel),
        "gamma": ops.convert_to_numpy(norm.gamma),
        "beta": ops.convert_to_numpy(norm.beta),
        "moving_mean": ops.convert_to_numpy(norm.moving_mean),
        "moving_variance": ops.convert_to_numpy(norm.moving_variance),
    }


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.05)])
def test_training_is_kerass_own(dtype, tolerance, jit_compile):
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 3.0, SHAPE).astype("float32")
    weights = rng.normal(size=SHAPE).astype("float32")
    ours = trained_once(FusedBatchNormalization, x, weights, dtype, jit_compile)
    # Under XLA: without, TensorFlow at times takes the kernel's gradient with the new gamma.
    theirs = trained_once(layers.BatchNormalization, x, weights, jit_compile=True)
    for name, value in theirs.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=tolerance * scale, err_msg=name)


def test_moving_statistics_are_those_of_the_formula():
    x = np.random.default_rng(1).normal(2.0, 3.0, SHAPE).astype("float32")
    norm = FusedBatchNormalization(momentum=0.9)
    norm(x, training=True)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, 0.9 + 0.1 * x.var((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("training", [False, None])
def test_inference_leaves_the_moving_statistics(training):
    norm = FusedBatchNormalization()
    norm.build((None, None, None, 3))
    norm.moving_mean.assign([1.0, 2.0, 3.0])
    x = np.ones(SHAPE, "float32")
    expected = (np.ones(3) - [1.0, 2.0, 3.0]) / np.sqrt(1.0 + norm.epsilon)
    np.testing.assert_allclose(norm(x, training=training)[0, 0, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_mean, [1.0, 2.0, 3.0])


def test_a_frozen_layer_is_at_inference():
    norm = FusedBatchNormalization()
    x = np.random.default_rng(2).normal(size=SHAPE).astype("float32")
    norm.build(x.shape)
    norm.trainable = False
    np.testing.assert_allclose(norm(x, training=True), norm(x, training=False))
    np.testing.assert_allclose(norm.moving_mean, np.zeros(3))
