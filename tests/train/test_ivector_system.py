"""Stage 2 of an i-vector system: settings, resumption, and data that do not suffice."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from speaker_bases.command_line import InputError
from speaker_bases.ivector import training
from speaker_bases.kaldi_feats.kinds.record import feature_settings
from speaker_bases.run_dir import RunDir, read_log
from speaker_bases.train.config import load_config
from speaker_bases.train.ivector_system import check_ivector, train_ivector

SIZES = ["components=6", "dim=4", "subsample=1", "diagonal_iterations=2", "full_iterations=2"]
SIZES += ["extractor_iterations=3", "initial_iterations=4"]
SET = [f"ivector.{size}" for size in SIZES]


@pytest.fixture
def config(project_root):
    """The configuration of the system, with other settings."""

    def make(*overrides, corpus="voxceleb1"):
        conf = project_root / "conf"
        files = conf / "systems" / "ivector.yaml", conf / "corpora" / f"{corpus}.yaml"
        return load_config(*files, [*SET, *overrides])

    return make


def outputs(run):
    return [path.read_bytes() for path in (run.diagonal_mixture, run.mixture, run.extractor)]


def test_sizes(project_root, config):
    conf = project_root / "conf"
    whole = load_config(conf / "systems" / "ivector.yaml", conf / "corpora" / "voxceleb1.yaml")
    assert (whole["ivector"]["components"], whole["ivector"]["dim"]) == (1024, 400)
    assert (whole["feature_kind"], whole["backend"]) == ("mfcc", "plda")
    assert "epochs" not in whole and "bn_momentum" not in whole
    small = load_config(conf / "systems" / "ivector.yaml", conf / "corpora" / "synthetic.yaml")
    assert small["ivector"]["components"] < 200
    assert config("epochs=3") == config() | {"overrides": [*SET, "epochs=3"]}
    network = load_config(conf / "systems" / "softmax.yaml", conf / "corpora" / "synthetic.yaml")
    assert "ivector" not in network


@pytest.mark.parametrize(
    ("system", "override", "message"),
    [
        ("ivector", "weight_decay=1", "an i-vector system does not take `weight_decay`"),
        ("ivector", "ivector.components=0", "`ivector.components` must be at least 1"),
        ("ivector", "feature_kind=mfc", "no such kind of features 'mfc'; there are fbank, mfcc"),
        ("softmax", "ivector.dim=3", "a network does not take `ivector`"),
    ],
)
def test_wrong_settings(project_root, system, override, message):
    conf = project_root / "conf"
    with pytest.raises(InputError, match=message):
        load_config(
            conf / "systems" / f"{system}.yaml", conf / "corpora" / "kaldi.yaml", [override]
        )


def test_a_training_stopped_after_any_iteration_ends_with_the_same_bytes(
    config, make_cepstra, tmp_path, monkeypatch
):
    data, whole, stopped = make_cepstra(), RunDir(tmp_path / "whole"), RunDir(tmp_path / "stopped")
    train_ivector(config(), data, whole.path, 0, num_jobs=2)
    assert sorted(path.name for path in whole.ivector.iterdir() if path.name[0] != ".") == [
        "final.dubm",
        "final.ie",
        "final.ubm",
    ]
    assert [row["epoch"] for row in read_log(whole.log)] == [str(n) for n in range(1, 8)]
    config_of_run = whole.read_config()
    assert config_of_run["features"] == feature_settings(data)
    assert config_of_run["ivector"]["selected"] == 20 and config_of_run["num_speakers"] == 4

    class Stop(Exception):
        pass

    keep, kept = training.Training._kept, []

    def keep_and_stop(self, kind, number, model):
        assert (kind, number) not in kept, "made twice"
        kept.append((kind, number))
        keep(self, kind, number, model)
        raise Stop

    monkeypatch.setattr(training.Training, "_kept", keep_and_stop)
    stops = 0
    while not stopped.trained.exists():
        try:
            train_ivector(config(), data, stopped.path, 0, num_jobs=1)
        except Stop:
            stops += 1
    assert stops == 10 and outputs(stopped) == outputs(whole)
    losses = [[row["loss"] for row in read_log(run.log)] for run in (whole, stopped)]
    assert losses[0] == losses[1]

    monkeypatch.undo()
    before = whole.extractor.stat().st_mtime_ns
    train_ivector(config("backend=cosine"), data, whole.path, 0, num_jobs=1)  # a label
    assert whole.extractor.stat().st_mtime_ns == before
    train_ivector(config(), data, whole.path, 1, num_jobs=1)
    assert outputs(whole) != outputs(stopped)
    assert outputs(RunDir(tmp_path / "superseded" / "whole-1")) == outputs(stopped)


def test_a_killed_training_ends_with_the_same_bytes(
    config, make_cepstra, project_root, tmp_path, request
):
    data, run = make_cepstra(), RunDir(tmp_path / "killed")
    command = [sys.executable, "-m", "speaker_bases.train", "--run", run.path, "--nj", "2"]
    command += ["--system", project_root / "conf" / "systems" / "ivector.yaml"]
    command += ["--corpus", project_root / "conf" / "corpora" / "voxceleb1.yaml"]
    command += ["--data-dir", data, *(word for text in SET for word in ("--set", text))]
    train_ivector(config(), data, tmp_path / "whole", 0, num_jobs=2)
    moments = ["1.dubm", "posteriors", *request.config.getoption("--kills") * ["2.ubm", "1.ie"]]
    for moment in moments[: 1 + len(moments) // 2]:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not run.iteration(moment).exists() and process.poll() is None:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert outputs(run) == outputs(RunDir(tmp_path / "whole"))
    assert not [path for path in run.ivector.iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize(
    ("overrides", "data", "message"),
    [
        (["ivector.components=400"], {}, r"vad\.scp: 1,\d+ voiced frames .* 400 components, which"),
        (["ivector.dim=30"], {}, r"feats\.scp: i-vectors of 30 numbers, and 24 recordings .* 24;"),
        (["ivector.components=3", "ivector.dim=20"], {}, r"under 3 components .* carry 18;"),
        ([], {"num_speakers": 1}, r"utt2spk: one training speaker"),
    ],
)
def test_data_that_do_not_suffice(config, make_cepstra, tmp_path, overrides, data, message):
    folder, run = make_cepstra(**data), RunDir(tmp_path / "run")
    with pytest.raises(InputError, match=message):
        train_ivector(config(*overrides), folder, run.path, 0, num_jobs=1)
    assert not run.mixture.exists() and not run.trained.exists()


def test_another_kind_of_features(config, make_data, make_cepstra, project_root, tmp_path):
    with pytest.raises(InputError, match="features of the kind fbank, and ivector is trained on"):
        check_ivector(config(), make_data())
    check_ivector(config(), make_cepstra())


def test_a_silent_recording_and_components_without_frames(config, make_cepstra, tmp_path, caplog):
    """Are warned of, and what comes out is finite."""
    data, run = make_cepstra(silent=["spk01-02"]), RunDir(tmp_path / "run")
    train_ivector(config("ivector.components=14"), data, run.path, 0, num_jobs=1)
    assert "1 recordings without a voiced frame" in caplog.text
    assert re.search(r"\.ubm: \d+ of the 14 components, the first of them number", caplog.text)
    few = config("ivector.components=60")
    with pytest.raises(InputError, match=r"1\.ubm: all of the 60 components have too few frames"):
        train_ivector(few, data, tmp_path / "few", 0, num_jobs=1)
