"""The small files of runs, damaged at random: the right value, or one line that says where."""

import keras
import numpy as np
import pytest
import yaml

from speaker_bases.command_line import InputError
from speaker_bases.evaluate import stored_scores
from speaker_bases.evaluate.backends.plda.files import read_plda, write_plda
from speaker_bases.evaluate.score_file import read_scores, write_scores
from speaker_bases.evaluate.scoring.two_covariance import Plda
from speaker_bases.evaluate.trial_list import TrialList
from speaker_bases.kaldi_feats.trials import Trials
from speaker_bases.models.saving import load_model, save_model
from speaker_bases.run_dir import RunDir, read_log
from speaker_bases.stamp import Stamp
from speaker_bases.train.checkpoints import last_checkpoint, load_checkpoint, save_checkpoint
from speaker_bases.train.config import load_config
from tests.fuzzing import INPUTS, damaged, value_or_refusal

TRIALS = Trials(["a-1", "a-1", "b-1"], ["a-2", "b-1", "a-2"], np.array([True, False, False]))
SCORES = np.array([0.75, -1.5e-7, 0.1234567890123])


def test_score_files(tmp_path):
    path, trials_path = tmp_path / "list.cosine.txt", tmp_path / "list"
    write_scores(path, TRIALS, SCORES)
    for data, _ in damaged(path, [path.read_bytes()]):
        scores = value_or_refusal(
            lambda: read_scores(path, TRIALS, trials_path), path, data, [trials_path]
        )
        if scores is not None:
            assert scores.shape == (3,) and np.isfinite(scores).all()


def test_stored_scores_and_lists(tmp_path):
    path = tmp_path / "a.seed0.npz"
    stored_scores.write_scores(path, {"list": ("0a", SCORES)})
    speakers = np.array([0, 0, 1]), np.array([0, 1, 0])
    trials = TrialList(tmp_path / "list", TRIALS, ["a", "b"], *speakers)
    listed = stored_scores.write_list(tmp_path, trials)
    wholes = [path.read_bytes(), listed.read_bytes()]
    for data, _ in damaged(path, wholes):
        value_or_refusal(lambda: stored_scores.read_scores(path), path, data)
        value_or_refusal(lambda: stored_scores.read_list(path), path, data)


def test_stamps(tmp_path):
    output = tmp_path / "out"
    stamp = Stamp(tmp_path / ".done", {"nj": 4, "set": "test"}, [output])
    with stamp.renew():
        output.write_text("made")
    whole = stamp.path.read_bytes()
    for _ in damaged(stamp.path, [whole]):
        made = stamp.read()
        assert made is None or isinstance(made, dict)
        assert stamp.is_current() in (True, False)
        assert all(path == output for path in stamp.changed_outputs())


def test_kaldis_plda(tmp_path):
    path = tmp_path / "plda"
    plda = Plda(np.array([0.5, -1.25, 3e-9]), np.diag([1.0, 2.5, 1e3]), np.array([7.5, 1.0, 0.0]))
    wholes = []
    for binary in (True, False):
        write_plda(path, plda, binary)
        wholes.append(path.read_bytes())
    for data, _ in damaged(path, wholes):
        found = value_or_refusal(lambda: read_plda(path), path, data)
        if found is not None:
            dim = len(found.mean)
            assert found.transform.shape == (dim, dim) and found.psi.shape == (dim,)
            for array in (found.mean, found.transform, found.psi):
                assert np.isfinite(array).all()
            assert (found.psi >= 0).all()


def test_configurations_of_runs(tmp_path):
    run = RunDir(tmp_path)
    config = {"system": "softmax", "seed": 0, "loss": "L_S", "features": {"dither": "0"}}
    run.write_config(config | {"losses": {"softmax": {"reduction": "mean"}}})
    for data, _ in damaged(run.config, [run.config.read_bytes()]):
        value = value_or_refusal(run.read_config, run.config, data)
        assert value is None or value.keys() >= config.keys()


def test_logs(tmp_path):
    path = tmp_path / "log.csv"
    whole = "epoch,step,seconds,loss\n1,80,12.5,5.25\n2,160,25.0,4.125\n"
    for data, _ in damaged(path, [whole.encode()]):
        rows = value_or_refusal(lambda: read_log(path), path, data)
        for row in rows or []:
            assert float(row["seconds"]) >= 0 and float(row["step"]) >= 0


def test_configuration_files_and_settings(project_root, tmp_path):
    path = tmp_path / "mine.yaml"
    conf = project_root / "conf"
    wholes = [file.read_bytes() for file in sorted((conf / "systems").glob("*.yaml"))]
    corpus = conf / "corpora" / "synthetic.yaml"
    for data, rng in damaged(path, wholes):
        config = value_or_refusal(lambda: load_config(path, corpus), path, data)
        if config is not None:
            yaml.safe_dump(config)
        text = rng.choice(["losses.softmax.reduction=", "", "batch="]) + data.decode("latin1")[:80]
        try:
            load_config(conf / "systems" / "softmax.yaml", corpus, [text])
        except InputError as error:
            assert str(error).startswith(("--set ", str(conf / "systems"))), text


@pytest.fixture
def model():
    features = keras.Input((4,))
    model = keras.Model(features, keras.layers.Dense(2)(features))
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_models_and_checkpoints(tmp_path, model):
    path = tmp_path / "embedder.keras"
    save_model(model, path)
    for data, _ in damaged(path, [path.read_bytes()], INPUTS // 4):
        value_or_refusal(lambda: load_model(path), path, data)
    whole = save_checkpoint(tmp_path / "checkpoints", model, 7)
    for data, _ in damaged(whole, [whole.read_bytes()], INPUTS // 4):
        if last_checkpoint(whole.parent) is not None:
            value_or_refusal(lambda: load_checkpoint(whole, model), whole, data)
