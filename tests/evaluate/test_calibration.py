"""Log-likelihood ratios from scores, against plain loops, and the tool that fits them to a run."""

import json
import math

import numpy as np
import pytest
from scipy.optimize import minimize

from speaker_bases.error_rates import min_dcf
from speaker_bases.evaluate.calibrate import judged, main
from speaker_bases.evaluate.calibration import (
    actual_dcf,
    cllr,
    fit_calibration,
    held_out_llrs,
    min_cllr,
)
from speaker_bases.evaluate.calibration_file import is_calibration, read_calibration
from speaker_bases.evaluate.score import main as score
from speaker_bases.evaluate.score_file import read_scores
from speaker_bases.evaluate.trial_list import load_trial_list
from tests.fuzzing import damaged, value_or_refusal


def gaussian(targets=400, nontargets=2000, distance=2.0, seed=0):
    """Scores of two normal distributions of one width: the true ratio is linear in the score."""
    rng = np.random.default_rng(seed)
    is_target = np.arange(targets + nontargets) < targets
    return rng.normal(size=len(is_target)) + distance * is_target, is_target


def test_cllr_by_a_loop():
    scores, is_target = gaussian(20, 50)
    total = [0.0, 0.0]
    for llr, target in zip(scores.tolist(), is_target.tolist(), strict=True):
        total[target] += math.log2(1 + math.exp(-llr if target else llr))
    assert cllr(scores, is_target) == pytest.approx((total[1] / 20 + total[0] / 50) / 2, rel=1e-12)
    assert cllr(np.zeros(70), is_target) == pytest.approx(1.0)
    assert cllr(np.where(is_target, 50.0, -50.0), is_target) < 1e-12


def test_min_cllr_is_below_every_rising_function_and_attained_by_one():
    scores, is_target = gaussian(60, 90)
    least = min_cllr(scores, is_target)
    for scale in (0.3, 1.0, 2.0, 4.0):
        for offset in (-4.0, -2.0, 0.0):
            assert least <= cllr(scale * scores + offset, is_target)
    assert least == min_cllr(np.exp(scores), is_target)
    assert min_cllr([1.0, 2.0, 3.0, 4.0], [False, False, True, True]) == 0.0
    # Two bins that PAV has to merge: one target among two, so that nothing is said.
    assert min_cllr([1.0, 2.0], [True, False]) == pytest.approx(1.0)
    # Of equal scores the ratio is that of their counts: 2 : 1 over 3 : 3 there, 1 : 2 here.
    tied = min_cllr([0, 0, 0, 1, 1, 1], [True, False, False, True, True, False])
    by_hand = cllr(np.log([0.5, 0.5, 0.5, 2, 2, 2]), [True, False, False, True, True, False])
    assert tied == pytest.approx(by_hand)


def test_actual_cost_by_a_loop():
    llrs, is_target = gaussian(30, 70)
    for prior, c_miss, c_fa in ((0.01, 1.0, 1.0), (0.5, 1.0, 1.0), (0.05, 10.0, 2.0)):
        threshold = math.log(c_fa * (1 - prior) / (c_miss * prior))
        cost = 0.0
        for llr, target in zip(llrs, is_target, strict=True):
            if target and llr < threshold:
                cost += c_miss * prior / 30
            if not target and llr >= threshold:
                cost += c_fa * (1 - prior) / 70
        normalised = cost / min(c_miss * prior, c_fa * (1 - prior))
        assert actual_dcf(llrs, is_target, prior, c_miss, c_fa) == pytest.approx(normalised)
        assert min_dcf(llrs, is_target, prior, c_miss, c_fa) <= normalised + 1e-12


@pytest.mark.parametrize("prior", [0.5, 0.01])
def test_the_fit_is_the_minimum_of_its_equation(prior):
    scores, is_target = gaussian(80, 300, seed=3)

    def loss(parameters):
        logits = parameters[0] * scores + parameters[1] + math.log(prior / (1 - prior))
        targets = np.logaddexp(0, -logits[is_target]).mean()
        return prior * targets + (1 - prior) * np.logaddexp(0, logits[~is_target]).mean()

    fitted = fit_calibration(scores, is_target, prior)
    best = minimize(loss, [1.0, 0.0], method="BFGS", tol=1e-12)
    np.testing.assert_allclose([fitted.scale, fitted.offset], best.x, rtol=1e-3)
    assert loss([fitted.scale, fitted.offset]) <= best.fun + 1e-7


def test_the_ratio_of_two_normal_distributions_is_found():
    """log N(s; 2, 1) - log N(s; 0, 1) = 2 s - 2."""
    fitted = fit_calibration(*gaussian(20_000, 20_000))
    assert fitted.scale == pytest.approx(2.0, rel=0.03)
    assert fitted.offset == pytest.approx(-2.0, rel=0.03)


def test_scores_that_mean_the_opposite_are_refused():
    scores, is_target = gaussian()
    with pytest.raises(ValueError, match="higher scores"):
        fit_calibration(-scores, is_target)


def test_perfect_scores_have_a_finite_fit():
    fitted = fit_calibration([0.0, 0.1, 0.9, 1.0], [False, False, True, True])
    assert 0 < fitted.scale < 1e4 and math.isfinite(fitted.offset)


def test_no_trial_is_judged_by_its_own_speakers():
    rng = np.random.default_rng(0)
    enrol, test = rng.integers(0, 30, (2, 3000))
    is_target = enrol == test
    scores = rng.normal(size=3000) + 2 * is_target
    llrs = held_out_llrs(scores, is_target, enrol, test)
    assert np.isfinite(llrs).all()
    # Other scores of one speaker change the ratios of trials without any of the speaker's group.
    changed = scores + np.where((enrol == 0) | (test == 0), 5.0, 0.0)
    moved = held_out_llrs(changed, is_target, enrol, test) != llrs
    group_of_0 = {int(s) for s in range(30)} - {
        int(s)
        for pair in zip(
            enrol[moved & (enrol != 0) & (test != 0)],
            test[moved & (enrol != 0) & (test != 0)],
            strict=True,
        )
        for s in pair
    }
    assert 0 in group_of_0 and len(group_of_0) == 6


@pytest.fixture
def scored(make_corpus, make_system):
    """A run whose embeddings tell 12 speakers apart, scored on a list of all pairs."""
    corpus = make_corpus(speakers=12, per_speaker=4)
    rng = np.random.default_rng(0)
    voices = rng.normal(size=(12, 16))
    system = make_system()
    system.write_embeddings(
        "test",
        {u: voices[int(s[3:])] + 1.2 * rng.normal(size=16) for u, s in corpus.utt2spk.items()},
    )
    arguments = ["--run", str(system.path), "--data-dir", str(corpus.test)]
    assert score(arguments) == 0

    def run(*more):
        return main([*arguments, *more])

    run.corpus, run.system, run.arguments = corpus, system, arguments
    return run


def test_a_runs_calibration_and_what_it_costs(scored):
    assert scored("--list", "synthetic") == 0
    found = json.loads(scored.system.calibration("synthetic", "cosine").read_text())
    assert found["scale"] > 0 and found["learnt_from"]["trials"] == 48 * 47 // 2
    figures = judged(scored.system, "synthetic", "cosine")
    assert 0 < figures["min_cllr"] <= figures["cllr"] < 1
    assert figures["min_dcf_0.01"] <= figures["act_dcf_0.01"]


def test_scores_that_have_changed_are_not_those_that_were_calibrated(scored, capsys):
    assert scored("--list", "synthetic") == 0
    path = scored.system.scores("synthetic")
    path.write_text(path.read_text().replace(" 0.", " 0.0", 1))
    assert judged(scored.system, "synthetic", "cosine") == {}
    assert scored("--list", "synthetic") == 1
    assert "run stage 4 again" in capsys.readouterr().err


def test_a_second_list_must_be_of_other_speakers(scored, capsys, caplog):
    pairs = scored.corpus.all_pairs()

    def of(first, last):
        names = {u for u, s in scored.corpus.utt2spk.items() if first <= int(s[3:]) < last}
        return [(a, b) for a, b in pairs if a in names and b in names]

    for name, some in (("one", of(0, 6)), ("other", of(6, 12)), ("both", of(3, 9))):
        scored.corpus.write_trials(name, some)
    assert score(scored.arguments) == 0
    caplog.set_level("INFO")
    assert scored("--list", "one", "--test-list", "other") == 0
    found = judged(scored.system, "other", "cosine")
    assert found and not judged(scored.system, "one", "cosine")
    about = read_calibration(scored.system.calibration("one", "cosine"))
    assert about["judged_on"]["list"] == "other" and found["eer_low"] <= found["eer"]
    trials = load_trial_list(scored.corpus.test, "other")
    values = read_scores(scored.system.scores("other"), trials.trials, trials.path)
    for name, threshold in about["thresholds"].items():
        accepted = [value >= threshold for value in values]
        wrong = [a for a, target in zip(accepted, trials.is_target, strict=True) if not target]
        missed = [not a for a, target in zip(accepted, trials.is_target, strict=True) if target]
        rates = found["at_thresholds"][name]
        assert rates["false_accept"] == pytest.approx(sum(wrong) / len(wrong))
        assert rates["false_reject"] == pytest.approx(sum(missed) / len(missed))
    assert "other: at the threshold eer of one" in caplog.text
    capsys.readouterr()
    assert scored("--list", "one", "--test-list", "both") == 1
    error = capsys.readouterr().err
    assert "3 of its speakers (spk3, spk4, spk5) are in" in error and error.count("\n") == 1


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"scale": -1, "offset": 0}', '{"scale": "x"}'])
def test_a_damaged_calibration_does_not_count(scored, text, caplog):
    path = scored.system.calibration("synthetic", "cosine")
    path.parent.mkdir()
    path.write_text(text)
    assert judged(scored.system, "synthetic", "cosine") == {}
    assert f"{path}: damaged" in caplog.text


def test_damaged_files_are_refused_or_whole(scored):
    assert scored("--list", "synthetic") == 0
    path = scored.system.calibration("synthetic", "cosine")
    whole = path.read_bytes()
    for data, _ in damaged(path, [whole]):
        about = value_or_refusal(lambda: read_calibration(path), path, data)
        assert about is None or is_calibration(about)


@pytest.mark.parametrize("prior", ["0", "1", "x", "nan"])
def test_a_prior_is_a_probability(scored, prior, capsys):
    with pytest.raises(SystemExit, match="2"):
        scored("--list", "synthetic", "--prior", prior)
    assert "is not a number between 0 and 1" in capsys.readouterr().err
