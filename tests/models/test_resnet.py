"""The networks against the paper's tables, and against padding."""

import doctest

import keras
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.models import NETWORKS, conv_batch_norm, resnet, resnet34
from speaker_bases.models.conv_batch_norm import ConvBatchNorm
from speaker_bases.models.residual import post_activation_stage

# The rows of the paper's tables: layer, frames divided by, bands, channels, kernel, stride.
TABLE_1 = [
    ("conv1", 1, 64, 16, 7, (1, 1)),
    ("res1", 1, 64, 16, 3, (1, 1)),
    ("res2", 2, 32, 32, 3, (2, 2)),
    ("res3", 4, 16, 64, 3, (2, 2)),
    ("res4", 8, 8, 128, 3, (2, 2)),
]
TABLE_3 = [
    ("conv1", 1, 32, 64, 7, (1, 2)),
    ("res1", 1, 32, 64, 3, (1, 1)),
    ("res2", 2, 16, 128, 3, (2, 2)),
    ("res3", 4, 8, 256, 3, (2, 2)),
    ("res4", 8, 4, 512, 3, (2, 2)),
]


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def table1(rng):
    """Table 1's network with moving statistics and biases as if it had been trained."""
    model = resnet34("table1")
    for variable in model.non_trainable_variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    for variable in model.trainable_variables:
        if variable.name in ("beta", "bias"):
            variable.assign(rng.normal(size=variable.shape))
    return model


@pytest.mark.parametrize(
    ("name", "rows", "dim"), [("table1", TABLE_1, 128), ("table3", TABLE_3, 1024)]
)
def test_layers_have_the_shapes_kernels_and_strides_of_the_paper(name, rows, dim, rng):
    frames = 48
    model = resnet34(name)
    layers = [model.get_layer(row[0]) for row in rows] + [model.get_layer("pool")]
    inner = keras.Model(model.input, [layer.output for layer in layers])
    outputs = inner(rng.normal(size=(2, frames, 64)))
    for (_, division, bands, channels, kernel, strides), layer, output in zip(
        rows, layers, outputs, strict=False
    ):
        assert tuple(output.shape) == (2, frames // division, bands, channels)
        first = layer if layer.name == "conv1" else model.get_layer(f"{layer.name}_conv0a")
        assert first.conv.kernel_size == (kernel, kernel)
        assert first.conv.strides == strides
    assert tuple(outputs[-1].shape) == (2, rows[-1][3])
    assert model.output_shape == (None, dim)


@pytest.mark.parametrize("module", [resnet, conv_batch_norm])
def test_the_example_in_the_docstring_holds(module):
    outcome = doctest.testmod(module, extraglobs={"np": np})
    assert outcome.attempted and not outcome.failed


def test_resnet34_has_34_layers_of_weights():
    # 33 convolutions (shortcuts not counted); the 34th layer is the classifier behind.
    convolutions = [x for x in resnet34("table1").layers if isinstance(x, ConvBatchNorm)]
    assert sum("shortcut" not in layer.name for layer in convolutions) == 33


@pytest.mark.parametrize(("name", "parameters"), [("table1", 1_337_936), ("table3", 21_820_736)])
def test_networks_by_name_are_those_of_the_paper(name, parameters):
    model = NETWORKS[name](bn_momentum=0.9, name="other")
    assert (model.name, model.count_params()) == ("other", parameters)
    assert model.get_layer("conv1").momentum == 0.9


def test_an_unknown_network_names_those_there_are():
    with pytest.raises(InputError, match="no such network 'table2'; there are table1, table3"):
        NETWORKS.find("table2")


@pytest.mark.parametrize("name", ["table1", "table3"])
def test_utterances_of_a_padded_batch_have_the_embeddings_they_have_alone(name, table1, rng):
    model = table1 if name == "table1" else resnet34(name)
    lengths = [1, 2, 7, 8, 9, 16, 23, 40]
    features = rng.normal(size=(len(lengths), 40, 64)).astype("float32")
    mask = np.arange(40) < np.array(lengths)[:, None]
    features[~mask] = np.nan  # whatever is in the padding
    together = keras.ops.convert_to_numpy(model(features, mask=mask))
    for row, length in enumerate(lengths):
        alone = keras.ops.convert_to_numpy(model(features[row : row + 1, :length]))[0]
        np.testing.assert_allclose(together[row], alone, rtol=1e-4, atol=1e-4 * abs(alone).max())


def test_padding_is_not_in_the_statistics_of_training(rng):
    features = rng.normal(size=(2, 40, 64)).astype("float32")
    padded = np.concatenate([features, np.full_like(features, np.nan)], axis=1)
    alone, together = resnet34("table1", bn_momentum=0.5), resnet34("table1", bn_momentum=0.5)
    together.set_weights(alone.get_weights())
    outputs = [
        alone(features, training=True),
        together(padded, mask=np.tile(np.arange(80) < 40, (2, 1)), training=True),
    ]
    assert any("moving" in variable.path for variable in alone.non_trainable_variables)
    for a, b in zip(alone.variables, together.variables, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)
    expected, found = map(keras.ops.convert_to_numpy, outputs)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * abs(expected).max())


def test_a_mask_of_whole_utterances_changes_nothing(table1, rng):
    features = rng.normal(size=(3, 25, 64))
    mask = np.ones((3, 25), bool)
    plain = keras.ops.convert_to_numpy(table1(features))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(table1(features, mask=mask)), plain)


def convolve(x, layer, strides, pad):
    """In float64, a product at a time."""
    kernel = keras.ops.convert_to_numpy(layer.conv.kernel).astype("float64")
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    size = kernel.shape[0]
    rows = range(0, x.shape[0] - size + 1, strides[0])
    columns = range(0, x.shape[1] - size + 1, strides[1])
    return np.array(
        [[np.tensordot(x[r : r + size, c : c + size], kernel, 3) for c in columns] for r in rows]
    )


def normalize(x, norm):
    gamma, beta, mean, variance = (
        keras.ops.convert_to_numpy(getattr(norm, name)).astype("float64")
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta


def leaky(x):
    return np.where(x > 0, x, 0.3 * x)


def test_block_is_convolution_norm_activation_twice_with_the_addition_before_the_last(rng):
    """The blocks of a stage against the same in NumPy, from their own weights."""
    inputs = keras.Input((None, 4, 2))
    outputs = post_activation_stage(inputs, 3, 2, (2, 2), "res", "leaky_relu", {}, {})
    stage = keras.Model(inputs, outputs)
    x = rng.normal(size=(1, 6, 4, 2)).astype("float32")
    for variable in stage.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))

    def conv_norm(layer, x, stride, pad):
        return normalize(convolve(x, layer, (stride, stride), pad), layer.norm)

    conv0a, conv0b, conv1a, conv1b, shortcut = (
        stage.get_layer(f"res_{name}")
        for name in ("conv0a", "conv0b", "conv1a", "conv1b", "shortcut")
    )
    image = x[0].astype("float64")
    inner = leaky(conv_norm(conv0a, image, 2, 1))
    first = leaky(conv_norm(conv0b, inner, 1, 1) + conv_norm(shortcut, image, 2, 0))
    inner = leaky(conv_norm(conv1a, first, 1, 1))
    expected = leaky(conv_norm(conv1b, inner, 1, 1) + first)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(stage(x))[0], expected, rtol=1e-4)


def test_the_regularizer_is_on_every_kernel_and_nothing_else():
    model = resnet34("table3", kernel_regularizer=keras.regularizers.L2(0.5))
    regularized = {v.path for v in model.trainable_variables if v.regularizer is not None}
    assert regularized == {v.path for v in model.trainable_variables if v.name == "kernel"}
    kernels = [v for v in model.trainable_variables if v.name == "kernel"]
    expected = 0.5 * sum(float(keras.ops.sum(keras.ops.square(v))) for v in kernels)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-4)


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match=r"Expected one of .*table1.*Received: table='table2'"):
        resnet34("table2")


@pytest.fixture
def mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_embeddings_are_float32_under_mixed_precision(mixed_bfloat16):
    model = resnet34("table1")
    assert model.get_layer("res1").compute_dtype == "bfloat16"
    embeddings = model(np.zeros((1, 8, 64), "float32"))
    assert keras.backend.standardize_dtype(embeddings.dtype) == "float32"


def test_the_mean_over_frames_is_not_taken_in_half_precision(mixed_bfloat16):
    model = resnet34("table3")
    # 301 of 400 frames: in bfloat16 their sum and their number are off by up to a percent.
    x = np.full((1, 400, 2, 3), 1.03, "float32")
    pooled = model.get_layer("pool")(x, mask=np.arange(400)[None] < 301)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(pooled), 1.03, rtol=1e-5)


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def test_images_are_channels_last_whatever_keras_is_set_to(table1, channels_first, rng):
    model = resnet34("table1")
    model.set_weights(table1.get_weights())
    features = rng.normal(size=(2, 25, 64)).astype("float32")
    mask = np.arange(25) < np.array([[25], [9]])
    expected = keras.ops.convert_to_numpy(table1(features, mask=mask))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(features, mask=mask)), expected)


@pytest.fixture(params=["float16", "float64"])
def floatx(request):
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx(request.param)
    yield
    keras.config.set_floatx("float32")


def test_features_are_float32_whatever_keras_takes_for_floats(table1, floatx, rng):
    model = resnet34("table1")
    assert {v.dtype for v in model.variables} == {"float32"}
    model.set_weights(table1.get_weights())
    features = 1e5 * rng.normal(size=(2, 25, 64)).astype("float32")  # infinite in float16
    expected = keras.ops.convert_to_numpy(table1(features))
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(features)), expected)
