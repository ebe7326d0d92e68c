"""Trainings that are killed at random moments end as one that was not, to the last bit.

One kill of one kind of system by default; `pytest tests/train/test_kills.py --kills 20` kills every
kind so often.
"""

import csv
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from speaker_bases.run_dir import RunDir
from speaker_bases.train.checkpoints import last_checkpoint

TINY = """
from functools import partial
from speaker_bases.models import NETWORKS, ResNetTable, resnet34
rows = ResNetTable(4, (1, 2), (4, 8), (1, 1), ((1, 1), (2, 2)), None)
NETWORKS.add("tiny", partial(resnet34, rows))
"""
KINDS = {
    "proposed2": [
        "batch.size=6",
        "losses.hard_negative.num_negatives=2",
        "schedule={name: cosine}",
    ],
    "center": ["batch.size=6", "optimizer.use_ema=true"],
    "softmax": ["batch.size=6", "validation={speakers: 2}"],
    "ge2e": ["batch={speakers: 3, crops_per_speaker: 2}"],
    "softmax, then siamese": [
        "batch.size=6",
        "fine_tuning={architecture: {dense_units: 5}, losses: {contrastive: {}}, "
        "batch: {pairs: 3}, mining: {}, epochs: 4}",
    ],
}
SIZE = ["network=tiny", "crops_per_utterance=8", "epochs=4"]


@pytest.fixture
def train(project_root, make_data, tmp_path):
    """Start a training in a process of its own."""
    data = make_data()
    (tmp_path / "tiny.py").write_text(TINY)
    (tmp_path / "corpus.yaml").write_text("crop_frames: 16\nepochs: 4\nbn_momentum: 0.5\n")

    def start(run, kind):
        command = [sys.executable, "-m", "speaker_bases.train", "--plugin", tmp_path / "tiny.py"]
        system = kind.split(",")[0]
        command += ["--system", project_root / "conf" / "systems" / f"{system}.yaml"]
        command += ["--corpus", tmp_path / "corpus.yaml", "--data-dir", data, "--run", run.path]
        for setting in [*SIZE, *KINDS[kind]]:
            command += ["--set", setting]
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=tmp_path
        )

    return start


def state(run):
    """All that the training changes, and the log without its seconds."""
    with np.load(last_checkpoint(run.checkpoints)) as file:
        arrays = {name: file[name].tobytes() for name in file.files}
    with open(run.log, newline="") as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    weights = keras.saving.load_model(run.embedder).get_weights()
    return arrays, rows, run.read_config(), [weight.tobytes() for weight in weights]


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_ends_where_one_that_was_not_does(
    train, kind, tmp_path, request, record_property
):
    kills = request.config.getoption("--kills")
    if not kills and kind != "proposed2":
        pytest.skip("one kind of system, unless --kills says how often")
    whole, killed = (RunDir(tmp_path / name / kind / "seed0") for name in ("whole", "killed"))
    process = train(whole, kind)
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()
    rng = np.random.default_rng(int(os.environ.get("KILLS_SEED", 0)))
    killed_at_work = 0
    for _ in range(kills or 1):
        process = train(killed, kind)
        while not killed.checkpoints.is_dir() and process.poll() is None:
            time.sleep(0.01)  # not before there is something to lose
        time.sleep(rng.uniform(0, 1.5))
        killed_at_work += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    process = train(killed, kind)
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()
    assert state(killed) == state(whole)
    assert not list(killed.path.rglob("*.tmp*"))
    record_property("kills", killed_at_work)
