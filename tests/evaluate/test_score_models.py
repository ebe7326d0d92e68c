"""Stage 4 with models of several enrolment utterances, through its command."""

import kaldiio
import numpy as np
import pytest

from speaker_bases.evaluate.compare import main as compare
from speaker_bases.evaluate.reporting.results import collect
from speaker_bases.evaluate.score import main

MODELS = {"m0": ["spk0-u0", "spk0-u1"], "m1": ["spk1-u2"], "m2": ["spk2-u0", "spk2-u1", "spk2-u2"]}


@pytest.fixture
def scored(make_corpus, make_system):
    """A corpus with a list of models, and a system with embeddings; call it for main()'s code."""
    corpus, system = make_corpus(per_speaker=4), make_system()
    rng = np.random.default_rng(0)
    vectors = {u: (rng.normal(size=5) * 9).astype(np.float32) for u in corpus.utterances}
    system.write_embeddings("test", vectors)
    path = corpus.test / "trials" / "models"
    trials = [(model, test) for model in MODELS for test in ("spk0-u3", "spk1-u3", "spk2-u3")]

    def write(models=MODELS):
        labels = ["target" if a[1] == b[3] else "nontarget" for a, b in trials]
        rows = zip(trials, labels, strict=True)
        path.write_text("".join(f"{a} {b} {label}\n" for (a, b), label in rows))
        lines = [f"{model} {' '.join(each)}\n" for model, each in models.items()]
        path.with_name("models.enrol").write_text("".join(lines))

    def run(*more, backend="cosine"):
        words = ["--run", system.path, "--data-dir", corpus.test, "--backend", backend, *more]
        return main([str(word) for word in words])

    write()
    run.write, run.corpus, run.system, run.vectors, run.trials = (
        *(write, corpus, system, vectors, trials),
    )
    return run


def read(path):
    return {tuple(line.split()[:2]): float(line.split()[2]) for line in open(path)}


def unit(vector):
    return vector.astype(np.float64) / np.linalg.norm(vector)


def test_cosine_is_that_of_the_mean_of_unit_embeddings(scored):
    assert scored() == 0
    scores = read(scored.system.scores("models"))
    assert list(scores) == scored.trials
    for (model, test), score in scores.items():
        mean = np.mean([unit(scored.vectors[u]) for u in MODELS[model]], axis=0)
        assert score == pytest.approx(unit(mean) @ unit(scored.vectors[test]), abs=1e-6)
    assert scored.system.scores("synthetic").is_file()  # a list of utterances beside it


def test_euclidean_is_the_distance_from_the_mean(scored):
    assert scored(backend="euclidean") == 0
    scores = read(scored.system.scores("models", "euclidean"))
    assert list(scores) == scored.trials
    for (model, test), score in scores.items():
        mean = np.mean([scored.vectors[u].astype(np.float64) for u in MODELS[model]], axis=0)
        distance = np.linalg.norm(mean - scored.vectors[test])
        assert score == pytest.approx(-distance, abs=1e-6)


def test_another_map_is_scored_again(scored):
    assert scored() == 0
    before = read(scored.system.scores("models"))
    scored.write(MODELS | {"m1": ["spk1-u0", "spk1-u1"]})
    assert scored() == 0
    after = read(scored.system.scores("models"))
    changed = {model for model, test in after if after[model, test] != before[model, test]}
    assert changed == {"m1"}


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"m0": ["spk0-u0"]}, "models:4: the model 'm1' is not in"),
        (MODELS | {"m1": ["spk1-u3"]}, "models:5: the model 'm1' is tested with 'spk1-u3'"),
        (MODELS | {"m1": ["spk1-u9"]}, "models:4: the utterance 'spk1-u9' is not in"),
        (MODELS | {"m1": ["spk1-u0", "spk2-u0"]}, "models.enrol:2: the model 'm1' is made of"),
    ],
)
def test_a_wrong_map_is_refused(scored, capsys, models, message):
    scored.write(models)
    assert scored("--list", "models") == 1
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
    assert not scored.system.scores("models").exists()


def test_embeddings_that_cancel_are_refused(scored, capsys):
    turned = {"spk0-u1": -scored.vectors["spk0-u0"]}
    scored.system.write_embeddings("test", scored.vectors | turned)
    assert scored("--list", "models") == 1
    assert "the model m0: its embeddings cancel one another" in capsys.readouterr().err


def test_models_go_through_the_report_and_the_comparison(scored, capsys):
    assert scored("--list", "models") == 0
    found = collect(scored.corpus.path.parent / "exp", scored.corpus.test, "synthetic")
    assert found.lists["models"]["utterances"] == 9 and found.lists["models"]["speakers"] == 3
    path, test = scored.system.scores("models"), scored.corpus.test
    again = path.with_name("again.txt")
    again.write_bytes(path.read_bytes())
    words = ["--files", f"a={path}", f"b={again}", "--trials", test / "trials" / "models"]
    assert compare([str(word) for word in [*words, "--utt2spk", test / "utt2spk"]]) == 0
    assert "models: 9 trials, 3 speakers" in capsys.readouterr().out


def test_kaldis_scores_of_models_by_plda(kaldi_golden_ivector, make_corpus, make_system):
    """Kaldi's model and vectors through the command: the lists as Kaldi's programs take them."""
    golden, corpus = kaldi_golden_ivector, make_corpus(list_name="unused")
    for name, kaldis in (("utt2spk", "test.utt2spk"), ("trials/multi", "trials_multi")):
        (corpus.test / name).write_bytes((golden / kaldis).read_bytes())
    (corpus.test / "trials" / "multi.enrol").write_bytes((golden / "enrol.spk2utt").read_bytes())
    system = make_system()
    system.write_embeddings("test", dict(kaldiio.load_ark(str(golden / "lda_test.ark"))))
    words = ["--run", system.path, "--data-dir", corpus.test, "--list", "multi"]
    words += ["--backend", "plda", "--set", f"plda_file={golden / 'plda'}"]
    assert main([str(word) for word in words]) == 0
    scores, kaldis = read(system.scores("multi", "plda")), read(golden / "scores_multi.txt")
    assert list(scores) == list(kaldis)
    ours, theirs = np.array(list(scores.values())), np.array(list(kaldis.values()))
    assert (np.abs(ours - theirs) <= 1e-4 + 1e-6 * np.abs(theirs)).all()
