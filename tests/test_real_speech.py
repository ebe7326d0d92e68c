"""experiments/real_speech.sh: from a corpus to lines of results and stored scores."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.error_rates import eer
from speaker_bases.evaluate.stored_scores import read_list, read_scores, write_scores
from speaker_bases.kaldi_feats.data_dir import read_table, write_data_dir
from speaker_bases.train.config import load_config

RUNS = """\
# name      system     data   epochs  seeds  settings
softmax        softmax    train  1       0,1    losses.softmax.reduction=sum
softmax-kept   softmax    kept   1       0
"""
SMALL = "--set crop_frames=24 --set batch.size=40 --set dtype_policy=float32"  # two steps


@pytest.fixture(scope="module")
def tool(project_root):
    """A module of experiments/real_speech by its name."""
    folder = project_root / "experiments" / "real_speech"

    def load(name):
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    sys.path.insert(0, str(folder))
    yield load
    sys.path.remove(str(folder))


@pytest.fixture
def small_corpus(open_sv, tmp_path):
    """Eight training and four test speakers of open-sv, and two lists of some of their trials."""
    root = tmp_path / "corpus"
    for subset, count in (("train-so762", 5), ("train-gsc", 3), ("test-so762", 4)):
        (root / subset).mkdir(parents=True)
        for speaker in sorted((open_sv / "corpus" / subset).iterdir())[:count]:
            (root / subset / speaker.name).symlink_to(speaker)
    (root / "trials").mkdir()
    there = [path for path in root.glob("test-so762/*/*/*.ogg") if path.stem[-1] in "13"]
    names = [path.relative_to(root).as_posix() for path in sorted(there)]
    speaker = {name: Path(name).parts[1] for name in names}
    pairs = [(a, b) for a in names for b in names if a < b]
    lines = [f"{int(speaker[a] == speaker[b])} {a} {b}\n" for a, b in pairs]
    (root / "trials" / "all.txt").write_text("".join(lines))
    (root / "trials" / "half.txt").write_text("".join(lines[::2]))
    return root


def test_every_run_is_made_once_and_recorded(tool, project_root, small_corpus, tmp_path):
    runs, results = tmp_path / "runs.txt", tmp_path / "real" / "runs.csv"
    runs.write_text(RUNS)
    command = [project_root / "experiments" / "real_speech.sh", "--use-active-env", "true"]
    command += ["--corpus-dir", small_corpus, "--trials", small_corpus / "trials"]
    command += ["--runs", runs, "--csv", results, "--train-opts", SMALL, "--held-out", "2"]
    command += ["--data", tmp_path / "data", "--exp", tmp_path / "exp"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    rows = tool("record").read_rows(results)
    assert [(row["name"], row["seed"], row["data"], row["trial_list"]) for row in rows] == [
        ("baseline", "0", "-", "all"),
        ("baseline", "0", "-", "half"),
        ("softmax", "0", "train", "all"),
        ("softmax", "0", "train", "half"),
        ("softmax", "1", "train", "all"),
        ("softmax", "1", "train", "half"),
        ("softmax-kept", "0", "kept", "held-out"),
    ]
    assert rows[4]["settings"] == "losses.softmax.reduction=sum"
    assert rows[4]["settings"] in rows[4]["command"] and "--seed 1" in rows[4]["command"]

    trained, held_out = (
        set(read_table(tmp_path / "data" / name / "utt2spk").values())
        for name in ("kept", "held_out")
    )
    assert (len(trained), len(held_out)) == (6, 2) and trained.isdisjoint(held_out)

    for row in rows:  # the rates are those of the stored scores
        trials = read_list(results.parent / "scores" / "lists" / f"{row['trial_list']}.npz")
        stored = read_scores(results.parent / "scores" / f"{row['name']}.seed{row['seed']}.npz")
        digest, scores = stored[row["trial_list"]]
        assert digest == trials.digest
        assert row["eer_percent"] == f"{100 * eer(scores, trials.is_target):.2f}"

    before = results.read_bytes()
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Epoch" not in again.stdout and results.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corpus-dir", "nowhere"], "--corpus-dir is 'nowhere'"),
        (["--corpus-dir", ".", "--trials", "nowhere"], "--trials is 'nowhere'"),
        (["--frobnicate", "1"], "unknown option --frobnicate"),
        (["--exp"], "--exp takes a value"),
    ],
)
def test_bad_options_are_refused(project_root, tmp_path, options, message):
    script = project_root / "experiments" / "real_speech.sh"
    done = subprocess.run([script, *options], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr and len(done.stderr.splitlines()) == 1


def test_every_line_of_the_runs_is_a_configuration(project_root):
    conf, folder = project_root / "conf", project_root / "experiments" / "real_speech"
    text = (folder / "runs.txt").read_text()
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 10
    for _, system, data, epochs, seeds, *settings in lines:
        assert data in ("train", "so762", "kept")
        files = conf / "systems" / f"{system}.yaml", folder / "open-sv.yaml"
        config = load_config(*files, settings)
        assert config["system"] == system
        assert epochs.isdigit() and all(seed.isdigit() for seed in seeds.split(","))


def test_results_with_other_columns_are_refused(tool, tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("name,seed\nsoftmax,0\n")
    with pytest.raises(InputError, match=r"results\.csv:1: expected the columns name,seed,epochs"):
        tool("record").read_rows(path)


def test_a_public_encoder_is_scored_like_a_system(tool, tmp_path, monkeypatch):
    """A stand-in for Resemblyzer that tells speakers apart by the mean of the recording."""

    class VoiceEncoder:
        def __init__(self, device, verbose):
            pass

        def embed_utterance(self, sound):
            return np.array([np.sin(sound.mean()), np.cos(sound.mean())])

    public = types.ModuleType("resemblyzer")
    public.VoiceEncoder = VoiceEncoder
    public.preprocess_wav = lambda path: soundfile.read(path)[0]
    monkeypatch.setitem(sys.modules, "resemblyzer", public)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"{name} 1")
    wav_scp, utt2spk = {}, {}
    for number, speaker in enumerate("abcd"):
        for utterance, error in ((f"{speaker}-1", 0.01), (f"{speaker}-2", -0.01)):
            path = tmp_path / f"{utterance}.wav"
            soundfile.write(path, np.full(99, number / 4 + error), 8000, "FLOAT")
            wav_scp[utterance], utt2spk[utterance] = str(path), speaker
    pairs = [(one, two) for one in utt2spk for two in utt2spk if one < two]
    data_dir = tmp_path / "data" / "test"
    write_data_dir(data_dir, wav_scp, utt2spk)
    (data_dir / "trials").mkdir()
    words = {True: "target", False: "nontarget"}
    lines = [f"{one} {two} {words[utt2spk[one] == utt2spk[two]]}\n" for one, two in pairs]
    for name in ("one", "two"):
        (data_dir / "trials" / name).write_text("".join(lines))

    results = tmp_path / "results.csv"
    tool("public_encoder").run(tmp_path / "data", tmp_path / "exp", results)
    rows = tool("record").read_rows(results)
    assert [(row["name"], row["trial_list"], row["eer_percent"]) for row in rows] == [
        ("resemblyzer", "one", "0.00"),
        ("resemblyzer", "two", "0.00"),
    ]
    assert rows[0]["trials"] == "28" and rows[0]["targets"] == "4"

    monkeypatch.setitem(sys.modules, "resemblyzer", None)
    with pytest.raises(InputError, match="pip install resemblyzer"):
        tool("public_encoder").run(tmp_path / "data", tmp_path / "exp", results)


def test_the_documents_show_what_the_results_say(project_root):
    """If not: python experiments/real_speech/tables.py."""
    script = project_root / "experiments" / "real_speech" / "tables.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def results(tool, tmp_path):
    """A CSV of a baseline, of two seeds of a system and of one run on held-out speakers."""
    record = tool("record")
    row = dict.fromkeys(record.COLUMNS, "")
    row |= {"seed": "0", "data": "train", "steps": "10", "train_seconds": "120", "loss": "L_S"}
    row |= {"eer_low": "1.00", "eer_high": "9.00", "min_dcf_0.01": "0.500", "command": "train"}
    row |= {"first_loss": "5.0", "last_loss": "1.0", "commit": "abc1234", "date": "2026-01-02"}
    rows = []
    for name, seed, data, epochs, eer_percent in (
        ("baseline", "0", "-", "0", "30.00"),
        ("softmax", "0", "train", "3", "5.00"),
        ("softmax", "1", "train", "3", "6.00"),
    ):
        for trial_list in tool("tables").LISTS:
            new = {"name": name, "seed": seed, "data": data, "epochs": epochs}
            rows.append(row | new | {"eer_percent": eer_percent, "trial_list": trial_list})
    new = {"name": "softmax-9", "data": "kept", "epochs": "1", "trial_list": "held-out"}
    rows.append(row | new | {"eer_percent": "7.00"})
    path = tmp_path / "real" / "runs.csv"
    path.parent.mkdir()
    lines = [record.COLUMNS, *([row[column] for column in record.COLUMNS] for row in rows)]
    path.write_text("".join(f"{','.join(line)}\n" for line in lines))
    return path


PLAN = """\
softmax    softmax    train  3  0,1
softmax    softmax    train  3  2
proposed2  proposed2  train  3  0     losses.between_speaker=null
softmax-9  softmax    kept   1  0
softmax-99 softmax    kept   9  0
"""


def test_tables_hold_means_over_seeds_and_what_was_not_run(tool, results, tmp_path):
    tables, plan = tool("tables"), tmp_path / "runs.txt"
    plan.write_text(PLAN)
    names = ("summary", "systems", "min-dcf", "held-out", "runs")
    marks = [
        f"<!-- begin real-speech-{n}: made by X -->\n<!-- end real-speech-{n} -->" for n in names
    ]
    document = tmp_path / "page.md"
    document.write_text("\n\n".join(["# Page", *marks, "<!-- begin other: made by Y -->\nkept"]))
    arguments = ["--csv", str(results), "--runs", str(plan), str(document)]

    assert tables.main(["--check", *arguments]) == 1
    assert tables.main(arguments) == 0
    text = document.read_text()
    assert "| softmax | L_S | 0 1 (of 3) | 5.50 | 5.50 | 5.50 | 5.50 |" in text
    assert "| proposed2 | L_H | not run | not run | not run | not run | not run |" in text
    assert "| softmax | L_S | train | 10 | 0 1 (of 3) | 5.50 (5.00 to 6.00) |" in text
    assert "| 30.00 [1.00 to 9.00] |" in text
    assert "| softmax-9 | L_S | 1 | 10 | 0 | 7.00 [1.00 to 9.00] | 0.500 | 5.0 to 1.0 | 2 |" in text
    assert "| softmax-99 | L_S | 9 | - | 0 | not run |" in text
    assert "| softmax | 2 | train | 3 | not run |" in text
    assert "abc1234 softmax: train" in text and text.endswith("made by Y -->\nkept")
    assert (results.parent / "error-rates.png").exists()
    assert tables.main(["--check", *arguments]) == 0


def test_a_document_without_a_marked_place_is_refused(tool, results, tmp_path, capsys):
    tables, plan, document = tool("tables"), tmp_path / "runs.txt", tmp_path / "page.md"
    plan.write_text(PLAN)
    arguments = ["--csv", str(results), "--runs", str(plan), str(document)]
    document.write_text("# Page\n")
    assert tables.main(arguments) == 1
    document.write_text("<!-- begin real-speech-x: made by X -->\n<!-- end real-speech-x -->\n")
    assert tables.main(arguments) == 1
    errors = capsys.readouterr().err
    assert "no line '<!-- begin real-speech-" in errors
    assert "no such table 'real-speech-x'" in errors


def test_the_protocols_counts_are_those_of_the_results(tool, project_root):
    text = (project_root / "docs" / "real-speech.md").read_text()
    rows = tool("record").read_rows(project_root / "docs" / "real-speech" / "runs.csv")
    for row in rows:
        if row["trial_list"] != "held-out":
            counts = f"{int(row['trials']):,} | {int(row['targets']):,}"
            assert f"| {row['trial_list']} | {counts} |" in text


def test_the_rates_of_the_results_are_those_of_the_stored_scores(tool, project_root):
    folder = project_root / "docs" / "real-speech"
    for row in tool("record").read_rows(folder / "runs.csv"):
        trials = read_list(folder / "scores" / "lists" / f"{row['trial_list']}.npz")
        stored = read_scores(folder / "scores" / f"{row['name']}.seed{row['seed']}.npz")
        digest, scores = stored[row["trial_list"]]
        assert digest == trials.digest
        assert row["eer_percent"] == f"{100 * eer(scores, trials.is_target):.2f}", row["name"]


def test_the_comparison_comes_from_the_stored_scores(tool, tmp_path):
    comparison, run = tool("comparisons").comparison, tool("planned_runs").Run
    rng = np.random.default_rng(0)
    speakers = rng.integers(0, 20, (2, 3000))
    is_target = speakers[0] == speakers[1]
    lists = tmp_path / "lists"
    lists.mkdir()
    np.savez(
        lists / "some.npz",
        digest="0a",
        is_target=is_target,
        enrol_speakers=speakers[0],
        test_speakers=speakers[1],
    )
    row = {"trial_list": "some", "seed": "0"}
    runs = [
        run("softmax", "L_S", "train", "25", ["0"], [row]),
        run("proposed2", "L_H + L_BC", "train", "25", ["0"], []),
        run("softmax-so762", "L_S", "so762", "80", ["0"], [row]),
    ]
    assert "Not made yet" in comparison(runs, tmp_path, "some")
    runs[1].rows.append(row)
    for name, gap in (("softmax", 0.1), ("proposed2", 4.0)):
        scores = gap * is_target + rng.normal(size=len(is_target))
        write_scores(tmp_path / f"{name}.seed0.npz", {"some": ("0a", scores)})
    text = comparison(runs, tmp_path, "some", draws=50)
    assert "some: 3,000 trials, 20 speakers" in text and "so762" not in text
    assert re.search(r"\| proposed2 +\| softmax", text)
    assert "one seed" in text  # the seeds' share is not known, and that is said
