"""Stages that are killed at random moments end with the files of ones that were not.

Each is killed once by default, and `--kills 20` times with `pytest tests/test_kills.py --kills 20`.
Trainings: tests/train/test_kills.py.
"""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

SYSTEM = ["network=tiny", "crop_frames=32", "epochs=1", "batch.size=10"]
TINY = """
from functools import partial
from speaker_bases.models import NETWORKS, ResNetTable, resnet34
rows = ResNetTable(4, (1, 2), (4, 8), (1, 1), ((1, 1), (2, 2)), None)
NETWORKS.add("tiny", partial(resnet34, rows))
"""
VOICES = ["--train-speakers", "12", "--train-utterances", "6"]
VOICES += ["--test-speakers", "8", "--test-utterances", "6"]
RUN = "exp/softmax/seed0"


def commands(project_root) -> dict[str, list]:
    """The tool of each stage, on data/ and exp/ of the folder that it is called in."""
    conf, tool = project_root / "conf", [sys.executable, "-m"]
    kaldi, evaluate = "speaker_bases.kaldi_feats", "speaker_bases.evaluate"
    train = ["--system", conf / "systems" / "softmax.yaml", "--data-dir", "data/train"]
    train += ["--corpus", conf / "corpora" / "synthetic.yaml", "--plugin", "tiny.py"]
    train += [word for setting in SYSTEM for word in ("--set", setting)]
    features = ["--fbank-config", conf / "fbank.conf", "--nj", "2", "data/test"]
    score = [*tool, f"{evaluate}.score", "--run", RUN, "--data-dir", "data/test"]
    report = ["--exp", "exp", "--data", "data", "--corpus-conf", conf / "corpora/synthetic.yaml"]
    return {
        "0 prepare": [*tool, f"{kaldi}.prepare", "synthetic", "--nj", "2", *VOICES],
        "1 features": [*tool, f"{kaldi}.extract", *features],
        "1 features of train": [*tool, f"{kaldi}.extract", *features[:-1], "data/train"],
        "2 train": [*tool, "speaker_bases.train", "--run", RUN, *train],
        "3 baseline": [*tool, f"{evaluate}.baseline", "--exp", "exp", "--data-dir", "data/test"],
        "3 embed": [*tool, f"{evaluate}.embed", "--run", RUN, "--data-dir", "data/test"],
        "3 embed train": [*tool, f"{evaluate}.embed", "--run", RUN, "--data-dir", "data/train"],
        "4 score": score,
        "4 b-vector": [*score, "--backend", "bvector", "--set", "epochs=2"],
        "5 report": [*tool, f"{evaluate}.report", *report],
    }


KILLED = ["0 prepare", "1 features", "3 embed", "4 score", "4 b-vector", "5 report"]


@pytest.fixture(scope="module")
def recipe(project_root, tmp_path_factory):
    """Every stage, run once: the folder, and by stage it before and after, and how long it took."""
    base = tmp_path_factory.mktemp("kills")
    work, stages = base / "work", {}
    work.mkdir()
    (work / "tiny.py").write_text(TINY)
    before = shutil.copytree(work, base / "before")
    for name, command in commands(project_root).items():
        begin = time.monotonic()
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        seconds = time.monotonic() - begin
        after = shutil.copytree(work, base / f"after {name}")
        stages[name] = before, after, seconds
        before = after
    return work, stages


def contents(folder: Path) -> dict[str, object]:
    """What is in a folder's files, less what tells the time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or path.name.endswith((".lock", ".done", ".log", ".digests.json")):
            continue
        if path.suffix == ".keras":
            found[name] = weights(path)
        else:
            found[name] = path.read_bytes()
    return found


def weights(path: Path) -> dict[str, bytes]:
    """The arrays in a .keras file, whose zip and HDF5 note the time."""
    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()].tobytes()

    with zipfile.ZipFile(path) as file, file.open("model.weights.h5") as member:
        h5py.File(io.BytesIO(member.read())).visititems(visit)
    return arrays


@pytest.mark.parametrize("stage", KILLED)
def test_a_killed_stage_leaves_the_files_of_one_that_was_not(
    recipe, stage, project_root, request, record_property
):
    kills = request.config.getoption("--kills") or 1
    work, stages = recipe
    before, after, seconds = stages[stage]
    shutil.rmtree(work)
    shutil.copytree(before, work)
    command = commands(project_root)[stage]
    rng = np.random.default_rng(int(os.environ.get("KILLS_SEED", 0)))
    ended_before = 0
    for _ in range(kills):
        process = subprocess.Popen(
            command,
            cwd=work,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(rng.uniform(0.3, 1) * seconds)
        ended_before += process.poll() is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the jobs of stages 0 and 1, too
        process.wait()
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(work.rglob("*.tmp*"))
    expected, found = contents(after), contents(work)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    record_property("kills", kills - ended_before)
