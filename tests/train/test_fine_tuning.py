"""Two trainings in one system: a classifier, then a Siamese network of one layer more."""

import itertools
import signal

import keras
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.reader import FeatureReader
from speaker_bases.models.utterance_embedder import UtteranceEmbedder
from speaker_bases.run_dir import RunDir, read_log
from speaker_bases.train import pair_mining
from speaker_bases.train.checkpoints import Checkpoints, last_checkpoint
from speaker_bases.train.coherence import phases
from speaker_bases.train.config import load_config
from speaker_bases.train.data import TrainingData
from speaker_bases.train.pair_mining import PairMining, draw_negatives
from speaker_bases.train.systems import build_model
from speaker_bases.train.trainer import train

TWO = (
    "fine_tuning={architecture: {dense_units: 5}, losses: {contrastive: {margin: 0.5}}, "
    "optimizer: {name: adam, learning_rate: 0.03}, batch: {pairs: 4}, "
    "mining: {every: 2, hardest: 0.2}, epochs: 4}"
)
SIZE = ["batch.size=6", "crops_per_utterance=4", TWO]

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def config_of(conf_files):
    return lambda *overrides: load_config(*conf_files("softmax"), [*SIZE, *overrides])


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exp" / "softmax" / "seed0"


def arrays_of(path):
    with np.load(path) as file:
        return {name: file[name].tobytes() for name in file.files}


def state(out):
    """All that both trainings have left, without the seconds."""
    found = []
    for run in (RunDir(out).pretraining, RunDir(out)):
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in read_log(run.log)]
        weights = keras.saving.load_model(run.embedder).get_weights()
        mined = {path.name: arrays_of(path) for path in run.mining.glob("*")}
        found += [rows, [weight.tobytes() for weight in weights], mined]
        found.append(arrays_of(last_checkpoint(run.checkpoints)))
    return found


def test_the_mined_pairs_are_the_nearest_of_those_drawn(config_of, make_data, out):
    data = TrainingData(make_data(num_speakers=6))
    config = phases(config_of())[1]
    batches, checkpoints = data.batches(config, 3), Checkpoints(out / "checkpoints", 1)
    model = build_model(config, 6, 1)
    mining = PairMining(data, config, RunDir(out), batches, 3)
    assert mining.prepare(model, checkpoints) and mining.next_after(0) == 2
    embedder = UtteranceEmbedder(model.get_layer("backbone"))
    reader = FeatureReader(data.reader.scp)
    embeddings = []
    for utterance in data.utterances:
        features = reader[utterance][None]
        lengths = np.array([features.shape[1]], "int32")
        embeddings.append(np.asarray(embedder([features, lengths]))[0].astype("float64"))
    number = 2 * batches.steps_per_epoch * batches.mined_per_batch
    assert batches.mined_per_batch == 1
    pool = draw_negatives(batches, 5 * number, np.random.default_rng([3, 0, 4]))
    distance = {(a, b): np.linalg.norm(embeddings[a] - embeddings[b]) for a, b in pool.tolist()}
    expected = sorted(distance[tuple(pair)] for pair in pool.tolist())[:number]
    mined = np.concatenate([batches.mined[0], batches.mined[1]]).reshape(-1, 2)
    found = sorted(distance[tuple(pair)] for pair in mined.tolist())
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.fixture
def stopped(monkeypatch):
    """Press Ctrl-C in a step of the trainings, or while a part of a mining is embedded."""

    def stop(step=None, part=None):
        calls = itertools.count(1)

        def then(function):
            def call(*arguments, **options):
                if next(calls) == (step or part):
                    signal.raise_signal(signal.SIGINT)
                return function(*arguments, **options)

            return call

        place = (Checkpoints, "on_train_batch_end") if step else (pair_mining, "embed_utterances")
        with monkeypatch.context() as patched:
            patched.setattr(*place, then(getattr(*place)))
            return train(*stop.arguments)

    return stop


def only_what_is_new_was_trained(run):
    before, after = (keras.saving.load_model(r.embedder) for r in (run.pretraining, run))
    assert before.output_shape == (None, 8) and after.output_shape == (None, 5)
    for layer in before.layers:
        for a, b in zip(
            layer.get_weights(), after.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(a, b)  # moving statistics too
    first, log = read_log(run.pretraining.log), read_log(run.log)
    assert [len(first), len(log)] == [2, 4]
    assert set(log[0]) == {"epoch", "step", "seconds", "loss", "contrastive"}
    assert float(log[-1]["contrastive"]) < float(log[0]["contrastive"])
    config = run.read_config()
    assert config["loss"] == "L_S, then contrastive" and "similarity" not in config
    assert run.pretraining.read_config()["loss"] == "L_S"
    mined = ["epoch-00000.npz", "epoch-00002.npz"]
    assert [path.name for path in sorted(run.mining.iterdir())] == mined


def test_stopped_trainings_and_minings_end_as_whole_ones(
    config_of, make_data, out, stopped, tmp_path, monkeypatch
):
    monkeypatch.setattr(pair_mining, "PART", 3)
    config, data, whole = config_of(), make_data(), tmp_path / "whole" / "softmax" / "seed0"
    assert train(config, data, whole) is True
    only_what_is_new_was_trained(RunDir(whole))
    stopped.arguments = (config, data, out)
    run = RunDir(out)
    assert stopped(step=3) is False and not run.config.exists()  # in the first training
    assert stopped(part=2) is False  # in the mining before the second
    assert len(list(run.mining.glob("*.part-*.npz"))) == 2
    embedded = [path.stat().st_mtime_ns for path in sorted(run.mining.iterdir())]
    assert stopped(part=1) is False  # again: what is embedded is not embedded again
    parts = sorted(run.mining.glob("*.part-*.npz"))
    assert [path.stat().st_mtime_ns for path in parts[:2]] == embedded and len(parts) == 3
    assert stopped(step=8) is False  # within an epoch
    assert stopped(step=4) is False  # at the end of that, before the next mining
    assert not run.model.exists()
    assert train(config, data, out) is True
    assert state(out) == state(whole)


def forget_the_second_training(run):
    for path in (*run.checkpoints.glob("*"), run.model):
        path.unlink()


def test_what_is_there_is_kept_if_it_is_of_this_training(config_of, make_data, out, stopped):
    config, data, run = config_of("fine_tuning.epochs=1"), make_data(), RunDir(out)
    train(config, data, out)
    first, expected = run.pretraining.model.stat(), arrays_of(run.mined(0))
    # Pairs of other weights are mined again.
    np.savez(run.mined(0), weights="other", pairs=np.zeros((2, 6, 1, 2), "int32"))
    forget_the_second_training(run)
    assert train(config, data, out) is True
    assert arrays_of(run.mined(0)) == expected
    # But not those that an epoch was begun with.
    forget_the_second_training(run)
    stopped.arguments = (config, data, out)
    assert stopped(step=2) is False
    run.mined(0).write_bytes(b"not a zip file")
    with pytest.raises(InputError, match=r"epoch-00000\.npz: missing or damaged, and epoch 1 goes"):
        train(config, data, out)
    # Another second training keeps the first.
    train(config_of("fine_tuning.losses.contrastive.margin=2"), data, out)
    assert run.pretraining.model.stat() == first
    shelf = RunDir(out.parent / "superseded" / "seed0-1")
    assert shelf.checkpoints.is_dir() and not shelf.pretraining.path.exists()


WRONG = {
    "fine_tuning.losses={softmax: {}}": "fine_tuning: `losses` takes exactly one of",
    "fine_tuning.batch={size: 4}": "fine_tuning: `batch` takes either `size`, or",
    "fine_tuning.batch.pairs=1": "`fine_tuning.batch.pairs` must be at least 2: 1",
    "mining.every=2": "`mining` is of pairs: its `batch` needs `pairs`",
    "fine_tuning.mining.hardest=1.5": "must be above 0 and at most 1: 1.5",
    "fine_tuning.mining.hardest=0": "must be above 0 and at most 1: 0",
    "fine_tuning.crop_frames=9": "unknown key `fine_tuning.crop_frames`",
    "fine_tuning.architecture=null": "fine_tuning trains nothing: .* adds none",
    "losses={contrastive: {}, softmax: null}": "losses.contrastive is of pairs",
}


@pytest.mark.parametrize("setting", WRONG)
def test_settings_that_do_not_go_together(config_of, setting):
    with pytest.raises(InputError, match=WRONG[setting]) as error:
        config_of(setting)
    assert "\n" not in str(error.value)


def test_too_few_utterances_are_found_before_the_first_training(config_of, make_data, out):
    with pytest.raises(InputError, match="do not fill one batch of 100 pairs"):
        train(config_of("fine_tuning.batch.pairs=100"), make_data(), out)
    assert not RunDir(out).pretraining.path.exists()


def test_a_layer_of_another_shape_is_refused(config_of, make_data, out):
    config = config_of("architecture.dense_units=3")
    with pytest.raises(InputError, match="layer dense is not of the shape that it was trained in"):
        train(config, make_data(), out)


def test_a_network_without_a_layer_of_the_first_is_refused(config_of):
    """As one that leaves names to Keras, which counts on."""
    pretrained = keras.Sequential([keras.Input((None, 64)), keras.layers.Dense(3, name="dense_1")])
    with pytest.raises(InputError, match="does not have layer dense_1 of the first training"):
        build_model(phases(config_of())[1], 4, 1, pretrained)
