"""Stage 4 through its command line."""

import numpy as np
import pytest

from speaker_bases.evaluate.score import main


@pytest.fixture
def scored(corpus, make_system):
    """A corpus and a system with embeddings; call it for main()'s exit code."""
    system = make_system()
    rng = np.random.default_rng(0)
    vectors = {u: rng.normal(size=5).astype(np.float32) for u in corpus.utterances}
    system.write_embeddings("test", vectors)

    def run(*more, trial_list="synthetic"):
        arguments = ["--run", system.path, "--data-dir", corpus.test, "--list", trial_list, *more]
        return main([str(argument) for argument in arguments])

    run.corpus, run.system, run.vectors = corpus, system, vectors
    return run


def test_writes_every_trials_cosine_in_the_lists_order(scored):
    assert scored() == 0
    lines = scored.system.scores("synthetic").read_text().splitlines()
    assert len(lines) == len(scored.corpus.all_pairs())
    for line, (a, b) in zip(lines, scored.corpus.all_pairs(), strict=True):
        enrol, test, score = line.split()
        va, vb = (scored.vectors[u].astype(float) for u in (a, b))
        assert (enrol, test) == (a, b)
        assert float(score) == pytest.approx(va @ vb / np.linalg.norm(va) / np.linalg.norm(vb))
        assert repr(float(score)) == score


def test_does_nothing_when_current_and_redoes_when_not(scored):
    assert scored() == 0
    path = scored.system.scores("synthetic")
    before = path.stat().st_mtime_ns
    assert scored() == 0
    assert path.stat().st_mtime_ns == before
    path.write_text("damaged\n")
    assert scored() == 0
    assert len(path.read_text().splitlines()) == len(scored.corpus.all_pairs())
    scored.corpus.write_trials("synthetic", scored.corpus.all_pairs()[:7])
    assert scored() == 0
    assert len(path.read_text().splitlines()) == 7
    path.unlink()
    assert scored() == 0
    assert path.is_file()


def test_embeddings_that_another_program_writes_again_are_scored_again(scored):
    assert scored() == 0
    before = scored.system.scores("synthetic").read_text()
    turned = {u: v[::-1] * np.arange(5) for u, v in scored.vectors.items()}
    scored.system.write_embeddings("test", turned)
    assert scored() == 0
    assert scored.system.scores("synthetic").read_text() != before


def test_embeddings_by_another_name(scored):
    scored.system.write_embeddings("other", {u: -v for u, v in scored.vectors.items()})
    assert scored("--embeddings", "other") == 0
    assert scored.system.scores("synthetic").is_file()


def fails(scored, capsys, **options) -> str:
    """The one line that main() leaves on stderr, and no score file."""
    assert scored(**options) == 1
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert not scored.system.scores(options.get("trial_list", "synthetic")).exists()
    return error


def test_a_trial_of_an_unknown_utterance(scored, capsys):
    path = scored.corpus.write_trials("bad", [("spk0-u0", "spk0-u1"), ("spk0-u0", "spk9-u9")])
    error = fails(scored, capsys, trial_list="bad")
    assert f"{path}:2: " in error and "spk9-u9" in error


def test_a_trial_of_an_utterance_without_embedding(scored, capsys):
    del scored.vectors["spk0-u1"]
    scored.system.write_embeddings("test", scored.vectors)
    error = fails(scored, capsys)
    assert "trials/synthetic:1: " in error and "spk0-u1" in error and "test.scp" in error


def test_a_label_that_contradicts_the_speakers(scored, capsys):
    path = scored.corpus.test / "trials" / "bad"
    path.write_text("spk0-u0 spk1-u1 nontarget\nspk0-u0 spk1-u0 target\n")
    error = fails(scored, capsys, trial_list="bad")
    assert f"{path}:2: the label says target" in error
    assert "spk0-u0 and spk1-u0 are of two speakers: so it is on 1 of 2 lines" in error


def test_a_list_of_one_kind_of_trials(scored, capsys):
    path = scored.corpus.write_trials("bad", [("spk0-u0", "spk0-u1"), ("spk0-u0", "spk0-u2")])
    error = fails(scored, capsys, trial_list="bad")
    assert f"{path}: 2 target and 0 nontarget trials; error rates need both" in error


def test_no_such_list_names_those_there_are(scored, capsys):
    assert "there is synthetic" in fails(scored, capsys, trial_list="vox1-o")


def test_a_part_of_an_official_list_is_not_scored_under_its_name(scored, capsys):
    path = scored.corpus.write_trials("vox1-h", scored.corpus.all_pairs())
    error = fails(scored, capsys, trial_list="vox1-h")
    assert f"{path}: 66 trials, and vox1-h has 552,536: it is cut off" in error


def test_missing_embeddings(scored, capsys):
    scored.system.embeddings("test").unlink()
    assert "stage 3" in fails(scored, capsys)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_the_embeddings_ark(scored, capsys, value):
    bad = np.full(5, value, np.float32)
    scored.system.write_embeddings("test", scored.vectors | {"spk1-u0": bad})
    error = fails(scored, capsys)
    assert "test.scp:4: " in error and "spk1-u0" in error


def test_a_zero_embedding(scored, capsys):
    zero = np.zeros(5, np.float32)
    scored.system.write_embeddings("test", scored.vectors | {"spk1-u0": zero})
    error = fails(scored, capsys)
    assert "test.scp:4: " in error and "spk1-u0" in error and "zero" in error


def test_training_speakers_in_the_trials_are_refused(scored, capsys):
    scored.system.configure(speakers=("spk2", "train1"))
    error = fails(scored, capsys)
    assert "1 of its 4 speakers (spk2) are among the training speakers" in error


def test_training_speakers_outside_the_trials_do_not_matter(scored):
    scored.system.configure(speakers=("spk3", "train1"))
    pairs = [(a, b) for a, b in scored.corpus.all_pairs() if "spk3" not in a + b]
    scored.corpus.write_trials("without3", pairs)
    assert scored(trial_list="without3") == 0


def test_a_system_without_its_speakers(scored, capsys):
    scored.system.speakers.unlink()
    assert "speakers.txt: missing" in fails(scored, capsys)


def test_earlier_scores_survive_an_error(scored, capsys):
    assert scored() == 0
    before = scored.system.scores("synthetic").read_bytes()
    scored.system.configure(speakers=("spk2",))
    assert scored() == 1
    assert scored.system.scores("synthetic").read_bytes() == before


def test_an_unknown_back_end_names_those_there_are(scored, capsys):
    assert scored("--backend", "guess") == 1
    error = capsys.readouterr().err
    assert "no such back-end 'guess'; there are cosine, euclidean, bvector" in error


@pytest.mark.parametrize(
    ("setting", "message"),
    [("epochs=many", "epochs takes a value of type int"), ("speed=3", "the settings of bvector")],
)
def test_a_wrong_setting_of_the_back_end_is_refused(scored, capsys, setting, message):
    assert scored("--backend", "bvector", "--set", setting) == 1
    assert message in capsys.readouterr().err


def test_all_lists_are_scored_unless_some_are_named(scored):
    scored.corpus.write_trials("second", scored.corpus.all_pairs()[:7])
    words = ["--run", scored.system.path, "--data-dir", scored.corpus.test]
    assert main([str(word) for word in words]) == 0
    assert len(scored.system.scores("second").read_text().splitlines()) == 7
    assert scored.system.scores("synthetic").is_file()


def test_interrupted_scoring_leaves_no_old_scores(scored, monkeypatch):
    assert scored() == 0
    scored.corpus.write_trials("synthetic", scored.corpus.all_pairs()[:7])

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("speaker_bases.evaluate.score.write_scores", interrupt)
    assert scored() == 130
    assert not scored.system.scores("synthetic").exists()
    monkeypatch.undo()
    assert scored() == 0
    assert len(scored.system.scores("synthetic").read_text().splitlines()) == 7
