"""The forms that trial lists come in, and the lists whose form is not clear."""

import itertools

import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.trial_forms import read_list
from speaker_bases.kaldi_feats.trials import refuse_wrong_labels

IDS = {name: name for name in ("a-1", "a-2", "b-1", "b-2", "1", "0")}
ROWS = [("a-1", "a-2", True), ("a-1", "b-1", False), ("b-2", "b-1", True)]
WORDS = {True: "target", False: "nontarget"}
FORMS = {
    "numbers first": [(str(int(t)), a, b) for a, b, t in ROWS],
    "numbers last": [(a, b, str(int(t))) for a, b, t in ROWS],
    "words": [(a, b, WORDS[t]) for a, b, t in ROWS],
}
HEADERS = {
    "numbers first": ("label", "enrol", "test"),
    "numbers last": ("enrol", "test", "target"),
    "words": ("enrol", "test", "kind"),
}


def to_utterance(name: str) -> str:
    if name.startswith("train"):
        raise InputError(f"{name!r} is of the training set")
    return IDS[name]


def refusal(path, text) -> str:
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_list(path, to_utterance)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path.parent}/")


@pytest.mark.parametrize(
    ("form", "separator", "header", "ends"),
    list(itertools.product(FORMS, (" ", "\t", ",", " , "), (False, True), ("\n", "\r\n", "\n \n"))),
)
def test_every_form(tmp_path, form, separator, header, ends):
    lines = [HEADERS[form]] * header + FORMS[form]
    text = "\ufeff" * header + "".join(separator.join(fields) + ends for fields in lines)
    (tmp_path / "list").write_bytes(text.encode())
    trials = read_list(tmp_path / "list", to_utterance)
    read = list(zip(trials.enrol, trials.test, trials.is_target.tolist(), strict=True))
    assert read == ROWS
    step = ends.count("\n")
    assert list(trials.lines) == [1 + step * (header + row) for row in range(3)]


def test_names_that_look_like_labels_are_told_from_them_by_the_other_lines(tmp_path):
    path = tmp_path / "list"
    path.write_text("1 0 1\n1 a-1 a-2\n0 a-1 b-1\n")
    assert read_list(path, to_utterance).enrol == ["0", "a-1", "a-1"]
    path.write_text("0 1 0\na-1 a-2 1\n")
    assert read_list(path, to_utterance).test == ["1", "a-2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1 a-1 1\n0 a-1 0\n",
            "list:1: every line can be read as '1|0 enrol test' and as 'enrol test 1|0', which",
        ),
        (
            "1 a-1 target\n0 a-1 nontarget\n",
            "list:1: every line can be read as '1|0 enrol test' and as 'enrol test target|nontarg",
        ),
        ("1 a-1 a-2\n0 a-1 b-1\na-1 b-2 0\n", "list:3: expected '1|0 enrol test', found 'a-1 b-"),
        ("1 a-1 a-2\n0,a-1,b-1\n", "list:1: expected '1|0,enrol,test', found '1 a-1 a-2'"),
        ("1 a-1 a-2\n0 a-1\n", "list:2: expected '1|0 enrol test', "),
        ("1 a-1 a-2\n0 a-1 b-1 b-2\n", "list:2: expected '1|0 enrol test', "),
        ("a-1 a-2 same\na-1 b-1 different\n", "list:2: expected '1|0 enrol test', 'enrol test ta"),
        ("0.9 a-1 a-2\n1 a-1 a-2\n0 a-1 b-1\n", "list:1: expected '1|0 enrol test', found '0.9"),
        ("yes a-1 a-2\n1 a-1 a-2\n0 a-1 b-1\n", "list:1: expected '1|0 enrol test', found 'yes"),
        ("a b train\n1 a-1 a-2\n0 a-1 b-1\n", "list:1: expected '1|0 enrol test', found 'a b tr"),
        ("enrol test target\na-1 a-2 target\n", "list:1: no test utterance 'enrol'"),
        ("1 a-1 a-2\n\n0 a-1 c-1\n", "list:3: no test utterance 'c-1'"),
        ("1 a-1 a-2\n0 a-1 train-1\n", "list:2: 'train-1' is of the training set"),
        ("l e t\n\n1 a-1 a-2\n1 b-1 b-2\n", "list: 2 target and 0 nontarget trials; error rates"),
        ("l e t\n1 a-1 a-2\n0 a-1 b-1\n1 b-1 b-1\n", "list:4: 'b-1' is compared with itself"),
        ("l e t\n1 a-1 a-2\n0 a-1 b-1\n1 a-1 a-2\n", "list:4: the same trial as on line 2"),
        ("enrol,test,label\n", "list:1: expected '1|0 enrol test', "),
        (" \n\r\n", "list: the trial list is empty; lines must be '1|0 enrol test', "),
    ],
)
def test_lists_that_are_refused(tmp_path, text, message):
    assert refusal(tmp_path / "list", text).startswith(message)


def test_a_wrong_label_is_named_by_its_line_in_the_file(tmp_path):
    path = tmp_path / "list"
    path.write_text("label,enrol,test\n1,a-1,a-2\n\n1,a-1,b-1\n0,a-2,b-1\n")
    trials = read_list(path, to_utterance)
    same = [a[0] == b[0] for a, b in zip(trials.enrol, trials.test, strict=True)]
    with pytest.raises(InputError, match=r"list:4: the label says target, .* 1 of 3 lines"):
        refuse_wrong_labels(path, trials, same, "the folders")


def test_a_published_list_keeps_its_doubled_lines(tmp_path):
    (tmp_path / "vox1-o.txt").write_text("1 a-1 a-2\n0 a-1 b-1\n1 a-1 a-2\n")
    assert len(read_list(tmp_path / "vox1-o.txt", to_utterance)) == 3


def test_text_of_another_encoding(tmp_path):
    (tmp_path / "list").write_bytes("1 a-1 a-2\n".encode("utf-16"))
    with pytest.raises(InputError, match="list:1: a NUL byte"):
        read_list(tmp_path / "list", to_utterance)
