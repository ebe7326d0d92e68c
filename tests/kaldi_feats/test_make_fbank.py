"""make_features.sh without Kaldi."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.kinds.record import feature_settings
from speaker_bases.kaldi_feats.reader import FeatureReader, read_num_frames


@pytest.fixture
def script(project_root) -> Path:
    return project_root / "kaldi_feats" / "make_features.sh"


def test_agrees_with_kaldis_golden_features(golden_corpus, make_fbank, project_root):
    data = golden_corpus("wav.scp")
    before = data.snapshot()
    conf = project_root / "conf" / "fbank.conf"
    done = make_fbank(data, "--fbank-config", str(conf), KALDI_ROOT="")
    assert done.returncode == 0, done.stderr
    assert "done 8 of 8, skipped 0" in done.stderr
    golden = FeatureReader("fbank64_cmn_center.scp")
    made = FeatureReader(data.path / "feats.scp")
    assert made.utterances == golden.utterances
    for name in golden:
        assert made[name].shape == golden[name].shape
        np.testing.assert_allclose(made[name], golden[name], rtol=0, atol=1e-3)
    validate_data_dir(data, features=True)
    after = data.snapshot()
    assert {name: after[name] for name in before} == before
    expected = dict(line.split() for line in Path("utt2num_frames").read_text().splitlines())
    assert read_num_frames(data) == {name: int(frames) for name, frames in expected.items()}
    assert feature_settings(data)["num-mel-bins"] == "64"


def test_a_bad_recording_in_another_process(corpus, make_fbank):
    corpus.point_to(11, "echo no luck >&2; exit 3 |")
    done = make_fbank(corpus, KALDI_ROOT="")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("extract: error: ") and "wav.scp:11: echo no luck" in line


@pytest.mark.parametrize("arguments", [[], ["a", "b", "c", "d"]])
def test_usage_on_a_wrong_count(script, arguments):
    done = subprocess.run(["bash", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Usage: " in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    "arguments, message",
    [(["--nij", "2", "data"], "unknown option --nij"), (["--nj"], "--nj takes a value")],
)
def test_bad_option(script, arguments, message):
    done = subprocess.run(["bash", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and f"make_features.sh: error: {message}" in done.stderr


def test_help(script):
    done = subprocess.run(["bash", script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""
    assert "--fbank-config=conf/fbank.conf" in done.stdout and "Usage: " in done.stdout


def test_the_projects_option_file_from_another_folder(corpus, script, tmp_path):
    """Through a link, and with another environment active, whose python knows nothing of this."""
    link, other = tmp_path / "features", tmp_path / "bin"
    link.symlink_to(script)
    other.mkdir()
    (other / "python").write_text("#!/bin/sh\necho another environment >&2; exit 1\n")
    (other / "python").chmod(stat.S_IRWXU)
    path = f"{other}:{os.environ['PATH']}"
    project_has_env = (script.parent.parent / ".venv" / "bin" / "python").exists()
    if not project_has_env:
        path = f"{Path(sys.executable).parent}:{path}"
    environment = os.environ | {"PATH": path, "VIRTUAL_ENV": str(tmp_path), "KALDI_ROOT": ""}
    environment.pop("USE_ACTIVE_ENV", None)
    command = ["bash", link, "--nj=1", corpus]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert feature_settings(corpus.path)["num-mel-bins"] == "64"
