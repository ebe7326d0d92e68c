"""A small calibrated run, with the recordings that it was scored on."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import soundfile
import yaml

from speaker_bases.evaluate.backends import BACKENDS
from speaker_bases.evaluate.calibrate import calibrate
from speaker_bases.evaluate.embed import embed
from speaker_bases.evaluate.score import score
from speaker_bases.kaldi_feats.data_dir import write_data_dir, write_table
from speaker_bases.kaldi_feats.extract import main as extract
from speaker_bases.kaldi_feats.kinds.record import feature_settings
from speaker_bases.kaldi_feats.reader import VectorWriter, read_vectors
from speaker_bases.kaldi_feats.trials import all_pairs, write_trials
from speaker_bases.models import ResNetTable, resnet34
from speaker_bases.run_dir import RunDir
from speaker_bases.verify.models import CARD

TINY = ResNetTable(4, (1, 2), (4, 8), (1, 1), ((1, 1), (2, 2)), None)
RATE = 16000


def voice(speaker: int, utterance: int, seconds: float = 2.5) -> np.ndarray:
    """A buzz through one resonance, which is the speaker's."""
    random = np.random.default_rng((speaker, utterance))
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = 90 + 25 * speaker
    buzz = sum(
        np.exp(-(((k * pitch - 500 - 350 * speaker) / 300) ** 2))
        * np.sin(2 * np.pi * k * pitch * time)
        for k in range(1, 30)
    )
    slow = 1 + 0.5 * np.sin(2 * np.pi * random.uniform(1, 4) * time)
    return 0.1 * buzz * slow + 0.003 * random.normal(size=len(time))


def make_run(folder, root, policy="float32"):
    """Six speakers with four recordings each; the network is as it was initialised."""
    utt2spk, wav_scp = {}, {}
    (folder / "wav").mkdir(parents=True)
    for speaker in range(6):
        for number in range(4):
            name = f"spk{speaker}-{number}"
            wav_scp[name] = str(folder / "wav" / f"{name}.wav")
            soundfile.write(wav_scp[name], voice(speaker, number, 2.0 + 0.4 * number), RATE)
            utt2spk[name] = f"spk{speaker}"
    test = folder / "data" / "test"
    write_data_dir(test, wav_scp, utt2spk)
    write_trials(test / "trials" / "pairs", all_pairs(utt2spk))
    conf = ["--fbank-config", str(root / "conf" / "fbank.conf"), "--nj", "1"]
    assert extract([*conf, str(test)]) == 0
    run = RunDir(folder / "exp" / "tiny" / "seed0")
    run.path.mkdir(parents=True)
    config = {"system": "tiny", "loss": "L_S", "seed": 0, "corpus": "some corpus"}
    config |= {"num_speakers": 2, "features": feature_settings(test)}
    run.config.write_text(yaml.safe_dump(config))
    run.write_speakers(["a", "b"])
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        resnet34(TINY).save(run.embedder)
    finally:
        keras.config.set_dtype_policy("float32")
    embed(run, test)
    score(run, test)
    return SimpleNamespace(run=run, test=test, wav=wav_scp, folder=folder)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, project_root):
    made = make_run(tmp_path_factory.mktemp("verify"), project_root)
    calibrate(made.run, made.test, "pairs", "pairs")
    return made


@pytest.fixture(scope="session")
def backends(tiny):
    """The same run with PLDA and AS-norm, learnt from speakers that resemble those of the test."""
    utterances, embeddings = read_vectors(tiny.run.embeddings("test"))
    random, utt2spk = np.random.default_rng(0), {}
    with VectorWriter(tiny.run.embeddings("train")) as writer:
        for copy in "abc":
            noise = 0.5 * embeddings.std(axis=0) * random.normal(size=embeddings.shape)
            for utterance, vector in zip(utterances, embeddings + noise, strict=True):
                utt2spk[f"{copy}{utterance}"] = f"{copy}{utterance.split('-')[0]}"
                writer.write(f"{copy}{utterance}", vector.astype(np.float32))
    write_table(tiny.folder / "data" / "train" / "utt2spk", utt2spk)
    tiny.run.write_speakers(sorted(set(utt2spk.values())))
    for name in ("plda", "as-norm-means"):
        BACKENDS[name].fit(tiny.run, tiny.folder / "data" / "train", BACKENDS[name].settings)
        score(tiny.run, tiny.test, None, name)
        calibrate(tiny.run, tiny.test, "pairs", "pairs", name)
    return tiny


def with_card(source, path, card):
    """A copy of an exported model with another card."""
    import onnx

    model = onnx.load(source)
    onnx.helper.set_model_props(model, {CARD: json.dumps(card)})
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def onnx_file(tiny):
    pytest.importorskip("tf2onnx", reason="the extra `export` is not installed")
    from speaker_bases.verify.export import export

    path = tiny.folder / "model.onnx"
    export(tiny.run, path)
    return path
