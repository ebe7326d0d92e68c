"""PLDA as a back-end, through stage 4's command."""

import json

import numpy as np
import pytest

from speaker_bases.evaluate.backends.plda.files import read_plda, write_plda
from speaker_bases.evaluate.score import main
from speaker_bases.evaluate.scoring.two_covariance import Plda
from speaker_bases.evaluate.stamps import why_stale
from speaker_bases.evaluate.trial_list import load_trial_list
from speaker_bases.files import digest
from speaker_bases.kaldi_feats.data_dir import write_table
from speaker_bases.kaldi_feats.object_writer import write_array
from speaker_bases.kaldi_feats.objects import read_matrix, read_vector
from speaker_bases.kaldi_feats.reader import read_vectors

DIM = 6


@pytest.fixture
def scored(corpus, make_system):
    """A system with embeddings of test and train; call it for main()'s code."""
    system = make_system()
    draws = np.random.default_rng(0)

    def train_on(speakers=8, per_speaker=4, dim=DIM, noise=0.5):
        utt2spk = {f"t{s}-{u}": f"t{s}" for s in range(speakers) for u in range(per_speaker)}
        write_table(corpus.path / "train" / "utt2spk", utt2spk)
        voices = {speaker: draws.normal(size=dim) for speaker in utt2spk.values()}
        system.write_embeddings(
            "train", {u: voices[s] + noise * draws.normal(size=dim) for u, s in utt2spk.items()}
        )
        system.configure(speakers=sorted(voices))

    def test_on(dim=DIM):
        system.write_embeddings("test", {u: draws.normal(size=dim) for u in corpus.utterances})

    def run(*settings):
        words = ["--run", system.path, "--data-dir", corpus.test, "--backend", "plda"]
        words += [word for setting in settings for word in ("--set", setting)]
        return main([str(word) for word in words])

    train_on()
    test_on()
    run.corpus, run.system, run.train_on, run.test_on = corpus, system, train_on, test_on
    return run


def scores_of(scored):
    path = scored.system.scores("synthetic", "plda")
    return np.array([float(line.split()[2]) for line in path.read_text().splitlines()])


def test_scores_are_those_of_the_files_that_it_leaves(scored):
    assert scored("lda_dim=3", "smoothing=0.25") == 0
    system = scored.system
    mean, lda = read_vector(system.plda_mean), read_matrix(system.plda_lda)
    plda = read_plda(system.plda)
    assert (mean.shape, lda.shape, plda.psi.shape) == ((DIM,), (3, DIM + 1), (3,))
    assert len(scores_of(scored)) == len(scored.corpus.all_pairs())
    before = scores_of(scored)
    kept = scored.corpus.path / "kaldi"
    for name, array in (("mean.vec", mean), ("lda.mat", lda)):
        write_array(kept / name, array, binary=False)
    write_plda(kept / "plda", plda, binary=False)
    given = {"plda": "plda", "lda": "lda.mat", "mean": "mean.vec"}
    assert scored(*(f"{what}_file={kept / name}" for what, name in given.items())) == 0
    np.testing.assert_array_equal(scores_of(scored), before)
    assert scored(f"plda_file={kept / 'plda'}") == 1  # of 3 dimensions, and without its LDA


def test_a_rerun_does_nothing_until_something_changes(scored):
    def trained():
        assert scored() == 0
        return digest(scored.system.plda), scored.system.plda.stat().st_mtime_ns

    first = trained()
    assert trained() == first
    scored.train_on()
    second = trained()
    assert second[0] != first[0]
    scored.system.plda_lda.write_bytes(b"damaged")
    third = trained()
    assert third[0] == second[0] and third[1] != second[1]
    assert read_matrix(scored.system.plda_lda).shape == (3, DIM + 1)


@pytest.mark.parametrize(
    "setting",
    [
        "lda_dim=2",
        "lda=false",
        "total_covariance_factor=0.5",
        "iterations=2",
        "smoothing=0.5",
        "simple_length_normalization=true",
    ],
)
def test_every_setting_counts_and_makes_scores_stale(scored, setting):
    assert scored() == 0
    before = scores_of(scored)
    trials = load_trial_list(scored.corpus.test, "synthetic")
    assert why_stale(scored.system, trials, "plda") is None
    assert scored(setting) == 0
    assert not np.allclose(scores_of(scored), before)
    assert scored.system.plda_lda.exists() == (setting != "lda=false")
    scored.system.plda_done.write_text(scored.system.plda_done.read_text() + " ")
    assert "back-end" in why_stale(scored.system, trials, "plda")


def test_a_run_without_its_training_embeddings_is_scored_by_the_model_it_has(scored, capsys):
    assert scored() == 0
    before = scores_of(scored)
    scored.system.embeddings("train").unlink()
    assert scored() == 0
    np.testing.assert_array_equal(scores_of(scored), before)
    assert scored("iterations=3") == 1  # but not by a model of other settings
    assert "embeddings/train.scp: missing; run stage 3 first" in capsys.readouterr().err


def refused(scored, capsys, *settings) -> str:
    assert scored(*settings) == 1
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert not scored.system.plda.exists() and not scored.system.plda_done.exists()
    assert not scored.system.scores("synthetic", "plda").exists()
    return error


def test_what_the_training_set_does_not_carry_is_refused(scored, capsys):
    scored.train_on(per_speaker=1)
    assert "train.scp: one utterance for each of 8 speakers" in refused(scored, capsys)
    scored.train_on(speakers=1, per_speaker=20)
    assert "embeddings of one speaker" in refused(scored, capsys, "lda=false")
    scored.train_on()
    error = refused(scored, capsys, "lda_dim=7")
    assert "LDA to 7 dimensions, and 8 speakers and embeddings of 6 numbers carry 6" in error
    scored.train_on(speakers=4)
    assert "carry 3; lower --set lda_dim=" in refused(scored, capsys, "lda_dim=4")
    scored.train_on(speakers=2, per_speaker=2)
    assert "4 embeddings of 6 numbers are too few" in refused(scored, capsys)
    assert "PLDA is of 6" in refused(scored, capsys, "lda=false")
    scored.train_on(noise=0.0)
    assert "the utterances of a speaker do not differ" in refused(scored, capsys)


def test_an_element_that_never_moves_is_no_harm_until_it_is(scored, capsys):
    scored.train_on()
    name = scored.system.embeddings("train")
    utterances, rows = read_vectors(name)
    rows[:, 2] = 0.5
    scored.system.write_embeddings("train", dict(zip(utterances, rows, strict=True)))
    error = refused(scored, capsys, "lda=false", "iterations=5000")
    assert "the covariance within speakers is singular" in error
    for settings in ([], ["lda=false"]):
        assert scored(*settings) == 0
        assert np.isfinite(scores_of(scored)).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("lda=maybe", "lda takes a value of type bool"),
        ("lda_dim=-1", "must be 0 or more"),
        ("iterations=0", "must be 1 or more"),
        ("smoothing=1.5", "must be from 0 to 1"),
        ("total_covariance_factor=nan", "must be from 0 to 1"),
        ("lda_file=lda.mat", "go with plda_file="),
        ("plda_file=nowhere/plda", "nowhere/plda: no such file; correct --set plda_file="),
        ("speed=3", "the settings of plda are lda, lda_dim"),
    ],
)
def test_a_wrong_setting_is_refused(scored, capsys, setting, message):
    assert message in refused(scored, capsys, setting)


def test_files_that_do_not_belong_together_are_refused(scored, capsys, tmp_path):
    plda = Plda(np.zeros(4), np.eye(4), np.ones(4))
    write_plda(tmp_path / "plda", plda)
    given = f"plda_file={tmp_path / 'plda'}"
    write_array(tmp_path / "lda.mat", np.ones((3, DIM)))
    lda = f"lda_file={tmp_path / 'lda.mat'}"
    assert "a model of 4 dimensions, and there are 3" in refused(scored, capsys, given, lda)
    write_array(tmp_path / "mean.vec", np.ones(9))
    mean = f"mean_file={tmp_path / 'mean.vec'}"
    error = refused(scored, capsys, given, lda, mean)
    assert "its LDA has 6 columns, and the embeddings 9 numbers" in error
    (tmp_path / "plda").write_bytes((tmp_path / "plda").read_bytes()[:-40])
    assert f"{tmp_path / 'plda'}: not a PLDA model of Kaldi's: at byte" in refused(
        scored, capsys, given
    )


def test_embeddings_of_another_length_are_refused(scored, capsys):
    scored.test_on(dim=5)
    assert scored() == 1
    assert "its mean has 6 numbers, and the embeddings have 5" in capsys.readouterr().err


def test_another_training_set_is_refused(scored, capsys):
    scored.system.configure(speakers=("t0", "t1"))
    assert "train.scp:9: t2-0 is of t2, none of the speakers" in refused(scored, capsys)


def test_embeddings_of_an_earlier_network_are_refused(scored, capsys):
    scored.system.embedder.write_bytes(b"a network")
    scored.system.embeddings_done("train").write_text(json.dumps({"made_by": "another"}))
    assert "train.scp: embedded by an earlier network; run stage 3" in refused(scored, capsys)


def test_interrupted_it_is_trained_again(scored, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    assert scored() == 0
    name = "speaker_bases.evaluate.backends.plda.fitting.write_array"
    monkeypatch.setattr(name, interrupt)
    assert scored("iterations=3") == 130
    assert not scored.system.plda_done.exists()
    monkeypatch.undo()
    assert scored("iterations=3") == 0
