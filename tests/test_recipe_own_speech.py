"""run.sh on speech of one's own, called from another folder with relative paths."""

import os
import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.kaldi_feats.trials import read_trials


@pytest.fixture
def speech(tmp_path):
    """A and B train, C tests: two speakers each, in a folder with a blank in its name."""
    rng = np.random.default_rng(0)
    for folder in ("A", "B", "C"):
        for speaker in (1, 2):
            for session in ("mon", "tue"):
                path = tmp_path / "my speech" / folder / f"{folder}{speaker}" / session / "x.wav"
                path.parent.mkdir(parents=True)
                soundfile.write(path, rng.uniform(-0.1, 0.1, 8000), 16000)
    return tmp_path / "my speech"


@pytest.fixture
def recipe(project_root, speech):
    """Run stages 0 and 1 from the folder of the speech; returns the process."""

    def run(*options: str) -> subprocess.CompletedProcess:
        command = [project_root / "run.sh", "--use-active-env", "true", "--nj", "1", *options]
        command += ["--stage", "0", "--stop-stage", "1", "--data", "data"]
        environment = {**os.environ, "KALDI_ROOT": ""}
        return subprocess.run(command, cwd=speech, env=environment, capture_output=True, text=True)

    return run


def test_folders_and_then_kaldis_directories_made_of_them(recipe, speech):
    options = "--corpus", "folders", "--train-dirs", "A B", "--test-dirs", "C"
    done = recipe(*options)
    assert done.returncode == 0, done.stdout + done.stderr
    data = speech / "data"
    assert validate_data_dir(data / "train", features=True) == 8
    assert validate_data_dir(data / "test", features=True) == 4
    assert len(read_trials(data / "test" / "trials" / "drawn")) == 6
    (speech / "one.csv").write_text("enrol,test,label\nC1/mon/x,C1/tue/x,1\nC1/mon/x,C2/mon/x,0\n")
    shutil.copy(speech / "one.csv", speech / "two.txt")
    done = recipe(*options, "--trials", "one.csv two.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    lists = sorted(path.name for path in (data / "test" / "trials").glob("[!.]*"))
    assert lists == ["one", "two"]

    for name in ("train", "test"):
        wav_scp = data / name / "wav.scp"
        wav_scp.write_text(wav_scp.read_text().replace(f"{speech}/", ""))
        (data / name / "feats.scp").unlink()
    data.rename(speech / "own")
    done = recipe("--corpus", "kaldi", "--train-data", "own/train", "--test-data", "own/test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert validate_data_dir(data / "train", features=True) == 8
    assert read_table(data / "test" / "wav.scp")["C1-mon-x"] == str(speech / "C/C1/mon/x.wav")
    assert len(read_trials(data / "test" / "trials" / "two")) == 2


def test_a_mistake_is_one_line(recipe, speech):
    done = recipe("--corpus", "folders", "--train-dirs", "A C/C1", "--test-dirs", "C")
    assert done.returncode == 1
    assert "C: is the same as" in done.stderr and not (speech / "data" / "train").exists()
