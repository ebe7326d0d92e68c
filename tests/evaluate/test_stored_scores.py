"""Scores and lists that are stored for good, and read again."""

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.stored_scores import (
    read_list,
    read_scores,
    write_list,
    write_scores,
)
from speaker_bases.evaluate.trial_list import TrialList
from speaker_bases.kaldi_feats.trials import Trials


def trial_list(tmp_path, names=("a-1", "a-2", "b-1")):
    one, two, other = names
    trials = Trials([one, one], [two, other], np.array([True, False]))
    return TrialList(tmp_path / "pairs", trials, ["a", "b"], np.array([0, 0]), np.array([0, 1]))


def test_a_list_comes_back_without_names(tmp_path):
    trials = trial_list(tmp_path)
    stored = read_list(write_list(tmp_path / "scores", trials))
    assert (stored.name, len(stored)) == ("pairs", 2)
    assert stored.digest == trials.digest
    assert stored.is_target.tolist() == [True, False]
    assert stored.enrol_speakers.tolist() == [0, 0] and stored.test_speakers.tolist() == [0, 1]
    other = trial_list(tmp_path, names=("a-1", "a-3", "b-1"))
    assert other.digest != stored.digest


def test_scores_come_back_as_float32(tmp_path):
    path = tmp_path / "softmax.seed0.npz"
    scores = np.random.default_rng(0).normal(size=1000)
    write_scores(path, {"pairs": ("0a", scores), "more": ("0b", scores[:5])})
    found = read_scores(path)
    assert found.keys() == {"pairs", "more"}
    assert found["more"][0] == "0b"
    np.testing.assert_array_equal(found["pairs"][1], scores.astype(np.float32))
    assert path.stat().st_size < 6000  # 4 bytes a score and little more


@pytest.mark.parametrize("damage", ["missing", "text", "truncated", "foreign", "nan"])
def test_a_bad_file_is_one_line(damage, tmp_path):
    path = tmp_path / "a.npz"
    write_scores(path, {"pairs": ("0a", np.ones(3))})
    if damage == "missing":
        path.unlink()
    elif damage == "text":
        path.write_text("a b 0.5\n")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "foreign":
        np.savez(path, other=np.ones(3))
    else:
        write_scores(path, {"pairs": ("0a", np.array([1.0, np.nan]))})
    with pytest.raises(InputError, match=str(path)) as error:
        read_scores(path)
    assert "\n" not in str(error.value)
    if damage == "nan":
        assert "trial 2 of pairs is nan" in str(error.value)
    with pytest.raises(InputError, match=str(path)):
        read_list(path)
