"""The network of the first author's later code, switch by switch, against loops in float64."""

import keras
import numpy as np
import pytest

from speaker_bases.models import NETWORKS, ResNetTable, resnet34
from speaker_bases.models.pooling import FixedLength

from ..losses.calculus import finite_differences, value_and_gradients
from .test_resnet import convolve, leaky, normalize

LATER = {
    "blocks": "pre_activation",
    "stage_blocks": [3, 4, 6, 4],
    "conv1_padding": 1,
    "activation": "relu",
    "pooling": "average_plus_maximum",
    "embedding_length": 10.0,
}
SMALL = ResNetTable(2, (1, 2), (2, 3), (2, 1), ((1, 1), (2, 2)), dense_units=4)
SMALL_LATER = LATER | {"stage_blocks": [2, 1]}


def trained(rng, **changes):
    """A small network with moving statistics and biases as if it had been trained."""
    model = resnet34(SMALL, **changes)
    for variable in model.variables:
        if variable.name in ("beta", "bias", "moving_mean"):
            variable.assign(rng.normal(size=variable.shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def loop(model, features, relu):
    """The embedding of one utterance, (frames, 64), of `SMALL_LATER`."""

    def at(name):
        return model.get_layer(name)

    x = convolve(features[:, :, None], at("conv1"), (1, 2), 1)
    assert x.shape[:2] == (len(features) - 4, 30)
    for stage, blocks, strides in (("res1", 2, (1, 1)), ("res2", 1, (2, 2))):
        for block in range(blocks):
            y = relu(normalize(x, at(f"{stage}_norm{block}")))
            if block == 0:
                x = y if stage == "res1" else convolve(y, at(f"{stage}_shortcut"), strides, 0)
            conv_a = at(f"{stage}_conv{block}a")
            y = convolve(y, conv_a, strides if block == 0 else (1, 1), 1)
            y = relu(normalize(y, conv_a.norm))
            x = x + convolve(y, at(f"{stage}_conv{block}b"), (1, 1), 1)
    x = relu(normalize(x, at("last_norm")))
    pooled = [np.mean(x[..., c]) + np.max(x[..., c]) for c in range(x.shape[-1])]
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in (at("dense").kernel, at("dense").bias))
    embedding = pooled @ kernel + bias
    return 10.0 * embedding / np.linalg.norm(embedding)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_it_is_the_loop_in_float64(activation, rng):
    model = trained(rng, **SMALL_LATER | {"activation": activation})
    features = rng.normal(size=(13, 64)).astype("float32")
    relu = leaky if activation == "leaky_relu" else lambda x: np.maximum(x, 0)
    expected = loop(model, features.astype("float64"), relu)
    found = keras.ops.convert_to_numpy(model(features[None]))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_table_3_has_its_layers_and_30_bands():
    model = NETWORKS["table3"](bn_momentum=0.9, **LATER)
    blocks = [
        layer.name for layer in model.layers if layer.name.endswith("b") and "conv" in layer.name
    ]
    assert [sum(name.startswith(f"res{k}") for name in blocks) for k in (1, 2, 3, 4)] == [
        3,
        4,
        6,
        4,
    ]
    shapes = [model.get_layer(name).output.shape[2:] for name in ("conv1", "res1", "res4")]
    assert shapes == [(30, 64), (30, 64), (4, 512)]
    assert model.output_shape == (None, 1024)
    assert model.get_layer("res4_conv3a").momentum == model.get_layer("last_norm").momentum == 0.9


def test_utterances_of_a_padded_batch_have_the_embeddings_they_have_alone(rng):
    model = trained(rng, **SMALL_LATER)
    lengths = [5, 6, 9, 16, 40]
    features = rng.normal(size=(len(lengths), 40, 64)).astype("float32")
    mask = np.arange(40) < np.array(lengths)[:, None]
    features[~mask] = np.nan  # whatever is in the padding
    together = keras.ops.convert_to_numpy(model(features, mask=mask))
    for row, length in enumerate(lengths):
        alone = keras.ops.convert_to_numpy(model(features[row : row + 1, :length]))[0]
        np.testing.assert_allclose(together[row], alone, rtol=1e-4, atol=1e-3)


def test_a_padded_utterance_shorter_than_conv1_takes_has_an_embedding(rng):
    model = trained(rng, **SMALL_LATER)
    features = rng.normal(size=(2, 16, 64)).astype("float32")
    found = model(features, mask=np.arange(16) < np.array([[1], [4]]))
    lengths = np.linalg.norm(keras.ops.convert_to_numpy(found), axis=1)
    np.testing.assert_allclose(lengths, 10.0, rtol=1e-5)


def test_padding_is_not_in_the_statistics_of_training(rng):
    features = rng.normal(size=(2, 24, 64)).astype("float32")
    padded = np.concatenate([features, np.full_like(features, np.nan)], axis=1)
    alone, together = (resnet34(SMALL, bn_momentum=0.5, **SMALL_LATER) for _ in range(2))
    together.set_weights(alone.get_weights())
    alone(features, training=True)
    together(padded, mask=np.tile(np.arange(48) < 24, (2, 1)), training=True)
    for a, b in zip(alone.variables, together.variables, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)


def test_saved_it_gives_the_same_embeddings(rng, tmp_path):
    model = trained(rng, **SMALL_LATER)
    model.save(tmp_path / "embedder.keras")
    again = keras.saving.load_model(tmp_path / "embedder.keras")
    features = rng.normal(size=(3, 20, 64)).astype("float32")
    mask = np.arange(20) < np.array([[20], [9], [14]])
    found, expected = (keras.ops.convert_to_numpy(m(features, mask=mask)) for m in (again, model))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_lengths_are_10_and_the_zero_vector_has_no_gradient():
    layer = FixedLength(10.0)
    x = np.array([[3.0, 4.0], [0.0, 0.0]], "float32")
    np.testing.assert_allclose(layer(x), [[6.0, 8.0], [0.0, 0.0]], rtol=1e-6)
    weights = np.array([[1.0, -2.0], [0.5, 1.0]], "float32")
    _, (gradient,) = value_and_gradients(lambda v: keras.ops.sum(layer(v) * weights), [x])

    def reference(v):
        return (10 * v[0] / np.linalg.norm(v[0])) @ weights[0].astype("float64")

    (expected,) = finite_differences(reference, [x.astype("float64")])
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_he_normal_by_fan_out_is_drawn_anew_for_each_kernel():
    fan_out = {
        "class_name": "VarianceScaling",
        "config": {"scale": 2.0, "mode": "fan_out", "distribution": "untruncated_normal"},
    }
    model = resnet34("table1", kernel_initializer=fan_out, **LATER, dense_units=128)
    kernels = {v.path: keras.ops.convert_to_numpy(v) for v in model.variables if v.name == "kernel"}
    for path, kernel in kernels.items():
        expected = np.sqrt(2 / np.prod([*kernel.shape[:-2], kernel.shape[-1]]))
        assert kernel.std() == pytest.approx(expected, rel=4 / np.sqrt(kernel.size)), path
    assert len({float(kernel.ravel()[0]) for kernel in kernels.values()}) == len(kernels)


@pytest.mark.parametrize(
    ("change", "value"), [("blocks", "post"), ("activation", "gelu"), ("pooling", "max")]
)
def test_a_wrong_change_is_refused(change, value):
    with pytest.raises(ValueError, match=f"`{change}`. Expected one of .*{change}='{value}'"):
        resnet34("table1", **{change: value})
