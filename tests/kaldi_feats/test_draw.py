"""Trials that are drawn: which pairs, how many of each speaker, and the same ones each time."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.draw import draw_trials
from speaker_bases.kaldi_feats.trials import format_trials


def utterances(speakers: int, each: int) -> dict[str, str]:
    return {f"s{s:02d}-{u:02d}": f"s{s:02d}" for s in range(speakers) for u in range(each)}


def pairs(trials, targets: bool) -> list[tuple[str, str]]:
    rows = zip(trials.enrol, trials.test, trials.is_target, strict=True)
    return [(enrol, test) for enrol, test, is_target in rows if is_target == targets]


@pytest.mark.parametrize("speakers", [2, 3, 4, 7, 10])
def test_with_room_for_all_every_pair_comes_once(speakers):
    utt2spk = utterances(speakers, 3)
    trials = draw_trials(utt2spk)
    drawn = {frozenset(pair) for pair in zip(trials.enrol, trials.test, strict=True)}
    assert drawn == set(map(frozenset, combinations(utt2spk, 2))) and len(drawn) == len(trials)
    same = [utt2spk[a] == utt2spk[b] for a, b in zip(trials.enrol, trials.test, strict=True)]
    assert trials.is_target.tolist() == same


@pytest.mark.parametrize("speakers", [9, 10])
def test_every_speaker_gives_as_many_as_the_others(speakers):
    trials = draw_trials(utterances(speakers, 20), most=1000)
    assert len(trials) == 1000 and trials.is_target.sum() == 500
    for targets in (True, False):
        found = pairs(trials, targets)
        assert len({frozenset(pair) for pair in found}) == 500
        counts = Counter(enrol[:3] for enrol, _ in found)
        assert set(counts.values()) <= {500 // speakers, 500 // speakers + 1}
    others = Counter(test[:3] for _, test in pairs(trials, False))
    assert min(others.values()) > 0.5 * 500 / speakers


def test_speakers_with_few_utterances_give_all_and_the_others_no_more():
    utt2spk = utterances(4, 10) | {"t-1": "t", "t-2": "t", "u-1": "u"}
    trials = draw_trials(utt2spk, most=100)
    counts = Counter(enrol.split("-")[0] for enrol, _ in pairs(trials, True))
    assert counts == {"s00": 10, "s01": 10, "s02": 10, "s03": 10, "t": 1}


def test_more_speakers_than_trials():
    trials = draw_trials(utterances(100, 2), most=20)
    assert len(trials) == 20 and trials.is_target.sum() == 10


def test_the_seed_decides_and_the_order_of_the_table_does_not():
    utt2spk = utterances(6, 8)
    text = format_trials(draw_trials(utt2spk, most=60))
    assert format_trials(draw_trials(dict(reversed(utt2spk.items())), most=60)) == text
    assert format_trials(draw_trials(utt2spk, most=60, seed=1)) != text
    assert text.splitlines() == sorted(text.splitlines())


def test_targets_are_across_sessions_where_most_speakers_have_some():
    utt2spk = utterances(4, 9)
    sessions = {name: name[:3] + ("a" if int(name[-2:]) < 3 else "b") for name in utt2spk}
    sessions |= dict.fromkeys([name for name in utt2spk if name.startswith("s03")], "s03a")
    trials = draw_trials(utt2spk, sessions)
    targets = pairs(trials, True)
    assert all(sessions[a] != sessions[b] for a, b in targets)
    assert Counter(a[:3] for a, _ in targets) == dict.fromkeys(("s00", "s01", "s02"), 18)
    assert len(pairs(trials, False)) == 6 * 81


def test_a_stray_session_does_not_leave_one_speaker_for_all_targets():
    utt2spk = utterances(4, 4)
    sessions = {name: name[:3] for name in utt2spk} | {"s00-00": "s00b"}
    assert pairs(draw_trials(utt2spk, sessions), True) == pairs(draw_trials(utt2spk), True)


def test_nontargets_are_of_the_same_sex():
    utt2spk = utterances(7, 4)
    sexes = {"s00": "f", "s01": "f", "s02": "f", "s03": "m", "s04": "m"}
    compared = {
        frozenset((utt2spk[a], utt2spk[b])) for a, b in pairs(draw_trials(utt2spk, sexes=sexes), 0)
    }
    expected = [*combinations(("s00", "s01", "s02"), 2), ("s03", "s04"), ("s05", "s06")]
    assert compared == set(map(frozenset, expected))


def test_one_man_and_one_woman_are_compared_all_the_same():
    trials = draw_trials(utterances(2, 2), sexes={"s00": "f", "s01": "m"})
    assert np.bincount(trials.is_target).tolist() == [4, 2]


@pytest.mark.parametrize(
    ("utt2spk", "counts"),
    [
        (utterances(1, 3), "1 speakers: 3 target and 0 nontarget"),
        (utterances(3, 1), "3 speakers: 0 target and 3 nontarget"),
    ],
)
def test_trials_of_one_kind_are_refused(utt2spk, counts):
    with pytest.raises(InputError, match=f"{counts} ones; at least two speakers"):
        draw_trials(utt2spk)
