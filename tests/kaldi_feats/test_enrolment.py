"""Trial lists whose first column is models of several utterances."""

import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.data_dir import write_table
from speaker_bases.kaldi_feats.prepared import check_lists, lists_of, read_prepared
from speaker_bases.kaldi_feats.trials import look_up
from speaker_bases.kaldi_feats.validate import validate_trials

UTT2SPK = {f"{s}-{u}": s for s in "ab" for u in range(4)}


@pytest.fixture
def folder(tmp_path):
    """A data directory with a list of two models."""
    write_table(tmp_path / "utt2spk", UTT2SPK)
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "list").write_text("A a-2 target\nA b-3 nontarget\nB b-3 target\n")
    (tmp_path / "trials" / "list.enrol").write_text("A a-0 a-1\nB b-0 b-1 b-2\n")
    return tmp_path


def test_the_list_is_of_models(folder):
    trials = read_prepared(folder / "trials" / "list")
    assert trials.enrol == ["A", "A", "B"]
    assert trials.utterances == {"a-0", "a-1", "a-2", "b-0", "b-1", "b-2", "b-3"}
    assert trials.utterances_of(1) == ["a-0", "a-1", "b-3"]
    numbers = {name: number for number, name in enumerate(UTT2SPK)}
    enrol, test = look_up(trials, numbers, "list", "utt2spk")
    assert (enrol.tolist(), test.tolist()) == ([0, 0, 1], [2, 7, 7])
    validate_trials(folder)


def test_a_map_is_no_list_and_is_part_of_the_lists_digest(folder):
    assert lists_of(folder) == [folder / "trials" / "list"]
    digest = read_prepared(folder / "trials" / "list").digest
    (folder / "trials" / "list.enrol").write_text("A a-0\nB b-0 b-1 b-2\n")
    assert read_prepared(folder / "trials" / "list").digest != digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A a-0 a-1\n", r"list:3: the model 'B' is not in .*list\.enrol: so it is on 1 of 3 lines"),
        ("A a-0 a-2\nB b-0\n", r"list:1: the model 'A' is tested with 'a-2', which it is made of"),
        ("A a-0 a-0\nB b-0\n", r"list\.enrol:1: the model 'A' has 'a-0' twice"),
        ("A a-0\nB\n", r"list\.enrol:2: only one field"),
        ("", r"list\.enrol: the file is empty"),
        ("A a-0 a-9\nB b-0\n", r"list:1: the utterance 'a-9' is not in .*1 of the list's 5"),
    ],
)
def test_a_broken_map_is_one_line(folder, text, message):
    (folder / "trials" / "list.enrol").write_text(text)
    with pytest.raises(InputError, match=message):
        validate_trials(folder)


def test_models_with_an_utterance_without_features(folder):
    with_features = [name for name in UTT2SPK if name != "b-1"]
    write_table(folder / "feats.scp", {name: "x.ark:1" for name in with_features})
    with pytest.raises(InputError, match=r"list:3: the utterance 'b-1' has no features"):
        check_lists(folder, allow_missing=False)
    check_lists(folder, allow_missing=True)
    assert read_prepared(folder / "trials" / "list").enrol == ["A", "A"]
