"""Training the b-vector back-end."""

import json

import keras
import numpy as np
import pytest

from speaker_bases.command_line import run_tool
from speaker_bases.evaluate.backends.bvector.crop_embeddings import evenly_spaced
from speaker_bases.evaluate.backends.bvector.training import Settings, _statistics, train_bvector
from speaker_bases.kaldi_feats.reader import FeatureReader, VectorWriter
from speaker_bases.run_dir import RunDir


@pytest.fixture
def system(tmp_path):
    """A system whose network takes the mean over the frames; it says what it embeds."""
    system = RunDir(tmp_path / "exp" / "mean" / "seed0")
    system.path.mkdir(parents=True)
    system.write_config(
        {"system": "mean", "seed": 0, "loss": "", "features": {}, "crop_frames": 16}
    )
    features = keras.Input((None, 64))
    keras.Model(features, keras.layers.GlobalAveragePooling1D()(features)).save(system.embedder)
    return system


@pytest.fixture
def train(system, capsys):
    """Embed a data directory and train on it; returns exit code and what was said."""

    def embed(data):
        reader = FeatureReader(data / "feats.scp")
        with VectorWriter(system.embeddings(data.name)) as writer:
            for utterance in reader.utterances:
                writer.write(utterance, reader[utterance].mean(axis=0))
        speakers = sorted({utterance[:5] for utterance in reader.utterances})
        system.speakers.write_text("".join(f"{speaker}\n" for speaker in speakers))

    def again(data, **settings):
        given = {"epochs": 1, "batch_size": 16} | settings
        code = run_tool(lambda: train_bvector(system, data, Settings(**given)))
        return code, capsys.readouterr().err

    def run(data, **settings):
        embed(data)
        return again(data, **settings)

    run.embed = embed
    run.again = again
    return run


def accuracy_on_new_pairs(system, make_data) -> float:
    """On speakers that training has not seen, whole utterances."""
    model = keras.saving.load_model(system.bvector)
    reader = FeatureReader(
        make_data(num_speakers=8, utterances=6, name="new", seed=99) / "feats.scp"
    )
    means = np.stack([reader[name].mean(axis=0) for name in reader.utterances])
    speakers = np.array([name[:5] for name in reader.utterances])
    first, second = np.triu_indices(len(means), k=1)
    logits = model.predict([means[first], means[second]], verbose=0)
    same = speakers[first] == speakers[second]
    right = (logits[:, 1] > logits[:, 0]) == same
    return (right[same].mean() + right[~same].mean()) / 2


def test_it_tells_new_speakers_apart_and_a_rerun_does_nothing(train, make_data, system):
    data = make_data(num_speakers=30, utterances=4)
    assert train(data, epochs=8)[0] == 0
    assert accuracy_on_new_pairs(system, make_data) > 0.8
    lines = system.bvector_log.read_text().splitlines()
    assert len(lines) == 9 and lines[0].startswith("epoch,")
    date = system.bvector.stat().st_mtime_ns
    assert train.again(data, epochs=8)[0] == 0
    assert system.bvector.stat().st_mtime_ns == date
    assert train.again(data, seed=1)[0] == 0
    assert system.bvector.stat().st_mtime_ns != date


def test_the_same_seed_gives_the_same_back_end(train, make_data, system):
    data = make_data(num_speakers=5, utterances=3)
    found = []
    for seed in (3, 3, 4):
        system.bvector.unlink(missing_ok=True)
        assert train(data, seed=seed)[0] == 0
        weights = keras.saving.load_model(system.bvector).get_weights()
        found.append(np.concatenate([w.ravel() for w in weights]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)
    assert not np.allclose(found[0], found[2])


def test_pairs_and_dropout_as_in_the_authors_code(train, make_data, system):
    data = make_data(num_speakers=5, utterances=3)
    assert train(data)[0] == 0
    plain = keras.saving.load_model(system.bvector).get_weights()
    options = {"pairs_by": "speakers", "embedding_dropout": 0.2, "input_dropout": 0.0}
    assert train.again(data, **options)[0] == 0
    model = keras.saving.load_model(system.bvector)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.2, 0.0, 0.5, 0.5, 0.5]
    assert not np.allclose(model.get_weights()[-2], plain[-2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pairs_by": "sessions"}, "pairs_by is utterances or speakers, not 'sessions'"),
        ({"embedding_dropout": 1.0}, "embedding_dropout is a share from 0 to below 1, not 1.0"),
        ({"input_dropout": -0.1}, "input_dropout is a share from 0 to below 1, not -0.1"),
    ],
)
def test_wrong_settings_are_refused(train, make_data, settings, message):
    code, error = train.again(make_data(), **settings)
    assert code == 1 and message in error


def test_single_utterances_give_crops(train, make_data, system, caplog):
    caplog.set_level("INFO")
    data = make_data(num_speakers=30, utterances=1, frames=(120, 160))
    assert train(data, crops=4, epochs=8)[0] == 0
    assert "30 of 30 speakers have a single utterance" in caplog.text
    assert "120 embeddings of 30 speakers" in caplog.text
    assert accuracy_on_new_pairs(system, make_data) > 0.6


def test_statistics_are_of_the_training_embeddings_at_unit_length():
    rows = np.random.default_rng(0).normal(3, 2, size=(100, 4)).astype(np.float32)
    rows[:, 2] = 0  # a unit that never moves
    mean, variance = _statistics(rows, block=7)
    rows = rows.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(mean, rows.mean(axis=0))
    np.testing.assert_allclose(variance, np.where(np.arange(4) == 2, 1, rows.var(axis=0)))


def test_speakers_who_chose_the_epoch_are_left_out(train, make_data, system, caplog):
    caplog.set_level("INFO")
    data = make_data(num_speakers=5, utterances=3)
    train.embed(data)
    system.speakers.write_text("spk00\nspk01\nspk03\n")
    system.write_config(system.read_config() | {"held_out": ["spk02", "spk04"]})
    assert train.again(data)[0] == 0
    assert "9 embeddings of 3 speakers" in caplog.text


def test_other_data_is_refused(train, make_data, system):
    data = make_data()
    train.embed(data)
    system.speakers.write_text("spk00\nspk01\nsomebody\n")
    code, error = train.again(data)
    assert code == 1 and "train.scp:7: spk02-00 is of spk02, none of the speakers" in error
    assert not system.bvector.exists()


def test_missing_embeddings_are_named(train, make_data, system):
    data, path = make_data(), system.embeddings("train")
    train.embed(data)
    path.unlink()
    code, error = train.again(data)
    assert code == 1 and f"{path}: missing; run stage 3 first" in error


def test_the_network_is_needed_for_crops_alone(train, make_data, system):
    """Embeddings of another program come without one."""
    several, single = make_data(), make_data(utterances=1, name="single")
    system.embedder.unlink()
    assert train(several)[0] == 0
    code, error = train(single)
    assert code == 1 and f"{system.embedder}: missing; finish the training first" in error


def test_embeddings_of_an_earlier_network_are_refused(train, make_data, system):
    data = make_data()
    train.embed(data)
    made = {"made_by": "another network"}
    system.embeddings_done("train").write_text(json.dumps(made))
    code, error = train.again(data)
    assert code == 1 and "embedded by an earlier network; run stage 3 again" in error


def test_crops_are_evenly_spaced_and_short_utterances_repeated():
    frames = np.arange(10.0)[:, None]
    assert evenly_spaced(frames, 4, 3)[:, :, 0].tolist() == [
        [0, 1, 2, 3],
        [3, 4, 5, 6],
        [6, 7, 8, 9],
    ]
    assert evenly_spaced(frames[:3], 4, 2)[:, :, 0].tolist() == [[0, 1, 2, 0], [2, 0, 1, 2]]
