"""The x-vector network: Snyder et al. 2018 in float64, masks, both backends, what it costs."""

import doctest
import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from speaker_bases.models import HEADS, NETWORKS, resnet34
from speaker_bases.models import xvector as module
from speaker_bases.models.pooling import StatisticsPooling
from speaker_bases.models.saving import in_float32, load_model
from speaker_bases.models.xvector import TimeDelay

from ..losses.calculus import finite_differences, value_and_gradients
from .test_resnet import normalize

# Snyder et al. 2018, Table 1: inputs and outputs of each layer, and the frames that it sees.
FRAME_LAYERS = [
    (5 * 64, 512, [-2, -1, 0, 1, 2]),
    (3 * 512, 512, [-2, 0, 2]),
    (3 * 512, 512, [-3, 0, 3]),
    (512, 512, [0]),
    (512, 1500, [0]),
]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def trained(model, rng):
    """The model with moving statistics and biases as if it had been trained."""
    for variable in model.variables:
        if variable.name in ("beta", "bias", "moving_mean"):
            variable.assign(0.3 * rng.normal(size=variable.shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


@pytest.fixture(scope="module")
def network():
    return trained(NETWORKS["xvector"](bn_momentum=0.9), np.random.default_rng(1))


def weights(layer):
    return [keras.ops.convert_to_numpy(w).astype("float64") for w in (layer.kernel, layer.bias)]


def loop(model, features):
    """The embedding of one utterance, (frames, 64), in float64, a frame at a time."""
    x = features.astype("float64")
    for number, (_, _, context) in enumerate(FRAME_LAYERS, start=1):
        layer = model.get_layer(f"frame{number}")
        kernel, bias = weights(layer.affine)
        kernel = kernel.reshape(-1, kernel.shape[-1])
        nothing = np.zeros(x.shape[1])
        rows = []
        for t in range(len(x)):
            seen = [x[t + k] if 0 <= t + k < len(x) else nothing for k in context]
            rows.append(np.maximum(np.concatenate(seen) @ kernel + bias, 0))
        x = normalize(np.array(rows), layer.norm)
    statistics = np.concatenate([x.mean(axis=0), np.maximum(x.std(axis=0), 1e-5)])
    kernel, bias = weights(model.get_layer("segment1"))
    return statistics @ kernel + bias


@pytest.mark.parametrize("frames", [1, 4, 23])
def test_it_is_the_loop_in_float64(frames, network, rng):
    features = rng.normal(size=(frames, 64)).astype("float32")
    found = keras.ops.convert_to_numpy(network(features[None]))[0]
    np.testing.assert_allclose(found, loop(network, features), rtol=1e-4, atol=1e-4)


def test_the_head_is_the_first_segment_layers_non_linearity_and_the_second(rng):
    head = trained(HEADS["xvector"](), rng)
    embeddings = rng.normal(size=(3, 512)).astype("float32")
    x = normalize(np.maximum(embeddings.astype("float64"), 0), head.get_layer("segment1_norm"))
    kernel, bias = weights(head.get_layer("segment2"))
    expected = normalize(np.maximum(x @ kernel + bias, 0), head.get_layer("segment2_norm"))
    found = keras.ops.convert_to_numpy(head(embeddings))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_parameters_counted_by_hand(network):
    normalization = 4 * (4 * 512 + 1500)  # gamma, beta, moving mean and variance
    frames = sum(inputs * outputs + outputs for inputs, outputs, _ in FRAME_LAYERS)
    segment1 = 2 * 1500 * 512 + 512
    assert network.count_params() == frames + normalization + segment1 == 4_321_100
    assert HEADS["xvector"]().count_params() == 512 * 512 + 512 + 2 * 4 * 512


def operations(model, frames):
    """Additions and multiplications of one crop's forward pass, as TensorFlow counts them."""
    import tensorflow as tf

    spec = tf.TensorSpec((1, frames, 64), tf.float32)
    graph = tf.function(lambda x: model(x)).get_concrete_function(spec).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow counts")
def test_it_takes_six_tenths_of_table_1s_operations(network):
    frames = 304
    products = frames * sum(inputs * outputs for inputs, outputs, _ in FRAME_LAYERS)
    products += 2 * 1500 * 512
    found = operations(network, frames)
    assert found == pytest.approx(2 * products, rel=0.02)  # beside products: biases, statistics
    assert found / operations(resnet34("table1"), frames) == pytest.approx(0.6, abs=0.02)


def test_utterances_of_a_padded_batch_have_the_embeddings_they_have_alone(network, rng):
    lengths = [1, 2, 3, 7, 16, 40]
    features = rng.normal(size=(len(lengths), 40, 64)).astype("float32")
    mask = np.arange(40) < np.array(lengths)[:, None]
    features[~mask] = np.nan  # whatever is in the padding
    together = keras.ops.convert_to_numpy(network(features, mask=mask))
    for row, length in enumerate(lengths):
        alone = keras.ops.convert_to_numpy(network(features[row : row + 1, :length]))[0]
        np.testing.assert_allclose(together[row], alone, rtol=1e-4, atol=1e-4)


def test_padding_is_not_in_the_statistics_of_training(rng):
    features = rng.normal(size=(2, 24, 64)).astype("float32")
    padded = np.concatenate([features, np.full_like(features, np.nan)], axis=1)
    alone, together = (NETWORKS["xvector"](bn_momentum=0.5) for _ in range(2))
    together.set_weights(alone.get_weights())
    alone(features, training=True)
    together(padded, mask=np.tile(np.arange(48) < 24, (2, 1)), training=True)
    for a, b in zip(alone.variables, together.variables, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)


MASKS = {"whole": None, "padded": np.arange(5) < np.array([[5], [3], [1]])}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("layer", ["pool", "frames"])
def test_gradients_are_those_of_finite_differences(layer, mask, rng):
    """Through the statistics, and through a layer in context with its weights."""
    x = rng.normal(size=(3, 5, 2))
    x[0, :, 1] = 0.25  # does not vary: no gradient comes through its deviation
    weights, ends = rng.normal(size=(3, 4)), [5, 5, 5] if MASKS[mask] is None else [5, 3, 1]
    if layer == "pool":
        pool, arrays = StatisticsPooling(), [x]

        def outputs(values):
            return pool(values, mask=MASKS[mask])

        def reference(values):
            rows = [values[i, :end] for i, end in enumerate(ends)]
            statistics = [
                np.concatenate([row.mean(0), np.sqrt(np.maximum(row.var(0), 1e-10))])
                for row in rows
            ]
            return float((weights * statistics).sum())
    else:
        time_delay = TimeDelay(4, 3, dilation=2)
        time_delay.build((None, None, 2))
        arrays = [x, rng.normal(size=(3, 2, 4)), rng.normal(size=4)]
        others = [v.value for v in time_delay.trainable_variables[2:]]

        def outputs(values, kernel, bias):
            fixed = [v.value for v in time_delay.non_trainable_variables]
            y, _ = time_delay.stateless_call(
                [kernel, bias, *others], fixed, values, mask=MASKS[mask], training=False
            )
            kept = np.arange(5) < np.array(ends)[:, None]
            return keras.ops.sum(keras.ops.where(kept[:, :, None], y, 0.0), axis=1)

        def reference(values, kernel, bias):
            total = 0.0
            for i, end in enumerate(ends):
                for t in range(end):
                    seen = [(k, t + 2 * (k - 1)) for k in range(3)]
                    y = sum(values[i, at] @ kernel[k] for k, at in seen if 0 <= at < end)
                    y = np.maximum(y + bias, 0) / np.sqrt(1 + 1e-3)
                    total += float((weights[i] * y).sum())
            return total

    single = [array.astype("float32") for array in arrays]
    if MASKS[mask] is not None:
        single[0][~MASKS[mask]] = np.nan
    value, gradients = value_and_gradients(
        lambda *values: keras.ops.sum(outputs(*values) * weights.astype("float32")), single
    )
    assert value == pytest.approx(reference(*arrays), rel=1e-5)
    for found, expected in zip(gradients, finite_differences(reference, arrays), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_deviation_is_right_far_from_zero():
    x = (1e4 + np.tile([0.5, -0.5], 50))[None, :, None].astype("float32")
    np.testing.assert_allclose(StatisticsPooling()(x), [[1e4, 0.5]], rtol=1e-6)


def test_mixed_precision_ends_at_the_pooling_and_a_twin_is_in_float32(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        low = NETWORKS["xvector"]()
    finally:
        keras.config.set_dtype_policy("float32")
    assert low.get_layer("frame5").compute_dtype == "bfloat16"
    assert low.get_layer("pool").compute_dtype == low.get_layer("segment1").dtype == "float32"
    whole = NETWORKS["xvector"]()
    whole.set_weights(low.get_weights())
    features = rng.normal(size=(2, 20, 64)).astype("float32")
    np.testing.assert_array_equal(in_float32(low)(features), whole(features))


def test_the_regularizer_is_on_every_kernel_and_nothing_else():
    decay = keras.regularizers.L2(0.5)
    for build in (NETWORKS["xvector"], HEADS["xvector"]):
        variables = build(kernel_regularizer=decay).trainable_variables
        regularized = {v.path for v in variables if v.regularizer is not None}
        assert regularized == {v.path for v in variables if v.name == "kernel"}


def test_the_examples_in_the_docstrings_hold():
    outcome = doctest.testmod(module, extraglobs={"np": np})
    assert outcome.attempted and not outcome.failed


ON_JAX = """
import sys, jax, keras, numpy as np
from speaker_bases.models.saving import load_model
assert keras.backend.backend() == "jax"
model, given = load_model(sys.argv[1]), np.load(sys.argv[2])
fixed = [v.value for v in model.non_trainable_variables]
@jax.jit
def run(weights):
    def value(weights):
        y = model.stateless_call(weights, fixed, given["features"], mask=given["mask"])[0]
        return (y * given["towards"]).sum(), y
    (_, embeddings), gradients = jax.value_and_grad(value, has_aux=True)(weights)
    return embeddings, *gradients
np.savez(sys.argv[3], *run([v.value for v in model.trainable_variables]))
"""


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="is on JAX already")
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_saved_here_it_gives_the_same_on_jax_gradients_too(network, rng, tmp_path):
    import tensorflow as tf

    given = {
        "features": rng.normal(size=(3, 20, 64)).astype("float32"),
        "mask": np.arange(20) < np.array([[20], [9], [1]]),
        "towards": rng.normal(size=(3, 512)).astype("float32"),
    }
    paths = [tmp_path / name for name in ("embedder.keras", "given.npz", "found.npz")]
    network.save(paths[0])
    np.savez(paths[1], **given)
    command = [sys.executable, "-c", ON_JAX, *map(str, paths)]
    subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": "jax"})
    loaded = load_model(paths[0])
    with tf.GradientTape() as tape:
        embeddings = loaded(given["features"], mask=given["mask"])
        value = tf.reduce_sum(embeddings * given["towards"])
    gradients = tape.gradient(value, [v.value for v in loaded.trainable_variables])
    with np.load(paths[2]) as file:
        found = [file[name] for name in file.files]
    assert len(found) == 1 + len(gradients)
    for there, here in zip(found, [embeddings, *gradients], strict=True):
        here = here.numpy()
        np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-4 * np.abs(here).max())
