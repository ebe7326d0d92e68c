"""Differences of error rates: the bootstrap written out, planted and absent differences, seeds."""

import importlib.util
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from speaker_bases.error_rates import eer, min_dcf
from speaker_bases.evaluate.comparison import compare_systems, holm
from speaker_bases.evaluate.difference import difference
from speaker_bases.evaluate.speaker_draws import SpeakerTrials, drawn_rates

SIMULATION = Path(__file__).parents[2] / "experiments/comparison_simulation.py"


def all_pairs(num_speakers, per_speaker):
    """is_target, enrol and test speakers of all pairs of utterances."""
    speakers = np.repeat(np.arange(num_speakers), per_speaker)
    first, second = np.triu_indices(len(speakers), 1)
    return speakers[first] == speakers[second], speakers[first], speakers[second]


def runs(trials, mean, seeds, rng, spread=0.05):
    """Scores (seeds, trials) of a system whose seeds differ by `spread`."""
    is_target = trials[0]
    means = mean + spread * rng.normal(size=(seeds, 1))
    return means * is_target + rng.normal(size=(seeds, len(is_target)))


def written_out(scores, is_target, enrol, test, drawn):
    """EER and minDCF of the trials between speakers drawn one by one, copies and all."""
    again = []
    for at in range(len(scores)):
        for first in drawn:
            if first == enrol[at] and is_target[at]:
                again.append(at)
            elif first == enrol[at]:
                again += [at for second in drawn if second == test[at]]
    return eer(scores[again], is_target[again]), min_dcf(scores[again], is_target[again], 0.01)


def test_draws_are_the_resampling_written_out():
    is_target, enrol, test = all_pairs(5, 4)
    rng = np.random.default_rng(0)
    scores = np.round(is_target * 1.5 + rng.normal(size=(3, len(enrol))), 1)  # ties
    trials = SpeakerTrials.of(is_target, enrol, test)
    found = drawn_rates(scores, trials, draws=30, seed=4)
    counts = np.random.default_rng(4).multinomial(5, np.full(5, 0.2), size=30)
    counts = counts[(counts > 0).sum(axis=1) > 1]  # one speaker alone has no non-target trials
    assert len(counts) == len(found.eer)
    for draw, times in enumerate(counts):
        drawn = np.repeat(np.arange(5), times)
        for column in range(3):
            expected = written_out(scores[column], is_target, enrol, test, drawn)
            got = found.eer[draw, column], found.min_dcf[draw, column]
            np.testing.assert_allclose(got, expected, atol=1e-12)


def test_blocks_of_draws_change_nothing(monkeypatch):
    trials = SpeakerTrials.of(*all_pairs(6, 3))
    scores = np.random.default_rng(1).normal(size=(2, len(trials.enrol)))
    whole = drawn_rates(scores, trials, 40, seed=0)
    monkeypatch.setattr("speaker_bases.evaluate.speaker_draws._BLOCK", 7 * len(trials.enrol))
    np.testing.assert_array_equal(whole, drawn_rates(scores, trials, 40, seed=0))


def test_variance_is_the_sum_that_the_formulas_say():
    rng = np.random.default_rng(2)
    rates_a, rates_b = np.array([10.0, 11.0, 12.5]), np.array([13.0, 13.5])
    shared = rng.normal(0, 0.5, (400, 1))
    drawn_a = 11 + shared + rng.normal(0, 0.5, (400, 3))
    drawn_b = 13 - shared + rng.normal(0, 0.4, (400, 2))
    found = difference(rates_a, rates_b, drawn_a, drawn_b, num_speakers=20)
    speakers = 20 / 19 * np.var(drawn_a.mean(1) - drawn_b.mean(1))
    seeds, spread = [], speakers**2 / 19
    for rates, drawn in ((rates_a, drawn_a), (rates_b, drawn_b)):
        moves = drawn - drawn.mean(axis=0)
        own = 20 / 19 * np.mean([np.var(move, ddof=1) for move in moves])
        seeds.append(max(0.0, np.var(rates, ddof=1) - own) / len(rates))
        spread += (np.var(rates, ddof=1) / len(rates)) ** 2 / (len(rates) - 1)
    total = speakers + sum(seeds)
    t = stats.t(total**2 / spread)
    assert found.value == pytest.approx(rates_a.mean() - 13.25)
    assert found.high - found.value == pytest.approx(t.ppf(0.975) * total**0.5)
    assert found.low - found.value == pytest.approx(-t.ppf(0.975) * total**0.5)
    assert found.probability == pytest.approx(t.cdf(-found.value / total**0.5))
    assert found.p_value == pytest.approx(2 * t.sf(abs(found.value) / total**0.5))


def test_finds_a_planted_difference_and_its_direction():
    trials = all_pairs(30, 5)
    rng = np.random.default_rng(3)
    systems = {"good": runs(trials, 3.2, 3, rng), "poor": runs(trials, 2.2, 3, rng)}
    (found,) = compare_systems(systems, *trials, draws=200)
    assert found.covers_seeds and found.speakers == 30 and not found.named
    for each in (found.eer, found.min_dcf):
        assert each.low < each.value < each.high < 0.0
        assert each.probability > 0.99 and each.p_value < 0.02
    assert found.eer.speakers_needed <= 30 and found.eer.seeds_needed <= 3
    assert found.eer.rate_a == pytest.approx(
        100 * np.mean([eer(s, trials[0]) for s in systems["good"]])
    )
    (turned,) = compare_systems(systems, *trials, draws=200, named=[("poor", "good")])
    assert (turned.a, turned.b, turned.named) == ("poor", "good", True)
    assert turned.eer.value == pytest.approx(-found.eer.value)
    assert turned.eer.probability == pytest.approx(1 - found.eer.probability)


def test_a_small_difference_needs_more_speakers_than_there_are():
    trials = all_pairs(12, 4)
    rng = np.random.default_rng(8)
    scores = runs(trials, 2.5, 3, rng, spread=0.0)
    other = scores - 0.04 * trials[0] + 0.3 * rng.normal(size=scores.shape)
    (found,) = compare_systems({"a": scores, "b": other}, *trials, draws=200)
    assert found.eer.p_value > 0.05
    assert found.eer.speakers_needed is None or found.eer.speakers_needed > 12


def test_the_same_scores_do_not_differ():
    trials = all_pairs(8, 3)
    scores = runs(trials, 2.0, 1, np.random.default_rng(4))
    (found,) = compare_systems({"a": scores, "b": scores.copy()}, *trials, draws=100)
    assert (found.eer.value, found.eer.low, found.eer.high) == (0.0, 0.0, 0.0)
    assert (found.eer.probability, found.eer.p_value) == (0.5, 1.0)
    assert found.eer.speakers_needed is None


def test_one_seed_covers_speakers_only():
    trials = all_pairs(20, 4)
    rng = np.random.default_rng(5)
    one, three = runs(trials, 2.5, 1, rng), runs(trials, 2.4, 3, rng)
    (found,) = compare_systems({"one": one, "three": three}, *trials, draws=100)
    assert not found.covers_seeds and found.eer.seeds_needed is None


def test_same_seed_same_result():
    trials = all_pairs(10, 3)
    rng = np.random.default_rng(6)
    systems = {name: runs(trials, 2.0, 2, rng) for name in "abc"}
    once, again, other = (
        compare_systems(systems, *trials, draws=100, seed=seed) for seed in (1, 1, 2)
    )
    assert once == again != other
    assert [(each.a, each.b) for each in once] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_holm_by_hand_and_only_where_it_is_due():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.9, 0.6])), [1.0, 1.0])
    trials = all_pairs(10, 3)
    rng = np.random.default_rng(7)
    systems = {name: runs(trials, 2.0, 2, rng) for name in "abcd"}
    named = [("a", "b"), ("c", "a")]
    for correct_named in (False, True):
        found = compare_systems(systems, *trials, named, correct_named, draws=100)
        for family in (True, False):
            these = [each.eer for each in found if each.named == family]
            p_values = np.array([each.p_value for each in these])
            expected = holm(p_values) if not family or correct_named else p_values
            np.testing.assert_allclose([each.p_adjusted for each in these], expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, t: ({"a": s}, *t), "two systems"),
        (lambda s, t: ({"a": s, "b": np.where(np.arange(len(s)) == 3, np.nan, s)}, *t), "finite"),
        (lambda s, t: ({"a": s, "b": s[1:]}, *t), "dimension|shape"),
        (lambda s, t: ({"a": s, "b": s}, ~t[0], t[1], t[2]), "disagree"),
        (lambda s, t: ({"a": s, "b": s}, t[0], t[1][1:], t[2]), "speaker a trial"),
        (lambda s, t: ({"a": s, "b": s}, *t, [("a", "c")]), "pair of two"),
        (lambda s, t: ({"a": s, "b": s}, *t, [("a", "b"), ("b", "a")]), "twice"),
    ],
)
def test_refuses(change, message):
    trials = all_pairs(4, 3)
    scores = np.random.default_rng(0).normal(size=len(trials[0]))
    with pytest.raises(ValueError, match=message):
        compare_systems(*change(scores, trials), draws=100)


def test_refuses_two_speakers():
    with pytest.raises(ValueError, match="3 speakers"):
        SpeakerTrials.of(*all_pairs(2, 3))


def test_simulated_lists_in_short():
    spec = importlib.util.spec_from_file_location("comparison_simulation", SIMULATION)
    simulation = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(simulation)
    rows = simulation.simulate(lists=16, draws=50, seed=1)
    kinds = [(row["measure"], row["speakers"], row["seeds"]) for row in rows]
    assert kinds == list(product(("eer", "min_dcf"), (40, 125), (1, 3, 5)))
    for row in rows:
        if row["seeds"] > 1:
            assert float(row["covered_percent"]) >= 85.0, row
            assert float(row["equal_called_different_percent"]) <= 15.0, row
    by_eer, by_min_dcf = rows[5], rows[11]
    assert float(by_eer["true_difference"]) == -1.5
    assert float(by_eer["mean_difference"]) == pytest.approx(-1.5, abs=0.4)
    truth = float(by_min_dcf["true_difference"])
    assert float(by_min_dcf["mean_difference"]) == pytest.approx(truth, abs=0.02)
