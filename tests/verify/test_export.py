"""Exported networks compute what the run's network computes."""

import json

import keras
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.run_dir import RunDir
from speaker_bases.verify import Verifier
from speaker_bases.verify.__main__ import main
from tests.verify.conftest import make_run

pytest.importorskip("tf2onnx", reason="the extra `export` is not installed")


@pytest.mark.parametrize(
    ("file_format", "name"), [("onnx", "m.onnx"), ("saved_model", "m"), ("litert", "m.tflite")]
)
def test_every_format_on_utterances_of_several_lengths(tiny, file_format, name, tmp_path, capsys):
    command = ["export", "--run", str(tiny.run.path), "--output", str(tmp_path / name)]
    command += ["--format", file_format, "--data-dir", str(tiny.test)]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    compared = [line for line in lines if "differs from the run's network by" in line]
    assert len(compared) == 4  # the lengths that there are
    assert main(command) == 0  # again, over what is there
    if file_format != "onnx":
        card = tmp_path / name / "card.json"
        card = card if card.is_file() else tmp_path / f"{name}.card.json"
        assert json.loads(card.read_text())["calibration"]["learnt_from"]["list"] == "pairs"
    assert not list(tmp_path.glob(".export*"))


def test_the_card_says_what_the_model_is(tiny, onnx_file, capsys):
    card = Verifier.load(onnx_file).card
    assert card["system"] == "tiny" and card["corpus"] == "some corpus" and card["dim"] == 8
    assert card["calibration"]["learnt_from"]["trials"] == 276
    assert "replayed" in card["must_not_be_used_for"]
    assert card == Verifier.load(tiny.run.path).card
    assert main(["card", "--model", str(onnx_file)]) == 0
    text = capsys.readouterr().out
    judged = card["calibration"]["judged_on"]
    ends = [f"{100 * judged[key]:.2f}" for key in ("eer", "eer_low", "eer_high")]
    assert f"on pairs: EER {ends[0]} % [{ends[1]}, {ends[2]}]" in text
    for part in ("tiny (L_S), seed 0, trained on some corpus", "Apache-2.0", "replayed"):
        assert part in text
    assert main(["card", "--model", str(onnx_file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == card


def test_a_network_trained_in_bfloat16_computes_in_float32_afterwards(project_root, tmp_path):
    from speaker_bases.verify.export import export

    made = make_run(tmp_path, project_root, policy="mixed_bfloat16")
    path = tmp_path / "m.onnx"
    differences = export(made.run, path)
    assert max(differences.values()) < 1e-5
    run, exported = Verifier.load(made.run.path), Verifier.load(path)
    one, other = (v.embed([made.wav["spk0-0"]])[0] for v in (run, exported))
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert cosine == pytest.approx(1.0, abs=1e-6)


PLUGIN = """
import keras
from keras import ops

@keras.saving.register_keras_serializable(package="of_a_plugin")
class MeanAndSpread(keras.layers.Layer):
    supports_masking = True

    def call(self, frames, mask=None):
        weights = ops.ones_like(frames[..., :1])
        if mask is not None:
            weights = ops.cast(mask, frames.dtype)[..., None]
        count = ops.sum(weights, axis=1)
        mean = ops.sum(frames * weights, axis=1) / count
        spread = ops.sum(weights * (frames - mean[:, None]) ** 2, axis=1) / count
        return ops.concatenate([mean, ops.sqrt(spread + 1e-6)], axis=-1)

    def compute_mask(self, frames, mask=None):
        return None

def network():
    features = keras.Input((None, 64), dtype="float32")
    x = keras.layers.Dense(8, "relu")(features)
    x = keras.layers.GRU(8, return_sequences=True)(x)
    return keras.Model(features, keras.layers.Dense(6)(MeanAndSpread()(x)))
"""


def test_a_network_of_a_plugin(tiny, tmp_path, capsys):
    """Recurrent, with statistics pooling: nothing of the networks here."""
    plugin = tmp_path / "of_a_plugin.py"
    plugin.write_text(PLUGIN)
    namespace = {}
    exec(PLUGIN, namespace)
    run = RunDir(tmp_path / "exp" / "frames" / "seed0")
    run.write_config(tiny.run.read_config())
    namespace["network"]().save(run.embedder)
    keras.saving.get_custom_objects().pop("of_a_plugin>MeanAndSpread")
    for name, file_format in (("m.onnx", "onnx"), ("m.tflite", "litert"), ("m", "saved_model")):
        command = ["export", "--run", str(run.path), "--output", str(tmp_path / name)]
        command += ["--format", file_format]
        if name == "m.onnx":
            assert main(command) == 2
            error = capsys.readouterr().err
            assert "Keras cannot load this model" in error and error.count("\n") == 1
        assert main([*command, "--plugin", str(plugin)]) == 0
    paths = [tiny.wav["spk0-0"], tiny.wav["spk0-2"]]
    rows = Verifier.load(run.path).embed(paths)  # as a batch
    np.testing.assert_allclose(Verifier.load(tmp_path / "m.onnx").embed(paths), rows, atol=1e-5)


def test_a_folder_of_somebody_elses_is_not_replaced(tiny, tmp_path):
    from speaker_bases.verify.export import export

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="was not exported here"):
        export(tiny.run, tmp_path / "mine", "saved_model")
    with pytest.raises(InputError, match="no such folder"):
        export(tiny.run, tmp_path / "none" / "m.onnx")
    assert (tmp_path / "mine" / "thesis.txt").exists()
