"""Stage 3 through its command line, with small networks that honour a mask."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from speaker_bases.evaluate.embed import main
from speaker_bases.kaldi_feats.kinds.record import feature_settings
from speaker_bases.kaldi_feats.reader import read_vectors
from speaker_bases.lock import locked
from speaker_bases.models.resnet import Backbone, ResNetTable, resnet34

SMALL_RESNET = ResNetTable(
    conv1_filters=2,
    conv1_strides=(1, 1),
    stage_filters=(2, 3, 4, 5),
    stage_blocks=(1, 1, 1, 1),
    stage_strides=((1, 1), (2, 2), (2, 2), (2, 2)),
    dense_units=None,
)


def mean_network(bins=8):
    """Mean over the frames, then a matrix: what comes out can be computed by hand."""
    features = keras.Input((None, bins))
    pooled = keras.layers.GlobalAveragePooling1D()(features)
    return Backbone(features, keras.layers.Dense(3, use_bias=False, name="dense")(pooled))


@pytest.fixture
def trained(corpus, make_system):
    """A corpus with features and a system; call it for main()'s exit code."""
    corpus.write_features()
    system = make_system(features=feature_settings(corpus.test))
    network = mean_network()
    network.save(system.embedder)

    def run(*more):
        arguments = ["--run", system.path, "--data-dir", corpus.test, *more]
        return main([str(argument) for argument in arguments])

    run.corpus, run.system = corpus, system
    run.kernel = network.get_layer("dense").get_weights()[0]
    return run


@pytest.mark.parametrize("batch_frames", [1, 300, 20_000])
def test_every_utterance_whole(trained, batch_frames):
    assert trained("--batch-frames", batch_frames) == 0
    utterances, embeddings = read_vectors(trained.system.embeddings("test"))
    assert utterances == trained.corpus.utterances
    for utterance, embedding in zip(utterances, embeddings, strict=True):
        expected = trained.corpus.features[utterance].astype(float).mean(axis=0) @ trained.kernel
        np.testing.assert_allclose(embedding, expected, atol=1e-5)


def test_the_papers_network_does_not_see_the_rest_of_the_batch(make_corpus, make_system):
    keras.utils.set_random_seed(0)
    corpus = make_corpus(speakers=2, per_speaker=2)
    rng = np.random.default_rng(1)
    corpus.utterances = corpus.utterances[:3]
    lengths = {u: n for u, n in zip(corpus.utterances, (17, 64, 41), strict=True)}
    corpus.write_features(lengths=lengths)
    wide = {u: rng.normal(size=(n, 64)).astype(np.float32) for u, n in lengths.items()}
    corpus.write_features(lengths=lengths, **wide)
    network = resnet34(SMALL_RESNET)
    system = make_system(features=feature_settings(corpus.test))
    network.save(system.embedder)
    assert main(["--run", str(system.path), "--data-dir", str(corpus.test)]) == 0
    utterances, embeddings = read_vectors(system.embeddings("test"))
    for utterance, embedding in zip(utterances, embeddings, strict=True):
        alone = np.asarray(network(wide[utterance][None]))[0]
        np.testing.assert_allclose(embedding, alone, rtol=1e-4, atol=1e-5)


def test_the_sets_name(trained):
    assert trained("--name", "train") == 0
    assert trained.system.embeddings("train").is_file()
    assert not trained.system.embeddings("test").exists()


def test_does_nothing_when_current_and_redoes_when_not(trained):
    assert trained() == 0
    scp = trained.system.embeddings("test")
    before = scp.with_suffix(".ark").stat().st_mtime_ns
    assert trained() == 0
    assert scp.with_suffix(".ark").stat().st_mtime_ns == before
    first = read_vectors(scp)[1]
    network = mean_network()
    network.save(trained.system.embedder)
    assert trained() == 0
    assert np.abs(read_vectors(scp)[1] - first).max() > 1e-3


def fails(trained, capsys, *more) -> str:
    assert trained(*more) == 1
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert not trained.system.embeddings("test").exists()
    return error


def test_features_with_other_settings(trained, capsys):
    trained.corpus.write_fbank_conf(bins=40)
    error = fails(trained, capsys)
    assert "num-mel-bins=40" in error and "num-mel-bins=8" in error


def test_features_without_record_of_their_settings(trained, capsys):
    (trained.corpus.test / "fbank.conf").unlink()
    assert "fbank.conf" in fails(trained, capsys)


def test_silence_is_warned_of(trained, caplog):
    same = {name: np.full((30, 8), 0.5, np.float32) for name in ("spk1-u0", "spk2-u1")}
    trained.corpus.write_features(**same)
    assert trained() == 0
    (warning,) = (r.getMessage() for r in caplog.records if r.levelname == "WARNING")
    assert "without energy (digital silence?) of 2 utterances: spk1-u0, spk2-u1;" in warning


def test_one_at_a_time(trained, capsys):
    with locked(trained.system.lock, "training it"):
        assert "is training it" in fails(trained, capsys)
    left = trained.system.embeddings("test").parent / ".test.ark.0123.tmp"
    left.parent.mkdir()
    left.touch()
    assert trained() == 0 and not left.exists()


def test_nan_in_the_features(trained, capsys):
    bad = np.ones((30, 8), np.float32)
    bad[10, 3] = np.nan
    trained.corpus.write_features(**{"spk2-u1": bad})
    error = fails(trained, capsys)
    assert "feats.scp:8: spk2-u1" in error and "NaN" in error


def test_a_truncated_ark_leaves_no_embeddings_not_even_the_old(trained, capsys):
    assert trained() == 0
    trained.corpus.write_features(seed=1)
    ark = trained.corpus.test / "feats.ark"
    ark.write_bytes(ark.read_bytes()[:-1000])
    assert "feats.scp:12: spk3-u2" in fails(trained, capsys)


def test_a_system_that_is_not_trained(trained, capsys):
    trained.system.embedder.unlink()
    assert "embedder.keras: missing" in fails(trained, capsys)
    trained.system.config.unlink()
    assert "config.yaml: missing" in fails(trained, capsys)


def test_a_broken_embedder(trained, capsys):
    trained.system.embedder.write_bytes(b"PK not a zip")
    assert "embedder.keras: Keras cannot load" in fails(trained, capsys)


def test_a_broken_config(trained, capsys):
    trained.system.config.write_text("system: softmax\nseed: [0\n")
    assert "config.yaml:3: not YAML" in fails(trained, capsys)
    trained.system.config.write_text("system: softmax\n")
    assert "lacks seed, loss, features" in fails(trained, capsys)


def test_a_network_that_diverged(trained, capsys):
    network = mean_network()
    network.set_weights([np.full((8, 3), np.nan)])
    network.save(trained.system.embedder)
    assert "spk" in (error := fails(trained, capsys)) and "diverged" in error


def test_batch_frames_must_be_positive(trained):
    with pytest.raises(SystemExit) as stop:
        trained("--batch-frames", "0")
    assert stop.value.code == 2


def test_on_jax(trained):
    """A fresh process on the other backend, without tensorflow in it."""
    pytest.importorskip("jax")
    program = (
        "import sys; from speaker_bases.evaluate.embed import main; code = main(sys.argv[1:]); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    arguments = ["--run", trained.system.path, "--data-dir", trained.corpus.test, "--name", "jax"]
    subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        check=True,
    )
    assert trained() == 0
    on_jax, here = (read_vectors(trained.system.embeddings(s))[1] for s in ("jax", "test"))
    np.testing.assert_allclose(on_jax, here, atol=1e-5)
