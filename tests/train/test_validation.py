"""The choice of the epoch on held-out training speakers."""

import csv

import keras
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.error_rates import eer
from speaker_bases.kaldi_feats.reader import FeatureReader
from speaker_bases.run_dir import RunDir
from speaker_bases.train.__main__ import main
from speaker_bases.train.checkpoints import last_checkpoint
from speaker_bases.train.config import load_config
from speaker_bases.train.data import training_data
from speaker_bases.train.trainer import train
from speaker_bases.train.validation import EER, Validation, draw_pairs

from .test_trainer import in_parts, stop_at  # noqa: F401  fixtures

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def config_of(conf_files):
    def config(*overrides, system="softmax", held_out=2):
        settings = ["batch.size=6", "crops_per_utterance=4", f"validation.speakers={held_out}"]
        return load_config(*conf_files(system), [*settings, *overrides])

    return config


@pytest.fixture
def data(make_data):
    return make_data(num_speakers=6)  # 12 utterances of 4 speakers, 8 steps an epoch


def read_log(run):
    with open(run.log, newline="") as file:
        return list(csv.DictReader(file))


def weights_of(path):
    return keras.saving.load_model(path).get_weights()


def test_held_out_speakers_are_drawn_by_the_seed_and_not_trained_on(config_of, data):
    config, whole = config_of(), {f"spk0{k}" for k in range(6)}
    drawn = set()
    for seed in range(8):
        part, held_out = training_data(data, config, seed)
        again = training_data(data, config, seed)[1]
        assert held_out.speakers == again.speakers
        assert len(held_out.speakers) == 2 and set(part.speakers) == whole - set(held_out.speakers)
        drawn.add(tuple(held_out.speakers))
        for each, number in ((part, 4), (held_out, 2)):
            assert len(each.utterances) == len(each.num_frames) == 3 * number
            for utterance, label in zip(each.utterances, each.labels, strict=True):
                assert each.speakers[label] == utterance[:5]
    assert len(drawn) > 3


@pytest.mark.parametrize("most", [10, 30, 10_000])
def test_pairs_are_all_or_a_draw_of_both_kinds(most):
    labels = np.array([0, 1, 0, 2, 1, 1, 2, 3, 0, 3])
    every = {}
    for a in range(10):
        for b in range(a + 1, 10):
            every[a, b] = int(labels[a] == labels[b])
    pairs = draw_pairs(labels, most, seed=0)
    found = {(a, b): same for a, b, same in pairs.tolist()}
    assert len(found) == len(pairs) == min(most, len(every))
    assert all(every[pair] == same for pair, same in found.items())
    assert sum(found.values()) == min(most // 2, sum(every.values()))
    np.testing.assert_array_equal(pairs, draw_pairs(labels, most, seed=0))
    if most < len(every):
        assert not np.array_equal(pairs, draw_pairs(labels, most, seed=1))


def test_the_run_is_that_of_the_best_epoch_and_says_who_chose_it(config_of, data, tmp_path):
    run = RunDir(tmp_path / "exp" / "softmax" / "seed0")
    assert train(config_of("epochs=4"), data, run.path) is True
    saved = run.read_config()
    held_out = sorted({f"spk0{k}" for k in range(6)} - set(run.read_speakers()))
    assert saved["held_out"] == held_out and run.read_held_out() == set(held_out)
    assert (saved["num_speakers"], saved["num_utterances"]) == (4, 12)
    assert keras.saving.load_model(run.model).output_shape == (None, 4)

    reader = FeatureReader(data / "feats.scp")
    embedder = keras.saving.load_model(run.embedder)
    units, scores, same = {}, [], []
    for utterance in (u for u in reader.utterances if u[:5] in held_out):
        row = np.asarray(embedder(reader[utterance][None]), "float64")[0]
        units[utterance] = row / np.linalg.norm(row)
    for a in units:
        for b in units:
            if a < b:
                scores.append(float(units[a] @ units[b]))
                same.append(a[:5] == b[:5])
    best = min(float(row[EER]) for row in read_log(run))
    assert 100 * eer(scores, same) == pytest.approx(best, abs=1e-4)


def rates(monkeypatch, *values):
    """Pretend that these are the error rates, epoch by epoch."""

    def measure(self):
        return values[self.log_file.checkpoints.step // 8 - 1]

    monkeypatch.setattr(Validation, "measure", measure)


@pytest.mark.parametrize("system", ["softmax", "center"])
def test_what_is_kept_is_what_a_training_to_that_epoch_ends_with(
    system, config_of, data, tmp_path, monkeypatch
):
    rates(monkeypatch, 0.3, 0.1, 0.2, 0.1)
    longer, shorter = (RunDir(tmp_path / name / system / "seed0") for name in "ab")
    assert train(config_of("epochs=4", system=system), data, longer.path) is True
    assert train(config_of("epochs=2", system=system), data, shorter.path) is True
    assert [row[EER] for row in read_log(longer)] == ["30", "10", "20", "10"]
    for name in ("embedder", "model"):
        for a, b in zip(
            weights_of(getattr(longer, name)), weights_of(getattr(shorter, name)), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    with np.load(last_checkpoint(longer.checkpoints)) as file:  # and training would go on
        assert np.abs(file["model/0000"] - weights_of(longer.model)[0]).max() > 1e-4
    if system == "center":
        assert float(keras.saving.load_model(longer.model).get_layer("center").alpha) == 0


def test_it_is_measured_every_so_many_epochs_and_at_the_last(
    config_of, data, tmp_path, monkeypatch
):
    rates(monkeypatch, 0.0, 0.3, 0.0, 0.2, 0.4)
    run = RunDir(tmp_path / "exp" / "softmax" / "seed0")
    train(config_of("epochs=5", "validation.every=2"), data, run.path)
    assert [row[EER] for row in read_log(run)] == ["", "30", "", "20", "40"]


def test_an_interrupted_training_keeps_the_same_epoch(config_of, data, tmp_path, in_parts):  # noqa: F811
    config = config_of("epochs=4", "validation.every=2", system="center")
    straight, resumed = (RunDir(tmp_path / name / "center" / "seed0") for name in "ab")
    assert train(config, data, straight.path) is True
    in_parts(config, data, resumed.path, (3, 16, 21, 32))
    assert [row[EER] for row in read_log(straight)] == [row[EER] for row in read_log(resumed)]
    for a, b in zip(weights_of(straight.model), weights_of(resumed.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_more_epochs_go_on_from_the_last_and_not_from_the_best(
    config_of, data, tmp_path, monkeypatch
):
    rates(monkeypatch, 0.1, 0.3, 0.2)
    grown, straight = (RunDir(tmp_path / name / "softmax" / "seed0") for name in "ab")
    for epochs in (2, 3):
        assert train(config_of(f"epochs={epochs}"), data, grown.path) is True
    assert train(config_of("epochs=3"), data, straight.path) is True
    assert [row[EER] for row in read_log(grown)] == ["10", "30", "20"]
    for run in (grown, straight):
        with np.load(last_checkpoint(run.checkpoints)) as file:
            last = file["model/0000"]
        run.last = last
    np.testing.assert_allclose(grown.last, straight.last, rtol=1e-5, atol=1e-6)
    for a, b in zip(weights_of(grown.embedder), weights_of(straight.embedder), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("validation.speakers=1", "`validation.speakers` must be at least 2: 1"),
        ("validation={every: 0}", "`validation.every` must be at least 1: 0"),
        ("optimizer.use_ema=true", "`validation` and `optimizer.use_ema` do not go together"),
    ],
)
def test_wrong_settings_are_refused(config_of, override, message):
    with pytest.raises(InputError, match=message):
        config_of(override)


def test_too_many_held_out_speakers_are_refused_before_anything_is_built(
    conf_files, data, tmp_path, capsys
):
    system, corpus = conf_files("softmax")
    words = ["--system", system, "--corpus", corpus, "--data-dir", data, "--run", tmp_path / "run"]
    words += ["--set", "batch.size=6", "--validation-speakers", "5"]
    for check in (["--check"], []):
        assert main([str(word) for word in words + check]) == 1
        error = capsys.readouterr().err
        assert "5 validation speakers of two utterances or more, and two speakers" in error
        assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
