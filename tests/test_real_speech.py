"""experiments/real_speech.sh: from a corpus to lines of results and stored scores."""

import importlib.metadata
import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.metrics import eer
from speaker_bases.evaluate.stored_scores import read_list, read_scores
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
