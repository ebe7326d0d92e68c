"""`python -m speaker_bases.evaluate.compare`: stored scores and text files, tables, refusals."""

import csv
import shutil

import numpy as np
import pytest

from speaker_bases.evaluate import stored_scores
from speaker_bases.evaluate.compare import main
from speaker_bases.evaluate.trial_list import load_trial_list

LIST = "synthetic"


@pytest.fixture
def trials(make_corpus):
    return load_trial_list(make_corpus(speakers=8, per_speaker=4).test, LIST)


def draw_scores(trials, system, seed):
    mean = {"good": 3.5, "fair": 2.0, "poor": 1.0}[system]
    rng = np.random.default_rng([seed, int(10 * mean)])
    return mean * trials.is_target + rng.normal(size=len(trials))


@pytest.fixture
def folder(tmp_path, trials):
    """Stored scores of three systems; `poor` has one seed."""
    folder = tmp_path / "scores"
    stored_scores.write_list(folder, trials)
    digest = trials.digest
    for run in ("good.seed0", "good.seed1", "fair.seed0", "fair.seed1", "poor.seed0"):
        system, seed = run.split(".seed")
        scores = draw_scores(trials, system, int(seed)).astype(np.float32)
        stored_scores.write_scores(folder / f"{run}.npz", {LIST: (digest, scores)})
    return folder


@pytest.fixture
def texts(tmp_path, trials):
    """Text score files of the same scores; returns a function from run to path."""

    def path(run):
        return tmp_path / f"{run}.txt"

    for system, seed in (("good", 0), ("good", 1), ("fair", 0), ("fair", 1)):
        pairs = zip(trials.trials.enrol, trials.trials.test, strict=True)
        scores = draw_scores(trials, system, seed).astype(np.float32).tolist()
        lines = [f"{a} {b} {score!r}\n" for (a, b), score in zip(pairs, scores, strict=True)]
        path(f"{system}{seed}").write_text("".join(lines))
    return path


def stored(folder, *more):
    return main(["--scores", str(folder), "--list", LIST, "--draws", "100", *map(str, more)])


def from_texts(texts, trials, *more, good="good0,good1"):
    data = trials.path.parents[1]
    files = [f"good={','.join(str(texts(run)) for run in good.split(','))}"]
    files.append(f"fair={texts('fair0')},{texts('fair1')}")
    where = ["--trials", str(trials.path), "--utt2spk", str(data / "utt2spk")]
    return main(["--files", *files, *where, "--draws", "100", *map(str, more)])


def refusal(capsys):
    """The one line on stderr; nothing on stdout."""
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


def test_stored_scores_give_table_matrix_csv_markdown_and_figure(folder, tmp_path, capsys):
    outputs = [tmp_path / name for name in ("out.csv", "out.md", "out.png")]
    more = ["--csv", outputs[0], "--markdown", outputs[1], "--figure", outputs[2]]
    assert stored(folder, *more) == 0
    text = capsys.readouterr().out
    assert (
        "8 speakers" in text and "Seeds are not covered: Those of fair - poor, good - poor" in text
    )
    matrix = [line.split() for line in text.splitlines() if line.startswith(("good", "poor"))]
    better = [row for row in matrix if any(cell.endswith("*") for cell in row)]
    assert [row[0] for row in better] == ["good"]
    assert better[0][4].endswith(")*") and better[0][6].endswith("?)")  # poor: one seed
    with open(outputs[0], encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["a"], row["b"]) for row in rows] == [
        ("fair", "good"),
        ("fair", "poor"),
        ("good", "poor"),
    ]
    assert [row["covers_seeds"] for row in rows] == ["True", "False", "False"]
    assert float(rows[0]["eer_value"]) > 0 > float(rows[2]["eer_value"])
    assert rows[1]["eer_seeds_needed"] == ""
    page = outputs[1].read_text()
    assert "| good |" in page and "**-" in page
    assert outputs[2].read_bytes().startswith(b"\x89PNG")
    first = [output.read_bytes() for output in outputs]
    assert stored(folder, *more) == 0
    assert capsys.readouterr().out == text
    assert [output.read_bytes() for output in outputs] == first


def test_systems_are_chosen_and_named(folder, tmp_path, capsys):
    more = ["--systems", "good", "fair", "--named", "good:fair", "--csv", tmp_path / "out.csv"]
    assert stored(folder, *more) == 0
    assert "named beforehand (1, marked !) are not corrected" in capsys.readouterr().out
    with open(tmp_path / "out.csv", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["a"], row["b"], row["named"]) == ("good", "fair", "True")


def test_text_files_give_what_stored_scores_give(folder, texts, trials, tmp_path):
    assert stored(folder, "--systems", "good", "fair", "--csv", tmp_path / "stored.csv") == 0
    shuffled = texts("fair0").read_text().splitlines(keepends=True)[::-1]
    texts("fair0").write_text("".join(shuffled))
    assert from_texts(texts, trials, "--csv", tmp_path / "texts.csv") == 0
    assert (tmp_path / "stored.csv").read_text() == (tmp_path / "texts.csv").read_text()


def test_one_seed_of_each_says_that_seeds_are_not_covered(folder, capsys):
    (folder / "good.seed1.npz").unlink()
    assert stored(folder, "--systems", "good", "poor") == 0
    assert "Seeds are not covered: All intervals are about other speakers only" in (
        capsys.readouterr().out
    )


def change_line(path, number, line):
    lines = path.read_text().splitlines(keepends=True)
    lines[number - 1] = line(lines)
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    ("number", "line", "message"),
    [
        (7, lambda lines: f"{' '.join(lines[6].split()[:2])} nan\n", "good1.txt:7: expected"),
        (7, lambda lines: lines[3], "good1.txt:7: the pair spk0-u0 spk1-u0 is scored twice"),
        (7, lambda lines: "", "line 7 (spk0-u0 spk1-u3)"),
        (
            7,
            lambda lines: "spk0-u0 elsewhere 0.5\n",
            "good1.txt:7: the pair spk0-u0 elsewhere is no",
        ),
        (496, lambda lines: lines[-1][:-3], "good1.txt:496: the file ends within a line"),
    ],
)
def test_refuses_a_score_file(texts, trials, tmp_path, capsys, number, line, message):
    change_line(texts("good1"), number, line)
    assert from_texts(texts, trials, "--csv", tmp_path / "out.csv") == 1
    assert message in refusal(capsys)
    assert not list(tmp_path.glob("*out.csv*"))


def test_refuses_a_missing_score_file_and_one_given_twice(texts, trials, capsys):
    assert from_texts(texts, trials, good="good7") == 1
    assert "good7.txt: no such score file" in refusal(capsys)
    assert from_texts(texts, trials, good="good0,good0") == 1
    assert "good0.txt: given 2 times" in refusal(capsys)
    texts("good0").write_bytes(b"\xff\xfe\x00")
    assert from_texts(texts, trials) == 1
    assert "good0.txt: not UTF-8 text" in refusal(capsys)


def test_refuses_lists_that_utt2spk_does_not_bear_out(texts, trials, capsys):
    utt2spk = trials.path.parents[1] / "utt2spk"
    whole = utt2spk.read_text()
    utt2spk.write_text(whole.replace("spk0-u3 spk0\n", ""))
    assert from_texts(texts, trials) == 1
    assert f"{trials.path}:3: the utterance 'spk0-u3'" in refusal(capsys)
    utt2spk.write_text(whole.replace("spk0-u3 spk0\n", "spk0-u3 spk1\n"))
    assert from_texts(texts, trials) == 1
    assert f"{trials.path}:3: the label says target" in refusal(capsys)


def rewrite(folder, run, change):
    path = folder / f"{run}.npz"
    digest, scores = stored_scores.read_scores(path)[LIST]
    stored_scores.write_scores(path, change(digest, scores.copy()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, s: {LIST: ("0" * 64, s)}, "are of other trials"),
        (lambda d, s: {LIST: (d, s[1:])}, f"495 scores on {LIST}, which has 496 trials"),
        (lambda d, s: {LIST: (d, np.append(s[1:], np.nan))}, f"trial 496 of {LIST} is nan"),
        (lambda d, s: {"other": (d, s)}, f"has no scores on {LIST}, only on other"),
    ],
)
def test_refuses_stored_scores(folder, tmp_path, capsys, change, message):
    rewrite(folder, "good.seed1", change)
    assert stored(folder, "--markdown", tmp_path / "out.md") == 1
    error = refusal(capsys)
    assert message in error and "good.seed1.npz" in error
    assert not list(tmp_path.glob("*out.md*"))


def test_a_system_of_other_lists_is_left_out_unless_asked_for(folder, capsys):
    rewrite(folder, "poor.seed0", lambda digest, scores: {"other": (digest, scores)})
    assert stored(folder) == 0
    assert "poor" not in capsys.readouterr().out
    assert stored(folder, "--systems", "good", "poor") == 1
    assert f"poor.seed0.npz: has no scores on {LIST}, only on other" in refusal(capsys)


def test_refuses_files_that_are_not_runs(folder, capsys):
    shutil.copy(folder / "good.seed1.npz", folder / "good.seed01.npz")
    assert stored(folder) == 1
    assert "the same system and seed as good.seed01.npz" in refusal(capsys)
    (folder / "good.seed01.npz").rename(folder / "good.npz")
    assert stored(folder) == 1
    assert "good.npz: expected a name like 'system.seed0.npz'" in refusal(capsys)
    (folder / "good.npz").unlink()
    (folder / "poor.seed0.npz").write_bytes(b"PK\x03\x04 no archive")
    assert stored(folder) == 1
    assert "poor.seed0.npz: " in refusal(capsys)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--systems", "good", "best"], "no scores of a system 'best'; there is fair, good, poor"),
        (["--systems", "good"], "two systems or more; there is good"),
        (["--systems", "good", "good"], "good is given 2 times"),
        (["--named", "good"], "expected A:B"),
        (["--named", "good:best"], "Expected a pair of two of"),
        (["--list", "elsewhere"], f"elsewhere.npz: no such list; there is {LIST}"),
    ],
)
def test_refuses_names_that_are_not_there(folder, capsys, more, message):
    assert stored(folder, *more) == 1
    assert message in refusal(capsys)


def test_without_utt2spk_says_what_speakers_are_for(texts, trials, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--files", "a=a.txt", "b=b.txt", "--trials", str(trials.path)])
    assert caught.value.code == 2
    assert "the bootstrap draws speakers" in capsys.readouterr().err
