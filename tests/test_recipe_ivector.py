"""run.sh with the i-vector system, on a synthetic corpus of a few speakers."""

import csv
import subprocess

import numpy as np

from speaker_bases.kaldi_feats.reader import read_vectors
from speaker_bases.run_dir import RunDir

SMALL = [
    "--prepare-opts",
    "--train-speakers 6 --train-utterances 5 --test-speakers 4 --test-utterances 3",
    "--train-opts",
    "--set ivector.components=8 --set ivector.dim=6",
]


def test_the_recipe_makes_an_i_vector_system(project_root, tmp_path):
    data, exp = tmp_path / "data", tmp_path / "exp"
    command = [project_root / "run.sh", "--use-active-env", "true", "--systems", "ivector", *SMALL]
    command += ["--data", data, "--exp", exp]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    run = RunDir(exp / "ivector" / "seed0")
    with open(exp / "results.csv", newline="") as file:
        (row,) = csv.DictReader(file)  # and no baseline, which is of filter banks
    assert (row["system"], row["backend"], row["trials"]) == ("ivector", "plda", "66")
    assert 0 <= float(row["eer_percent"]) < 45
    assert not (data / "train" / "feats.scp").exists()
    _, ivectors = read_vectors(run.embeddings("test"))
    assert ivectors.shape == (12, 6) and np.ptp(ivectors, axis=0).min() > 0
    assert "| ivector | none (i-vector) | 0 |" in (exp / "RESULTS.md").read_text()

    outputs = [run.mixture, run.extractor, run.embeddings("train"), run.scores("synthetic", "plda")]
    before = [path.stat().st_mtime_ns for path in outputs]
    again = subprocess.run(
        [*command, "--stage", "2", "--stop-stage", "4"], capture_output=True, text=True
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert [path.stat().st_mtime_ns for path in outputs] == before
