"""VGG-M against Table 4 of Nagrani et al. 2017, against NumPy and against padding."""

import doctest

import keras
import numpy as np
import pytest

from speaker_bases.models import NETWORKS, pooling, vgg_m

# The rows of the table, bands first: kernel, stride, padding, filters, and what comes of 512 x 300.
CONVOLUTIONS = {
    "conv1": ((7, 7), (2, 2), 1, 96, (254, 148)),
    "conv2": ((5, 5), (2, 2), 1, 256, (62, 36)),
    "conv3": ((3, 3), (1, 1), 1, 384, (30, 17)),
    "conv4": ((3, 3), (1, 1), 1, 256, (30, 17)),
    "conv5": ((3, 3), (1, 1), 1, 256, (30, 17)),
    "fc6": ((9, 1), (1, 1), 0, 4096, (1, 8)),
}
POOLINGS = {
    "conv1": ((3, 3), (2, 2), (126, 73)),
    "conv2": ((3, 3), (2, 2), (30, 17)),
    "conv5": ((5, 3), (3, 2), (9, 8)),
}
SMALL = {"conv_filters": [3, 4, 5, 4, 4], "fc6_units": 8, "fc7_units": 6, "fc8_units": 5}


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def small(rng):
    """A narrow network with moving statistics and biases as if it had been trained."""
    model = NETWORKS["vgg_m"](**SMALL)
    for variable in model.non_trainable_variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    for variable in model.trainable_variables:
        if variable.name in ("beta", "bias"):
            variable.assign(rng.normal(size=variable.shape))
    return model


def numbers(layer):
    """The arrays of a layer in float64, by name."""
    return {
        variable.name: keras.ops.convert_to_numpy(variable).astype("float64")
        for variable in layer.variables
    }


def normalized(x, layer):
    own = numbers(layer)
    scale = own["gamma"] / np.sqrt(own["moving_variance"] + 1e-3)
    return np.maximum((x - own["moving_mean"]) * scale + own["beta"], 0)


def windows(x, kernel, strides):
    """(channels, bands, frames) -> the windows (bands, frames, channels, *kernel)."""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    return np.moveaxis(view[:, :: strides[0], :: strides[1]], 0, 2)


def reference(model, spectrogram):
    """The network in float64, bands before frames as the paper has them: shapes and embedding."""
    x, shapes = spectrogram.T[None].astype("float64"), {}
    for name, (kernel, strides, padding, _, _) in CONVOLUTIONS.items():
        layer = model.get_layer(name)
        weights = numbers(layer.conv)["kernel"]  # over frames, over bands, in, out
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        x = np.einsum("bfcij,jico->bfo", windows(x, kernel, strides), weights)
        x = np.moveaxis(normalized(x, layer.norm), -1, 0)
        shapes[name] = x.shape[1:]
        if name in POOLINGS:
            x = np.moveaxis(windows(x, *POOLINGS[name][:2]).max(axis=(3, 4)), -1, 0)
            shapes[name.replace("conv", "pool")] = x.shape[1:]
    x = x.mean(axis=(1, 2)) @ numbers(model.get_layer("fc7"))["kernel"]
    x = normalized(x, model.get_layer("fc7_norm"))
    last = numbers(model.get_layer("fc8"))
    return shapes, x / np.linalg.norm(x) @ last["kernel"] + last["bias"]


def test_it_is_the_table_in_numpy(small, rng):
    spectrogram = rng.normal(size=(300, 512)).astype("float32")
    shapes, expected = reference(small, spectrogram)
    for name, row in CONVOLUTIONS.items():
        assert shapes[name] == row[-1]
    for name, row in POOLINGS.items():
        assert shapes[name.replace("conv", "pool")] == row[-1]
    found = keras.ops.convert_to_numpy(small(spectrogram[None]))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_layers_have_the_widths_of_the_paper():
    model = NETWORKS["vgg_m"](fc8_units=1024)
    before = 1
    for name, (kernel, _, _, filters, _) in CONVOLUTIONS.items():
        expected = kernel[0] * kernel[1] * before * filters + 4 * filters
        assert model.get_layer(name).count_params() == expected
        before = filters
    assert model.get_layer("fc7").count_params() == 4096 * 1024
    assert model.get_layer("fc8").count_params() == 1024 * 1025
    assert model.output_shape == (None, 1024)


def test_utterances_of_a_padded_batch_have_the_embeddings_they_have_alone(small, rng):
    """Those that give no frame by themselves too: alone they are padded, with a mask."""
    lengths = [1, 30, 64, 65, 66, 87, 98, 130, 131]
    features = rng.normal(size=(len(lengths), 140, 512)).astype("float32")
    mask = np.arange(140) < np.array(lengths)[:, None]
    features[~mask] = np.nan  # whatever is in the padding
    together = keras.ops.convert_to_numpy(small(features, mask=mask))
    assert np.isfinite(together).all()
    for row, length in enumerate(lengths):
        one = slice(row, row + 1)
        alone = small(features[one, :length], mask=mask[one, :length])
        alone = keras.ops.convert_to_numpy(alone)[0]
        np.testing.assert_allclose(together[row], alone, rtol=1e-4, atol=1e-5)
        if length >= vgg_m.LEAST_FRAMES:
            without = keras.ops.convert_to_numpy(small(features[one, :length]))[0]
            np.testing.assert_allclose(together[row], without, rtol=1e-4, atol=1e-5)


def test_it_is_saved_and_loaded(small, rng, tmp_path):
    small.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    features = rng.normal(size=(2, 70, 512)).astype("float32")
    np.testing.assert_array_equal(again(features), small(features))


def test_fewer_frames_than_it_needs_do_not_fail_inside_a_graph(small):
    model = keras.Sequential([small])
    assert model.predict(np.zeros((1, 20, 512), "float32"), verbose=0).shape == (1, 5)


@pytest.mark.parametrize(
    "layer", [pooling.AtLeastFrames(5), pooling.MaskedMaximumPooling((3, 5), (2, 3))]
)
def test_shapes_are_known_beforehand(layer):
    shape = (2, 4, 9) if isinstance(layer, pooling.AtLeastFrames) else (2, 8, 9, 3)
    assert layer.compute_output_shape(shape) == tuple(layer(np.zeros(shape)).shape)
    assert layer.compute_output_shape((None, None, *shape[2:]))[:2] == (None, None)


def test_the_example_in_the_docstring_holds():
    outcome = doctest.testmod(vgg_m, extraglobs={"np": np})
    assert outcome.attempted and not outcome.failed
