"""Score files hold exactly a list's trials, or are refused."""

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.score_file import read_scores, write_scores
from speaker_bases.kaldi_feats.trials import Trials


@pytest.fixture
def trials():
    return Trials(["a", "a", "b"], ["b", "c", "a"], np.array([True, False, True]))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "list.cosine.txt"


def test_round_trip_loses_no_digit(trials, path):
    scores = np.array([1 / 3, -np.pi * 1e-9, np.nextafter(1.0, 0.0)])
    write_scores(path, trials, scores)
    np.testing.assert_array_equal(read_scores(path, trials, "list"), scores)


def test_any_order_will_do(trials, path):
    path.write_text("b a 3\na c 2\na b 1e0\n")
    np.testing.assert_array_equal(read_scores(path, trials, "list"), [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b 1\na c 2\n", r"2 of the 3 trials of list; the first without .* line 3 \(b a\)"),
        ("a b 1\na c 2\nb a 3\nc a 4\n", "scores 1 pairs that are no trials of list.* c a"),
        ("a b 1\na c 2\nc b 3\n", r"line 3 \(b a\)"),
        ("a b 1\na c 2\na c 2\nb a 3\n", "more than once"),
        ("a b 1\na c 2\nb a 3.14", ":3: the file ends within a line"),
        ("a b 1\na c 2\nb a\n", ":3: expected 'enrol test score'"),
        ("a b 1\na c two\nb a 3\n", ":2: expected 'enrol test score'"),
        ("a b 1\na c nan\nb a 3\n", ":2: .*finite"),
        ("a b 1\n\na c 2\nb a 3\n", ":2: expected"),
        ("", "0 of the 3 trials"),
    ],
)
def test_refuses(trials, path, text, message):
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_scores(path, trials, "list")


@pytest.mark.parametrize("text", ["b a 3\na b 1\na c 2\nb a 3\n", "a b 1\na c 2\nb a 3\n"])
def test_a_list_with_a_pair_twice_has_its_score_twice(path, text):
    """Nothing may be removed from a published list; another program may score the pair once."""
    trials = Trials(["a", "b", "a", "b"], ["b", "a", "c", "a"], np.array([True, False] * 2))
    path.write_text(text)
    np.testing.assert_array_equal(read_scores(path, trials, "list"), [1.0, 3.0, 2.0, 3.0])
    path.write_text("a b 1\na b 1\na b 1\na c 2\nb a 3\n")
    with pytest.raises(InputError, match="2 pairs are scored more than once"):
        read_scores(path, trials, "list")


def test_missing_file(trials, path):
    with pytest.raises(InputError, match="stage 4"):
        read_scores(path, trials, "list")
