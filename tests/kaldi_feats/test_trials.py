"""Trial lists in Kaldi's and in VoxCeleb's form."""

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.trials import (
    all_pairs,
    from_voxceleb_list,
    look_up,
    read_trials,
    write_trials,
)


def to_utterance(path: str) -> str:
    """id10270/x6uYqmx31kE/00001.wav -> id10270-x6uYqmx31kE-00001"""
    return path.removesuffix(".wav").replace("/", "-")


def rows(trials):
    return list(zip(trials.enrol, trials.test, trials.is_target.tolist(), strict=True))


def test_a_list_comes_back_as_it_was_written(tmp_path):
    trials = all_pairs({"b-1": "b", "a-2": "a", "a-1": "a"})
    assert rows(trials) == [("a-1", "a-2", True), ("a-1", "b-1", False), ("a-2", "b-1", False)]
    write_trials(tmp_path / "list", trials)
    text = "a-1 a-2 target\na-1 b-1 nontarget\na-2 b-1 nontarget\n"
    assert (tmp_path / "list").read_text() == text
    again = read_trials(tmp_path / "list")
    assert rows(again) == rows(trials)
    assert again.is_target.dtype == bool
    assert len(again) == 3


def test_all_pairs_counts():
    utt2spk = {f"s{s:02d}-{u}": f"s{s:02d}" for s in range(10) for u in range(10)}
    trials = all_pairs(utt2spk)
    assert len(trials) == 4950
    assert trials.is_target.sum() == 450
    assert all(a < b for a, b in zip(trials.enrol, trials.test, strict=True))


def test_both_orders_of_a_pair_are_two_trials(tmp_path):
    (tmp_path / "list").write_text("a b target\nb a target\na c nontarget\n")
    assert len(read_trials(tmp_path / "list")) == 3


def test_a_doubled_trial_is_taken_if_asked_for(tmp_path):
    (tmp_path / "list").write_text("a b target\na c nontarget\na b target\n")
    trials = read_trials(tmp_path / "list", doubled=True)
    assert rows(trials) == [("a", "b", True), ("a", "c", False), ("a", "b", True)]


@pytest.mark.parametrize(
    ("label", "counts"),
    [("target", "2 target and 0 nontarget"), ("nontarget", "0 target and 2 nontarget")],
)
def test_trials_of_one_kind_give_no_error_rates(tmp_path, label, counts):
    path = tmp_path / "list"
    path.write_text(f"a b {label}\na c {label}\n")
    with pytest.raises(InputError, match=f"list: {counts} trials; error rates need both"):
        read_trials(path)
    number = {"target": 1, "nontarget": 0}[label]
    path.write_text(f"{number} a b\n{number} a c\n")
    with pytest.raises(InputError, match=f"list: {counts} trials; error rates need both"):
        from_voxceleb_list(path, str)


@pytest.mark.parametrize(
    ("utt2spk", "counts"),
    [
        ({"a-1": "a", "a-2": "a", "a-3": "a"}, "3 test utterances: 3 target and 0 nontarget"),
        ({"a-1": "a", "b-1": "b"}, "2 test utterances: 0 target and 1 nontarget"),
        ({"a-1": "a"}, "1 test utterances: 0 target and 0 nontarget"),
    ],
)
def test_all_pairs_of_one_kind_give_no_error_rates(utt2spk, counts):
    with pytest.raises(InputError, match=f"all pairs of the {counts} trials; error rates need"):
        all_pairs(utt2spk)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b target\na c 1\n", r"list:2: expected 'enrol test target\|nontarget', found 'a c 1'"),
        ("a target\n", "list:1: expected"),
        ("a b c target\n", "list:1: expected"),
        ("a b target\n\n", "list:2: expected .*found ''"),
        ("a b target\nc d target\na b target\n", "list:3: the same trial as on line 1"),
        ("a b target\na b nontarget\n", "list:2: the same trial as on line 1"),
        ("a b target\na c nontarget\nb b target\n", "list:3: 'b' is compared with itself.* 1 of 3"),
        ("a b target\na c\0 nontarget\n", "list:2: a NUL byte"),
        ("", "list: the trial list is empty"),
    ],
)
def test_broken_kaldi_lists(tmp_path, text, message):
    (tmp_path / "list").write_text(text)
    with pytest.raises(InputError, match=message):
        read_trials(tmp_path / "list")


def test_text_that_is_not_utf8(tmp_path):
    (tmp_path / "list").write_bytes(b"a b target\na \xff nontarget\n")
    with pytest.raises(InputError, match="list:2: not UTF-8"):
        read_trials(tmp_path / "list")


def test_a_published_list_keeps_all_its_lines_and_they_are_warned_of(tmp_path, caplog):
    (tmp_path / "list").write_text("a b target\na a target\na c nontarget\n")
    assert len(read_trials(tmp_path / "list", doubled=True)) == 3
    assert "list:2: 'a' is compared with itself: so it is on 1 of 3 lines" in caplog.text


def test_missing_list(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such trial list"):
        read_trials(tmp_path / "nowhere")


def test_voxceleb_form(tmp_path):
    (tmp_path / "list").write_text("1 id1/x/1.wav id1/y/1.wav\n0 id1/x/1.wav id2/z/1.wav\r\n")
    trials = from_voxceleb_list(tmp_path / "list", to_utterance)
    assert rows(trials) == [("id1-x-1", "id1-y-1", True), ("id1-x-1", "id2-z-1", False)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 a b\n2 a c\n", r"list:2: expected '1\|0 path path', found '2 a c'"),
        ("1 a\n", "list:1: expected"),
        ("a b target\n", "list:1: expected"),
        ("1 a b\n0 a c\n1 a b\n", "list:3: the same trial as on line 1"),
        ("1 a b\n0 a d\n", "list:2: no test utterance 'd'"),
        ("1 a b\n1 a a\n0 a c\n", "list:2: 'a' is compared with itself.* 1 of 3 lines"),
    ],
)
def test_broken_voxceleb_lists(tmp_path, text, message):
    (tmp_path / "list").write_text(text)
    with pytest.raises(InputError, match=message):
        from_voxceleb_list(tmp_path / "list", {"a": "a", "b": "b", "c": "c"}.__getitem__)


def test_the_official_voxceleb_lists(voxceleb_trials, tmp_path):
    """Both lists hold pairs in both orders; their counts are published."""
    for name, count, targets in [
        ("veri_test.txt", 37720, 18860),
        ("veri_test2.txt", 37611, 18802),
    ]:
        trials = from_voxceleb_list(voxceleb_trials / name, to_utterance)
        assert (len(trials), trials.is_target.sum()) == (count, targets)
        speakers = [[u.split("-")[0] for u in side] for side in (trials.enrol, trials.test)]
        same = np.array(speakers[0]) == np.array(speakers[1])
        assert np.array_equal(same, trials.is_target)
        write_trials(tmp_path / name, trials)
        assert rows(read_trials(tmp_path / name)) == rows(trials)


def test_unknown_utterances_are_refused_with_their_line(tmp_path):
    (tmp_path / "list").write_text("a b target\na x nontarget\n")
    trials = read_trials(tmp_path / "list")
    enrol, test = look_up(trials, {"a": 0, "b": 1, "x": 2}, tmp_path / "list", "utt2spk")
    assert (enrol.tolist(), test.tolist()) == ([0, 0], [1, 2])
    message = (
        r"list:2: the utterance 'x' is not in data/utt2spk: 1 of the list's 3 utterances are "
        r"missing, which are in 1 of its 2 trials"
    )
    with pytest.raises(InputError, match=message):
        look_up(trials, {"a": 0, "b": 1}, tmp_path / "list", "data/utt2spk")
