"""b-vector scoring through stage 4's command."""

import json

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.backends.bvector.network import bvector
from speaker_bases.evaluate.backends.bvector.scoring import load_bvector
from speaker_bases.evaluate.score import main
from speaker_bases.evaluate.stamps import why_stale
from speaker_bases.evaluate.trial_list import load_trial_list
from speaker_bases.files import digest

DIM = 5


@pytest.fixture
def scored(corpus, make_system):
    """A system with embeddings and a back-end of random weights; call it for main()'s code."""
    system = make_system(backend="bvector")
    draws = np.random.default_rng(0)
    vectors = {u: draws.normal(size=DIM).astype(np.float32) for u in corpus.utterances}
    system.write_embeddings("test", vectors)
    system.embedder.write_bytes(b"a network")

    def install(dim=DIM):
        model = bvector(draws.normal(size=dim), draws.uniform(0.5, 2, dim), units=7)
        model.save(system.bvector)
        system.bvector_done.write_text(json.dumps({"embedder": digest(system.embedder)}))
        return model

    def run(*more):
        words = ["--run", system.path, "--data-dir", corpus.test, "--list", "synthetic", *more]
        return main([str(word) for word in words])

    run.install, run.model = install, install()
    run.corpus, run.system, run.vectors = corpus, system, vectors
    return run


def read(path) -> dict:
    rows = (line.split() for line in path.read_text().splitlines())
    return {(enrol, test): float(score) for enrol, test, score in rows}


def test_the_systems_own_back_end_is_the_default(scored):
    assert scored() == 0
    assert scored.system.scores("synthetic", "bvector").is_file()
    assert not scored.system.scores("synthetic", "cosine").exists()
    assert scored("--backend", "cosine") == 0
    assert scored.system.scores("synthetic", "cosine").is_file()


def test_scores_are_the_mean_log_odds_of_both_orders(scored):
    both = [(a, b) for a, b in scored.corpus.all_pairs()]
    scored.corpus.write_trials("synthetic", both + [(b, a) for a, b in both])
    assert scored() == 0
    scores = read(scored.system.scores("synthetic", "bvector"))
    assert len(scores) == 2 * len(both)

    def log_odds(a, b):
        pair = [scored.vectors[u][None] for u in (a, b)]
        different, same = scored.model.predict(pair, verbose=0)[0]
        return float(same - different)

    for a, b in both[:10]:
        assert log_odds(a, b) != pytest.approx(log_odds(b, a), rel=1e-3)
        expected = (log_odds(a, b) + log_odds(b, a)) / 2
        assert scores[a, b] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert all(scores[a, b] == scores[b, a] for a, b in both)


def test_scores_are_redone_when_the_back_end_is_another(scored):
    assert scored() == 0
    before = read(scored.system.scores("synthetic", "bvector"))
    trials = load_trial_list(scored.corpus.test, "synthetic")
    assert why_stale(scored.system, trials, "bvector") is None
    scored.install()
    assert "back-end" in why_stale(scored.system, trials, "bvector")
    assert scored() == 0
    assert read(scored.system.scores("synthetic", "bvector")) != before


def refused(scored, capsys) -> str:
    assert scored() == 1
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert not scored.system.scores("synthetic", "bvector").exists()
    return error


def test_a_missing_back_end_is_refused(scored, capsys):
    scored.system.bvector_done.unlink()  # its training was interrupted
    assert "embeddings/train.scp: missing; run stage 3 first" in refused(scored, capsys)
    with pytest.raises(InputError, match="no complete b-vector back-end; run stage 4"):
        load_bvector(scored.system)


def test_a_back_end_of_another_network_is_refused(scored, capsys):
    scored.system.embedder.write_bytes(b"trained again")
    assert "was trained on an earlier network" in refused(scored, capsys)


def test_a_back_end_of_other_dimensions_is_refused(scored, capsys):
    scored.install(dim=6)
    assert "of 6 numbers, and these have 5" in refused(scored, capsys)
