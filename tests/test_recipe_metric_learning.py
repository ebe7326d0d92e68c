"""The system metric_learning from synthetic speech to scores, each stage by its command."""

import importlib.util

import numpy as np
import pytest

from speaker_bases.evaluate import embed, score
from speaker_bases.evaluate.reporting.results import collect
from speaker_bases.kaldi_feats import extract, prepare
from speaker_bases.kaldi_feats.reader import read_vectors
from speaker_bases.run_dir import RunDir
from speaker_bases.train import __main__ as train

SPEAKERS = ["--train-speakers", "4", "--train-utterances", "3"]
SPEAKERS += ["--test-speakers", "2", "--test-utterances", "2"]
NARROW = ["architecture={conv_filters: [2, 2, 2, 2, 2], fc6_units: 8, fc7_units: 6}"]
NARROW += ["fine_tuning.architecture.fc8_units=4", "crop_frames=70", "crops_per_utterance=2"]
NARROW += ["batch.size=6", "fine_tuning.batch.pairs=4", "fine_tuning.epochs=2"]


def test_from_speech_to_scores_by_distance(project_root, tmp_path):
    data, run = tmp_path / "data", RunDir(tmp_path / "exp" / "metric_learning" / "seed0")
    conf = project_root / "conf"

    def call(tool, *words):
        assert tool.main([str(word) for word in words]) == 0

    call(prepare, "synthetic", "--data", data, "--nj", 1, *SPEAKERS)
    options = ["--kind", "spectrogram", "--spectrogram-config", conf / "spectrogram.conf"]
    for name in ("train", "test"):
        call(extract, *options, "--nj", 1, data / name)
    system = ["--system", conf / "systems" / "metric_learning.yaml"]
    system += ["--corpus", conf / "corpora" / "synthetic.yaml", "--epochs", 1]
    system += [word for setting in NARROW for word in ("--set", setting)]
    call(train, *system, "--data-dir", data / "train_spectrogram", "--run", run.path)
    call(embed, "--run", run.path, "--data-dir", data / "test_spectrogram", "--name", "test")
    call(score, "--run", run.path, "--data-dir", data / "test")

    names, embeddings = read_vectors(run.embeddings("test"))
    assert embeddings.shape == (4, 4)
    for line in run.scores("synthetic", "euclidean").read_text().splitlines():
        enrol, test, value = line.split()
        a, b = (embeddings[names.index(name)].astype(float) for name in (enrol, test))
        assert float(value) == pytest.approx(-np.linalg.norm(a - b), abs=1e-9)
    found = collect(tmp_path / "exp", data / "test", "synthetic")
    assert found.training["metric_learning"][0].startswith("1 and 2 epochs with `architecture=")
    row = found.results[0].row
    assert (row["loss"], row["backend"]) == ("L_S, then contrastive", "euclidean")

    path = project_root / "experiments" / "real_speech" / "record.py"
    spec = importlib.util.spec_from_file_location("record", path)
    record = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(record)
    call(record, "--csv", tmp_path / "runs.csv", "--run", run.path, "--data-dir", data / "test")
    (recorded,) = record.read_rows(tmp_path / "runs.csv")
    assert (recorded["epochs"], recorded["steps"]) == ("1", str(4 + 2 * 3))
    assert float(recorded["eer_percent"]) == pytest.approx(row["eer_percent"], abs=0.006)
