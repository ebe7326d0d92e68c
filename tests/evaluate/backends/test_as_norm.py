"""Adaptive score normalisation against a loop over the trials, and its cohorts in a run."""

import keras
import numpy as np
import pytest

from speaker_bases.evaluate.score import main as score
from speaker_bases.evaluate.scoring.as_norm import as_norm
from speaker_bases.kaldi_feats.data_dir import write_table
from speaker_bases.kaldi_feats.reader import read_vectors
from speaker_bases.losses import SpeakerBases


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def by_a_loop(embeddings, enrol, test, cohort, top):
    scores = []
    for e, t in zip(enrol, test, strict=True):
        s = unit(embeddings[e].astype(float)) @ unit(embeddings[t].astype(float))
        total = 0.0
        for side in (e, t):
            nearest = sorted(unit(embeddings[side].astype(float)) @ c for c in cohort)[-top:]
            mean = sum(nearest) / top
            std = (sum((x - mean) ** 2 for x in nearest) / top) ** 0.5
            total += (s - mean) / std
        scores.append(total / 2)
    return scores


@pytest.mark.parametrize("top", [2, 7, 40])
def test_equals_a_loop(top, monkeypatch):
    monkeypatch.setattr("speaker_bases.evaluate.scoring.as_norm._BLOCK_VALUES", 100)
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(20, 6)).astype(np.float32)
    cohort = unit(rng.normal(size=(40, 6)))
    enrol, test = rng.integers(0, 20, (2, 50))
    found = as_norm(embeddings, enrol, test, cohort, top)
    np.testing.assert_allclose(found, by_a_loop(embeddings, enrol, test, cohort, top), atol=1e-6)
    np.testing.assert_array_equal(found, as_norm(embeddings, test, enrol, cohort, top))


@pytest.fixture
def run(corpus, make_system):
    """A scored run with bases and embeddings of its three training speakers; call it to score."""
    rng = np.random.default_rng(0)
    speakers = ("train0", "train1", "train2")
    system = make_system(speakers=speakers)
    system.write_embeddings("test", {u: rng.normal(size=4) for u in corpus.utterances})
    utt2spk = {f"{s}-{u}": s for s in speakers for u in range(2)}
    write_table(corpus.path / "train" / "utt2spk", utt2spk)
    system.write_embeddings("train", {u: rng.normal(size=4) for u in utt2spk})
    inputs = keras.Input((4,))
    keras.Model(inputs, SpeakerBases(3, name="bases")(inputs)).save(system.model)

    def run(*more):
        return score(["--run", str(system.path), "--data-dir", str(corpus.test), *more])

    run.system, run.corpus = system, corpus
    return run


def test_the_bases_are_the_cohort(run):
    assert run("--backend", "as-norm-bases") == 0
    model = keras.saving.load_model(run.system.model)
    cohort = unit(np.asarray(model.get_layer("bases").bases, dtype=float).T)
    check(run, "as-norm-bases", cohort)


def test_bases_of_dot_products_are_warned_of(run, caplog):
    run.system.write_config(run.system.read_config() | {"similarity": "dot"})
    assert run("--backend", "as-norm-bases") == 0
    assert "trained on dot products" in caplog.text


def test_the_means_of_unit_embeddings_are_the_cohort(run):
    assert run("--backend", "as-norm-means") == 0
    _, embeddings = read_vectors(run.system.embeddings("train"))
    check(run, "as-norm-means", unit(unit(embeddings.astype(float)).reshape(3, 2, 4).mean(axis=1)))


def check(run, backend, cohort):
    utterances, embeddings = read_vectors(run.system.embeddings("test"))
    rows = [line.split() for line in run.system.scores("synthetic", backend).open()]
    enrol, test = ([utterances.index(row[side]) for row in rows] for side in (0, 1))
    expected = by_a_loop(embeddings, enrol, test, cohort, 3)
    np.testing.assert_allclose([float(row[2]) for row in rows], expected, atol=1e-5)


def test_another_number_of_impostors_is_another_score(run):
    assert run("--backend", "as-norm-bases") == 0
    path = run.system.scores("synthetic", "as-norm-bases")
    before = path.read_text()
    assert run("--backend", "as-norm-bases", "--set", "top=2") == 0
    assert path.read_text() != before


@pytest.mark.parametrize("backend", ["as-norm-bases", "as-norm-means"])
def test_what_is_missing_or_wrong_is_one_line(run, backend, capsys):
    assert run("--backend", backend, "--set", "top=1") == 1
    assert "nearest 2 or more impostors" in capsys.readouterr().err
    run.system.model.unlink()
    run.system.embeddings("train").with_suffix(".ark").unlink()
    assert run("--backend", backend) == 1
    error = capsys.readouterr().err
    gone = "model.keras: missing" if backend == "as-norm-bases" else "train.ark is not there"
    assert gone in error and error.count("\n") == 1
    assert not run.system.scores("synthetic", backend).exists()


def test_a_damaged_cohort_is_made_again(run):
    assert run("--backend", "as-norm-bases") == 0
    path = run.system.scores("synthetic", "as-norm-bases")
    before = path.read_text()
    run.system.cohort("bases").write_bytes(b"PK")
    path.unlink()
    assert run("--backend", "as-norm-bases") == 0 and path.read_text() == before
