"""The bootstrap over speakers."""

import numpy as np
import pytest

from speaker_bases.error_rates import eer
from speaker_bases.evaluate.interval import eer_interval


def speaker_trials(num_speakers, per_speaker=6, seed=0, spread=0.35):
    """All pairs of utterances of speakers who differ in how well they are told apart."""
    rng = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(num_speakers), per_speaker)
    first, second = np.triu_indices(len(speakers), 1)
    is_target = speakers[first] == speakers[second]
    ease = np.linspace(-1.5, 1.5, num_speakers)
    scores = is_target * (1.5 + ease[speakers[first]]) + rng.normal(size=len(first)) * spread
    return scores, is_target, speakers[first], speakers[second]


def naive_interval(scores, is_target, enrol, test, draws, resamples):
    """Every resample written out: trials repeated as often as they count, then `eer`."""
    speakers = np.unique(enrol)
    rates = []
    for _ in range(resamples):
        drawn = draws.multinomial(len(speakers), np.full(len(speakers), 1 / len(speakers)))
        times = np.where(is_target, drawn[enrol], drawn[enrol] * drawn[test])
        again = np.repeat(np.arange(len(scores)), times)
        if 0 < is_target[again].sum() < len(again):
            rates.append(eer(scores[again], is_target[again]))
    return np.percentile(rates, [2.5, 97.5])


def test_is_the_resampling_written_out():
    scores, is_target, enrol, test = speaker_trials(8)
    scores = np.round(scores, 1)  # ties
    expected = naive_interval(scores, is_target, enrol, test, np.random.default_rng(7), 60)
    found = eer_interval(scores, is_target, enrol, test, resamples=60, seed=7)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_holds_the_rate_and_narrows_with_more_speakers():
    widths = []
    for num_speakers in (8, 40):
        data = speaker_trials(num_speakers)
        low, high = eer_interval(*data, resamples=200)
        assert 0.0 <= low <= eer(*data[:2]) <= high <= 1.0
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_same_seed_same_interval_and_names_do_as_well_as_numbers():
    scores, is_target, enrol, test = speaker_trials(6)
    names = np.array([f"id{number:05d}" for number in range(6)])
    once = eer_interval(scores, is_target, enrol, test, resamples=50, seed=3)
    again = eer_interval(scores, is_target, names[enrol], names[test], resamples=50, seed=3)
    other = eer_interval(scores, is_target, enrol, test, resamples=50, seed=4)
    assert once == again != other


def test_two_speakers_leave_nothing_to_resample():
    assert np.isnan(eer_interval(*speaker_trials(2))).all()


def test_refuses_speakers_that_contradict_the_labels():
    scores, is_target, enrol, test = speaker_trials(4)
    with pytest.raises(ValueError, match="disagree"):
        eer_interval(scores, ~is_target, enrol, test)
    with pytest.raises(ValueError, match="speaker a trial"):
        eer_interval(scores, is_target, enrol[1:], test[1:])
