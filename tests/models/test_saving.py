"""Every way of saving a network that Keras offers, and files that cannot be loaded."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.models import ResNetTable, resnet34
from speaker_bases.models.saving import in_float32, load_model

SMALL = ResNetTable(2, (1, 1), (2, 3), (1, 2), ((1, 1), (2, 2)), dense_units=4)
LENGTHS = np.array([[24], [9]])


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(size=(2, 24, 64)).astype("float32")


@pytest.fixture(scope="module")
def network(features):
    """A small network whose moving statistics are not those it begins with."""
    model = resnet34(SMALL, bn_momentum=0.5, kernel_regularizer=keras.regularizers.L2(0.1))
    model(features, training=True)
    return model


def embeddings(model, features):
    """Of the utterances whole, and of their beginnings in a padded batch."""
    mask = np.arange(24) < LENGTHS
    outputs = model(features), model(features, mask=mask)
    return np.stack([keras.ops.convert_to_numpy(output) for output in outputs])


def assert_same(model, network, features):
    np.testing.assert_allclose(
        embeddings(model, features), embeddings(network, features), rtol=1e-5, atol=1e-6
    )


def test_a_saved_model_gives_the_same_embeddings_in_a_fresh_process(network, features, tmp_path):
    network.save(tmp_path / "embedder.keras")
    np.save(tmp_path / "features.npy", features)
    program = (
        "import sys, keras, numpy as np, speaker_bases.models\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "features, mask = np.load(sys.argv[2]), np.arange(24) < np.array([[24], [9]])\n"
        "outputs = model(features), model(features, mask=mask)\n"
        "np.save(sys.argv[3], np.stack([keras.ops.convert_to_numpy(x) for x in outputs]))\n"
    )
    files = [tmp_path / name for name in ("embedder.keras", "features.npy", "out.npy")]
    subprocess.run([sys.executable, "-c", program, *map(str, files)], check=True)
    expected = embeddings(network, features)
    np.testing.assert_allclose(np.load(files[-1]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", ["h5", "hdf5"])
def test_kerass_old_format_is_refused_when_saving(suffix, network, tmp_path):
    with pytest.raises(ValueError, match=r"Expected a `\.keras` file"):
        network.save(tmp_path / f"embedder.{suffix}")
    assert not list(tmp_path.iterdir())


def test_saved_weights_are_loaded_into_a_network_of_the_same_numbers(network, features, tmp_path):
    network.save_weights(tmp_path / "network.weights.h5")
    other = resnet34(SMALL)
    other.load_weights(tmp_path / "network.weights.h5")
    assert_same(other, network, features)


def test_a_copy_from_the_configuration_has_the_same_layers(network):
    copy = keras.Model.from_config(network.get_config())
    copy.set_weights(network.get_weights())
    assert [v.path for v in copy.variables] == [v.path for v in network.variables]
    assert copy.get_layer("conv1").kernel_regularizer.l2 == pytest.approx(0.1)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a format of TensorFlow's")
def test_an_exported_network_takes_utterances_of_any_length(network, features, tmp_path):
    network.export(tmp_path / "export", verbose=False)
    exported = keras.layers.TFSMLayer(tmp_path / "export", call_endpoint="serve")
    for frames in (24, 9):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(exported(features[:1, :frames])),
            keras.ops.convert_to_numpy(network(features[:1, :frames])),
            rtol=1e-5,
            atol=1e-6,
        )


@pytest.mark.parametrize("floatx", ["float16", "float64"])
def test_a_loaded_network_is_what_was_saved_whatever_keras_takes_for_floats(
    floatx, network, features, tmp_path
):
    network.save(tmp_path / "embedder.keras")
    expected = embeddings(network, 1e5 * features)
    keras.config.set_floatx(floatx)
    try:
        loaded = embeddings(load_model(tmp_path / "embedder.keras"), 1e5 * features)
    finally:
        keras.config.set_floatx("float32")
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(loaded, expected)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_network_of_lower_precision_computes_in_float32_after_training(policy, features):
    keras.utils.set_random_seed(0)
    whole = resnet34(SMALL)
    keras.config.set_dtype_policy(policy)
    try:
        low = resnet34(SMALL)
    finally:
        keras.config.set_dtype_policy("float32")
    low.set_weights(whole.get_weights())
    assert np.abs(embeddings(low, features) - embeddings(whole, features)).max() > 1e-4
    np.testing.assert_array_equal(
        embeddings(in_float32(low), features), embeddings(whole, features)
    )
    assert in_float32(whole) is whole


def refused(path) -> str:
    with pytest.raises(InputError) as error:
        load_model(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 500
    return message


def damaged(path, change):
    """The file again, with the parts that `change` gives instead of its own."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts | change(parts)).items():
            archive.writestr(name, content)


def test_a_file_that_is_no_model_is_refused_in_one_line(network, tmp_path):
    path = tmp_path / "embedder.keras"
    refused(path)
    path.write_bytes(b"PK not a zip")
    refused(path)
    path.write_bytes(b"")
    refused(path)
    refused(tmp_path)
    network.save(path)
    whole = path.read_bytes()
    for part in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(part * len(whole))])
        refused(path)
    for begin in (len(whole) // 4, len(whole) // 2):
        path.write_bytes(whole[:begin] + b"\xff" * 2000 + whole[begin + 2000 :])
        refused(path)


@pytest.mark.parametrize("part", ["config.json", "model.weights.h5"])
def test_a_model_with_a_broken_part_is_refused_in_one_line(part, network, tmp_path):
    path = tmp_path / "embedder.keras"
    network.save(path)
    damaged(path, lambda parts: {part: parts[part][:100]})
    refused(path)


def test_a_layer_that_is_not_known_is_named(network, tmp_path):
    path = tmp_path / "embedder.keras"

    def with_layer(name):
        def change(parts):
            config = json.loads(parts["config.json"])
            layer = config["config"]["layers"][2]
            layer.update(class_name=name, registered_name=f"speaker_bases>{name}", module=None)
            return {"config.json": json.dumps(config)}

        return change

    network.save(path)
    damaged(path, with_layer("Other"))
    assert "'Other'" in refused(path)
    damaged(path, with_layer("ResidualStage"))
    assert "train the system again" in refused(path)
