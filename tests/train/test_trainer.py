"""Training from beginning to end, interrupted, resumed, changed and refused."""

import csv
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.reader import MatrixWriter
from speaker_bases.run_dir import RunDir
from speaker_bases.train import checkpoints as checkpoints_module
from speaker_bases.train import crops as crops_module
from speaker_bases.train.__main__ import main
from speaker_bases.train.config import load_config
from speaker_bases.train.trainer import train

SMALL = {  # what the tiny data allows
    "softmax": ["batch.size=6"],
    "center": ["batch.size=6"],
    "am_softmax": ["batch.size=6"],
    "ge2e": ["batch.speakers=3", "batch.crops_per_speaker=2"],
    "proposed1": ["batch.size=6"],
    "proposed2": ["batch.size=6", "losses.hard_negative.num_negatives=2"],
    "author2019_hbc": [
        "batch.size=6",
        "losses.hard_negative.num_negatives=2",
        "architecture.stage_blocks=[1, 1, 1, 2]",
        "architecture.dense_units=8",
        "crop_frames=16",
    ],
}
ON_JAX = "interrupted_training_ends or while_a_batch_is_read or (leaves_its_files and proposed2)"
METRICS = {
    "softmax": {"softmax"},
    "center": {"softmax", "center"},
    "am_softmax": {"additive_margin_softmax"},
    "ge2e": {"ge2e"},
    "proposed1": {"softmax", "center", "between_speaker"},
    "proposed2": {"hard_negative_mining", "between_speaker"},
    "author2019_hbc": {"hard_negative_mining", "softmax", "between_speaker"},
}


pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def config_of(conf_files):
    def config(system, *overrides):
        return load_config(*conf_files(system), [*SMALL[system], *overrides])

    return config


@pytest.fixture
def stop_at(monkeypatch):
    """Pretend that Ctrl-C is pressed during a given step."""

    def stop(step):
        original = checkpoints_module.Checkpoints.on_train_batch_end

        def batch_end(self, batch, logs=None):
            if self.step + 1 == step:
                self._interrupt(2, None)
            original(self, batch, logs)

        monkeypatch.setattr(checkpoints_module.Checkpoints, "on_train_batch_end", batch_end)
        return lambda: monkeypatch.setattr(
            checkpoints_module.Checkpoints, "on_train_batch_end", original
        )

    return stop


@pytest.fixture
def in_parts(stop_at):
    """Train to the end, stopped at some steps: within an epoch, at its end, at the very end."""

    def run(config, data, out, steps):
        for step in steps:
            go_on = stop_at(step)
            assert train(config, data, out) is False
            assert not RunDir(out).model.exists()
            go_on()
        assert train(config, data, out) is True

    return run


def read_log(out):
    with open(RunDir(out).log, newline="") as file:
        return list(csv.DictReader(file))


def weights_of(out):
    model = keras.models.load_model(RunDir(out).embedder)
    return [keras.ops.convert_to_numpy(variable) for variable in model.variables]


@pytest.mark.parametrize("system", SMALL)
def test_each_system_trains_and_leaves_its_files(system, config_of, make_data, tmp_path):
    out = tmp_path / "exp" / system / "seed0"
    config = config_of(system, "epochs=8", "crops_per_utterance=4")
    assert train(config, make_data(), out) is True
    log = read_log(out)
    assert [row["epoch"] for row in log] == [str(k) for k in range(1, 9)]
    assert float(log[-1]["loss"]) < float(log[0]["loss"])
    assert set(log[0]) == {"epoch", "step", "seconds", "loss"} | METRICS[system]
    experiment = RunDir(out)
    assert experiment.speakers.read_text().split() == ["spk00", "spk01", "spk02", "spk03"]
    assert list(experiment.tensorboard.iterdir())
    saved = experiment.read_config()
    assert saved["features"]["window-type"] == "hamming"
    assert (saved["system"], saved["seed"], saved["num_speakers"]) == (system, 0, 4)
    model = keras.models.load_model(experiment.model)
    embedder = keras.models.load_model(experiment.embedder)
    features = np.random.default_rng(0).normal(size=(2, 16, 64)).astype("float32")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(model.get_layer("backbone")(features)),
        keras.ops.convert_to_numpy(embedder(features)),
        rtol=1e-6,
    )
    if "center" in config["losses"]:
        center = model.get_layer("center")
        assert float(center.alpha) == 0  # frozen once trained


def test_a_complete_system_is_left_alone_and_its_labels_follow_the_file(
    config_of, make_data, tmp_path
):
    data, out = make_data(), tmp_path / "exp" / "softmax" / "seed0"
    train(config_of("softmax"), data, out)
    before = RunDir(out).model.stat()
    assert train(config_of("softmax") | {"description": "another"}, data, out) is True
    after = RunDir(out).model.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert RunDir(out).read_config()["description"] == "another"


@pytest.mark.parametrize("system", ["proposed1", "ge2e", "author2019_hbc"])
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    system, config_of, make_data, tmp_path, in_parts
):
    config = config_of(system, "epochs=3", "crops_per_utterance=4")  # 8 steps an epoch
    data = make_data()
    straight, resumed = tmp_path / "exp" / "a" / "seed0", tmp_path / "exp" / "b" / "seed0"
    assert train(config, data, straight) is True
    in_parts(config, data, resumed, (3, 8, 13, 24))
    for a, b in zip(weights_of(straight), weights_of(resumed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    columns = [key for key in read_log(straight)[0] if key != "seconds"]
    for a, b in zip(read_log(straight), read_log(resumed), strict=True):
        for key in columns:  # the means over the epoch too, though parts ran in two processes
            assert float(a[key]) == pytest.approx(float(b[key]), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    "settings",
    [["schedule={name: cosine, warmup_steps: 3}"], ["optimizer.use_ema=true"]],
    ids=["schedule", "average"],
)
def test_a_resumed_schedule_or_average_of_weights_is_exact(
    settings, config_of, make_data, tmp_path, in_parts
):
    config = config_of("center", "epochs=2", "crops_per_utterance=4", *settings)
    data = make_data()
    straight, resumed = tmp_path / "exp" / "a" / "seed0", tmp_path / "exp" / "b" / "seed0"
    assert train(config, data, straight) is True
    in_parts(config, data, resumed, (3, 8, 13, 16))
    for a, b in zip(weights_of(straight), weights_of(resumed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    if "use_ema" in settings[0]:  # what is saved is the average, not the last weights
        with np.load(checkpoints_module.last_checkpoint(RunDir(straight).checkpoints)) as file:
            last = file["model/0000"]
        assert np.abs(weights_of(straight)[0] - last).max() > 1e-4


def test_the_same_holds_on_jax(project_root):
    pytest.importorskip("jax")
    if os.environ.get("KERAS_BACKEND") == "jax":
        pytest.skip("this is the run on JAX")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", ON_JAX],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        cwd=project_root,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 passed" in run.stdout


def test_a_signal_while_a_batch_is_read_loses_nothing(config_of, make_data, tmp_path, monkeypatch):
    config, data = config_of("center", "epochs=3", "crops_per_utterance=4"), make_data()
    straight, resumed = tmp_path / "exp" / "a" / "seed0", tmp_path / "exp" / "b" / "seed0"
    assert train(config, data, straight) is True
    original = crops_module.CropStream.__getitem__
    signalled = []

    def read(self, index):
        if index == 5 and not signalled:
            signalled.append(index)
            signal.raise_signal(signal.SIGTERM)
        return original(self, index)

    monkeypatch.setattr(crops_module.CropStream, "__getitem__", read)
    assert train(config, data, resumed) is False
    assert signalled and not RunDir(resumed).model.exists()
    assert 0 < checkpoints_module.step_of(next(RunDir(resumed).checkpoints.iterdir())) < 24
    assert train(config, data, resumed) is True
    for a, b in zip(weights_of(straight), weights_of(resumed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    center = keras.models.load_model(RunDir(resumed).model).get_layer("center")
    assert float(center.alpha) == 0


@pytest.mark.parametrize("name", ["model", "embedder", "both"])
def test_a_file_that_is_gone_is_made_again_from_the_last_checkpoint(
    name, config_of, make_data, tmp_path
):
    data, out = make_data(), tmp_path / "exp" / "proposed1" / "seed0"
    train(config_of("proposed1"), data, out)
    experiment, before = RunDir(out), weights_of(out)
    paths = {"model": [experiment.model], "embedder": [experiment.embedder]}
    for path in paths.get(name, [experiment.model, experiment.embedder]):
        path.unlink()
    assert train(config_of("proposed1"), data, out) is True
    for a, b in zip(before, weights_of(out), strict=True):
        np.testing.assert_array_equal(a, b)
    model = keras.models.load_model(experiment.model)
    assert float(model.get_layer("center").alpha) == 0
    assert len(read_log(out)) == 2


def test_more_epochs_are_added_and_fewer_begin_anew(config_of, make_data, tmp_path):
    data, out = make_data(), tmp_path / "exp" / "softmax" / "seed0"
    train(config_of("softmax", "epochs=2"), data, out)
    two = read_log(out)
    train(config_of("softmax", "epochs=4"), data, out)
    assert read_log(out)[:2] == two and len(read_log(out)) == 4
    train(config_of("softmax", "epochs=3"), data, out)
    assert len(read_log(out)) == 3
    assert len(read_log(out.parent / "superseded" / "seed0-1")) == 4


def test_more_epochs_begin_anew_where_the_schedule_ends_with_the_training(
    config_of, make_data, tmp_path, caplog
):
    data, out = make_data(), tmp_path / "exp" / "softmax" / "seed0"
    train(config_of("softmax", "schedule.name=cosine", "epochs=2"), data, out)
    train(config_of("softmax", "schedule.name=cosine", "epochs=3"), data, out)
    assert "other settings (epochs)" in caplog.text
    assert len(read_log(out)) == 3


def test_other_settings_move_what_was_there_aside(config_of, make_data, tmp_path, caplog):
    data, out = make_data(), tmp_path / "exp" / "softmax" / "seed0"
    train(config_of("softmax"), data, out)
    train(config_of("softmax", "crop_frames=12"), data, out)
    assert "other settings (crop_frames)" in caplog.text
    train(config_of("softmax", "crop_frames=12"), make_data(frames=(25, 26)), out)
    assert "other settings (data)" in caplog.text
    old = [RunDir(out.parent / "superseded" / f"seed0-{k}").read_config() for k in (1, 2)]
    assert [config["crop_frames"] for config in old] == [16, 12]


def test_a_damaged_checkpoint_falls_back_to_the_one_before(config_of, make_data, tmp_path, caplog):
    data, out = make_data(), tmp_path / "exp" / "softmax" / "seed0"
    train(config_of("softmax", "epochs=2"), data, out)
    *_, before, last = sorted(RunDir(out).checkpoints.iterdir())
    last.write_bytes(last.read_bytes()[:-200])
    assert checkpoints_module.last_checkpoint(RunDir(out).checkpoints) == before
    assert "going back to the one before" in caplog.text
    train(config_of("softmax", "epochs=3"), data, out)
    assert [row["epoch"] for row in read_log(out)] == ["1", "2", "3"]


def test_more_negatives_than_other_speakers_are_refused(config_of, make_data, tmp_path):
    config = config_of("proposed2", "losses.hard_negative.num_negatives=4")
    out = tmp_path / "exp" / "proposed2" / "seed0"
    with pytest.raises(InputError, match="is 4; with 4 training speakers it must be between 1"):
        train(config, make_data(), out)
    assert not out.exists()


def test_features_of_other_bands_are_refused_and_nothing_is_moved(config_of, make_data, tmp_path):
    out = tmp_path / "exp" / "softmax" / "seed0"
    train(config_of("softmax"), make_data(), out)
    with pytest.raises(
        InputError, match=r"feats.scp:1: the features have 80 values a frame, .* 64"
    ):
        train(config_of("softmax"), make_data(bands=80, name="wide"), out)
    assert RunDir(out).model.is_file() and not (out.parent / "superseded").exists()


def test_a_diverging_training_stops_and_its_last_good_state_stays(
    config_of, make_data, tmp_path, monkeypatch
):
    out = tmp_path / "exp" / "softmax" / "seed0"
    original = crops_module.CropStream.__getitem__

    def explode(self, index):
        inputs, targets = original(self, index)
        return inputs | {"features": inputs["features"] * (np.inf if index >= 3 else 1)}, targets

    monkeypatch.setattr(crops_module.CropStream, "__getitem__", explode)
    with pytest.raises(InputError, match="the loss is not a finite number after step 4"):
        train(config_of("softmax", "epochs=5"), make_data(), out)  # 2 steps an epoch
    (checkpoint,) = RunDir(out).checkpoints.iterdir()
    assert checkpoints_module.step_of(checkpoint) == 2
    with np.load(checkpoint) as arrays:
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)
    assert len(read_log(out)) == 1
    assert not RunDir(out).model.exists()


def test_an_optimizer_setting_that_is_not_its_own_is_refused(config_of, make_data, tmp_path):
    with pytest.raises(InputError, match=r"optimizer.adam does not take .*momentum"):
        train(config_of("softmax", "optimizer.momentum=0.9"), make_data(), tmp_path / "a" / "seed0")


def test_the_command_line_names_a_nan_with_its_utterance(conf_files, make_data, tmp_path, capsys):
    data = make_data(frames=(20, 21))
    matrix = np.ones((20, 64), "float32")
    with MatrixWriter(data / "feats.scp") as writer:
        for line in (data / "utt2spk").read_text().splitlines():
            utterance = line.split()[0]
            bad = utterance == "spk02-01"
            writer.write(utterance, np.where(matrix > 0, np.nan if bad else 1.0, 0))
    system, corpus = conf_files("softmax")
    arguments = ["--system", str(system), "--corpus", str(corpus), "--data-dir", str(data)]
    arguments += ["--run", str(tmp_path / "out" / "seed0"), "--set", "batch.size=6"]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "feats.scp:8: spk02-01: NaN or infinity" in error.splitlines()[-1]


def test_the_command_line_names_a_typo_in_one_line(conf_files, make_data, tmp_path, capsys):
    system, corpus = conf_files("softmax")
    corpus.write_text("crop_frmes: 16\n")
    arguments = ["--system", str(system), "--corpus", str(corpus), "--data-dir", str(make_data())]
    assert main([*arguments, "--run", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{corpus}:1: unknown key `crop_frmes`" in error
    with pytest.raises(SystemExit) as stopped:
        main(["--systm", "x"])
    assert stopped.value.code == 2


def test_check_says_what_is_wrong_and_makes_nothing(conf_files, make_data, tmp_path, capsys):
    system, corpus = conf_files("proposed2")
    out = tmp_path / "exp" / "proposed2" / "seed0"
    arguments = ["--system", str(system), "--corpus", str(corpus), "--data-dir", str(make_data())]
    arguments += ["--run", str(out), "--set", "batch.size=6", "--check"]
    assert main(arguments) == 1
    assert "num_negatives is 100; with 4 training speakers" in capsys.readouterr().err
    assert main([*arguments, "--set", "losses.hard_negative.num_negatives=3"]) == 0
    assert main([*arguments, "--set", "batch.size=600"]) == 1
    assert "do not fill one batch of 600" in capsys.readouterr().err
    assert not out.parent.exists()
