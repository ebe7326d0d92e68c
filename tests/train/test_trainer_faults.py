"""What a training must notice: other features, lost files, kills between two writes."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.reader import FeatureReader, MatrixWriter
from speaker_bases.lock import locked
from speaker_bases.run_dir import RunDir
from speaker_bases.train import checkpoints as checkpoints_module
from speaker_bases.train.checkpoints import last_checkpoint, step_of
from speaker_bases.train.config import load_config
from speaker_bases.train.trainer import train

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def config(conf_files):
    return load_config(*conf_files("softmax"), ["batch.size=6"])


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path / "exp" / "softmax" / "seed0")


def rewrite(data, change):
    """Write the features of a data directory again, changed, under the same names."""
    reader = FeatureReader(data / "feats.scp")
    features = {utterance: np.array(reader[utterance]) for utterance in reader.utterances}
    with MatrixWriter(data / "feats.scp") as writer:
        for utterance, matrix in features.items():
            writer.write(utterance, change(utterance, matrix))


def superseded(run):
    return sorted(path.name for path in (run.path.parent / "superseded").glob("*"))


def test_other_features_of_the_same_lengths_begin_anew(config, make_data, run):
    data = make_data()
    train(config, data, run.path)
    rewrite(data, lambda utterance, matrix: matrix)
    train(config, data, run.path)
    assert not superseded(run)  # written again, and the same
    rewrite(data, lambda utterance, matrix: matrix + (utterance == "spk00-00"))
    train(config, data, run.path)
    assert superseded(run) == ["seed0-1"]


@pytest.mark.parametrize("damage", ["removed", "emptied", "garbled"])
def test_checkpoints_without_their_configuration_are_not_gone_on_with(
    config, make_data, run, damage, caplog
):
    data = make_data()
    train(config, data, run.path)
    if damage == "removed":
        run.config.unlink()
    else:
        run.config.write_bytes(b"" if damage == "emptied" else b"\xff{[")
    train(config | {"crop_frames": 12}, data, run.path)
    assert superseded(run) == ["seed0-1"]
    assert "its configuration cannot be read" in caplog.text
    assert run.read_config()["crop_frames"] == 12


@pytest.mark.parametrize("lost", ["model", "embedder", "speakers"])
@pytest.mark.parametrize("how", ["removed", "truncated", "flipped"])
def test_a_damaged_model_is_made_again_from_the_last_checkpoint(
    config, make_data, run, lost, how, caplog
):
    data = make_data()
    train(config, data, run.path)
    path = getattr(run, lost)
    whole = path.read_bytes()
    if how == "removed":
        path.unlink()
    else:
        at = len(whole) // 2
        flipped = whole[:at] + bytes([whole[at] ^ 64]) + whole[at + 1 :]
        path.write_bytes(whole[:at] if how == "truncated" else flipped)
    trained = run.log.stat().st_mtime_ns
    assert train(config, data, run.path) is True
    assert run.log.stat().st_mtime_ns == trained  # nothing was trained again
    if lost == "speakers":
        assert path.read_bytes() == whole
    else:
        keras.saving.load_model(path)
    assert not superseded(run)


def test_features_of_another_length_than_recorded_are_refused(config, make_data, run):
    data = make_data()
    rewrite(data, lambda utterance, matrix: matrix[:3] if utterance == "spk01-01" else matrix)
    message = r"feats\.scp:5: spk01-01: its features are 3 frames of 64 values, and should be"
    with pytest.raises(InputError, match=message):
        train(config, data, run.path)


def test_features_of_other_bands_are_refused(config, make_data, run):
    data = make_data()
    rewrite(data, lambda utterance, matrix: matrix[:, :40] if utterance == "spk01-01" else matrix)
    message = r"feats\.scp:5: spk01-01: its features are \d+ frames of 40 values, and should be"
    with pytest.raises(InputError, match=message):
        train(config, data, run.path)


def test_a_kill_between_the_log_and_the_checkpoint_loses_no_line(
    config, make_data, tmp_path, monkeypatch
):
    data = make_data()
    whole, killed = (RunDir(tmp_path / name / "seed0") for name in ("whole", "killed"))
    train(config | {"epochs": 3}, data, whole.path)

    class Killed(BaseException):
        pass

    original = checkpoints_module.save_checkpoint

    def save(folder, model, step):
        if step == 4:
            raise Killed
        return original(folder, model, step)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoints_module, "save_checkpoint", save)
        train(config | {"epochs": 3}, data, killed.path)
    assert step_of(last_checkpoint(killed.checkpoints)) == 2
    train(config | {"epochs": 3}, data, killed.path)

    def lines(run):
        rows = [line.split(",") for line in run.log.read_text().splitlines()]
        seconds = rows[0].index("seconds")
        return [row[:seconds] + row[seconds + 1 :] for row in rows]

    assert lines(killed) == lines(whole)


def test_a_run_that_another_process_trains_is_refused(config, make_data, run):
    with locked(run.lock, "training it"):
        command = [sys.executable, "-c", "from speaker_bases.train.__main__ import main; main()"]
        system = run.path.parent / "softmax.yaml"
        system.write_text(
            "network: table1\nlosses: {softmax: {}}\noptimizer: {name: adam}\n"
            "batch: {size: 6}\ncrop_frames: 16\nepochs: 1\n"
        )
        command += ["--system", system, "--corpus", system, "--data-dir", make_data()]
        done = subprocess.run([*command, "--run", run.path], capture_output=True, text=True)
    assert f"process {os.getpid()} on" in done.stderr and "is training it" in done.stderr
    assert not run.checkpoints.exists()


@pytest.mark.parametrize("left", [".config.yaml.0a1b2c3d.tmp", ".embedder.keras.tmp.keras"])
def test_what_a_killed_run_left_is_cleared_away(config, make_data, run, left):
    run.path.mkdir(parents=True)
    (run.path / left).write_text("half")
    train(config, make_data(), run.path)
    assert not (run.path / left).exists()
