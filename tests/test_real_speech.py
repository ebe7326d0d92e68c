"""benchmarks/real_speech.sh: from a corpus to lines of results, and from those to tables."""

import importlib.metadata
import importlib.util
import subprocess
import sys
import types

import numpy as np
import pytest
import soundfile

from speaker_bases.kaldi_feats.data_dir import read_table, write_data_dir
from speaker_bases.kaldi_feats.files import InputError
from speaker_bases.train.config import load_config

RUNS = """\
# name      system     epochs  seeds  settings
softmax        softmax    1       0,1    losses.softmax.reduction=sum
"""
SMALL = "--set crop_frames=24 --set crops_per_utterance=1 --set batch.size=200"  # one step


@pytest.fixture(scope="module")
def tool(project_root):
    """A module of benchmarks/real_speech by its name."""
    folder = project_root / "benchmarks" / "real_speech"

    def load(name):
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    sys.path.insert(0, str(folder))
    yield load
    sys.path.remove(str(folder))


def test_every_run_is_made_once_and_recorded(tool, project_root, librispeech_mini, tmp_path):
    runs, results = tmp_path / "runs.txt", tmp_path / "results.csv"
    runs.write_text(RUNS)
    command = [project_root / "benchmarks" / "real_speech.sh", "--use-active-env", "true"]
    command += ["--corpus-dir", librispeech_mini / "LibriSpeech"]
    command += ["--trials", librispeech_mini / "trials" / "test-other.txt"]
    command += ["--runs", runs, "--csv", results, "--train-opts", SMALL]
    command += ["--data", tmp_path / "data", "--exp", tmp_path / "exp", "--figures", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    rows = tool("record").read_rows(results)
    of_list = [(row["name"], row["seed"], row["epochs"]) for row in rows[::2]]
    assert of_list == [
        ("baseline", "0", "0"),
        ("softmax", "0", "1"),
        ("softmax", "1", "1"),
    ]
    assert {row["trial_list"] for row in rows} == {"test-other", "test-other-2s"}
    assert {row["trials"] for row in rows} == {"4950"}
    # The rates are those of the score files, and 2 s are harder than all of it.
    assert [row["eer_percent"] for row in rows[:2]] == ["21.00", "23.22"]
    assert rows[-1]["settings"] == "losses.softmax.reduction=sum"
    assert rows[-1]["settings"] in rows[-1]["command"] and "--seed 1" in rows[-1]["command"]

    for name in ("det-test-other", "det-test-other-2s", "losses", "speakers-softmax"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")

    before = results.read_bytes()
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Epoch" not in again.stdout and results.read_bytes() == before

    elsewhere = [*command, "--exp", tmp_path / "none"]  # the CSV has the runs, this folder has not
    done = subprocess.run(elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no figures: " in done.stdout and results.read_bytes() == before

    document = tmp_path / "page.md"
    document.write_text("<!-- begin real-speech-systems: x -->\n<!-- end real-speech-systems -->\n")
    tables = tool("tables")
    tables.update([document], results)
    row = next(line for line in document.read_text().split("\n") if line.startswith("| softmax "))
    rates = [float(row["eer_percent"]) for row in rows if row["name"] == "softmax"][::2]
    expected = f"{np.mean(rates):.2f} ({min(rates):.2f} to {max(rates):.2f})"
    assert [cell.strip() for cell in row.split("|")][3:6] == ["1", "0 1", expected]


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
    script = project_root / "benchmarks" / "real_speech.sh"
    done = subprocess.run([script, *options], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr and len(done.stderr.splitlines()) == 1


def test_every_line_of_the_runs_is_a_configuration(project_root):
    conf = project_root / "conf"
    text = (project_root / "benchmarks" / "real_speech" / "runs.txt").read_text()
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 20
    for _, system, epochs, seeds, *settings in lines:
        config = load_config(
            conf / "systems" / f"{system}.yaml", conf / "corpora" / "librispeech.yaml", settings
        )
        assert config["system"] == system
        assert epochs.isdigit() and all(seed.isdigit() for seed in seeds.split(","))


def test_the_tables_of_readme_and_results_are_those_of_the_results(tool, project_root):
    documents = [project_root / "README.md", project_root / "RESULTS.md"]
    tool("tables").update(documents, tool("tables").RESULTS, check=True)


def test_a_document_that_is_not_up_to_date_is_refused(tool, tmp_path):
    tables = tool("tables")
    document = tmp_path / "page.md"
    document.write_text("<!-- begin real-speech-runs: x -->\n<!-- end real-speech-runs -->\n")
    with pytest.raises(InputError, match=r"page\.md: not what .*results\.csv says"):
        tables.update([document], tables.RESULTS, check=True)
    document.write_text("<!-- begin real-speech-x: y -->\n<!-- end real-speech-x -->\n")
    with pytest.raises(InputError, match="no such table 'real-speech-x'"):
        tables.update([document], tables.RESULTS)
    document.write_text("nothing\n")
    with pytest.raises(InputError, match="no line '<!-- begin real-speech-"):
        tables.update([document], tables.RESULTS)
    with pytest.raises(InputError, match=r"none\.csv: no results"):
        tables.update([document], tmp_path / "none.csv")


def test_results_with_other_columns_are_refused(tool, tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("name,seed\nsoftmax,0\n")
    with pytest.raises(InputError, match=r"results\.csv:1: expected the columns name,seed,epochs"):
        tool("record").read_rows(path)


@pytest.fixture
def two_recordings(tmp_path):
    """A data directory with 30,000 and with 5 samples at 8 kHz."""
    (tmp_path / "data" / "trials").mkdir(parents=True)
    (tmp_path / "data" / "trials" / "some").write_text("a-1 a-2 target\n")
    wav_scp = {}
    for utterance, length in (("a-1", 30000), ("a-2", 5)):
        path = tmp_path / f"{utterance}.wav"
        soundfile.write(path, np.arange(length, dtype="int16"), 8000)
        wav_scp[utterance] = str(path)
    write_data_dir(tmp_path / "data", wav_scp, {"a-1": "a", "a-2": "a"})
    return tmp_path / "data"


def read(path):
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 8000
    return samples.tolist()


def test_first_seconds_keep_ids_speakers_and_lists(tool, two_recordings, tmp_path):
    out = tmp_path / "out"
    tool("pieces").cut(two_recordings, out, 2.0)
    assert read(out / "wav" / "a-1.wav") == list(range(16000))
    assert read(out / "wav" / "a-2.wav") == list(range(5))
    assert (out / "trials" / "some-2s").read_text() == "a-1 a-2 target\n"
    assert (out / "utt2spk").read_text() == (two_recordings / "utt2spk").read_text()


def test_pieces_follow_each_other_to_the_end(tool, two_recordings, tmp_path):
    out = tmp_path / "out"
    tool("pieces").cut(two_recordings, out, 2.0, pieces=3)
    assert list(read_table(out / "wav.scp")) == ["a-1-1", "a-1-2", "a-2-1"]
    assert read(out / "wav" / "a-1-2.wav") == list(range(16000, 30000))
    assert set(read_table(out / "utt2spk").values()) == {"a"}
    assert not (out / "trials").exists()


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
    for name in ("test", "test_2s"):
        data_dir = tmp_path / "data" / name
        write_data_dir(data_dir, wav_scp, utt2spk)
        (data_dir / "trials").mkdir()
        words = {True: "target", False: "nontarget"}
        lines = [f"{one} {two} {words[utt2spk[one] == utt2spk[two]]}\n" for one, two in pairs]
        (data_dir / "trials" / name).write_text("".join(lines))

    results = tmp_path / "results.csv"
    tool("public_encoder").run(tmp_path / "data", tmp_path / "exp", results)
    rows = tool("record").read_rows(results)
    assert [(row["name"], row["trial_list"], row["eer_percent"]) for row in rows] == [
        ("resemblyzer", "test", "0.00"),
        ("resemblyzer", "test_2s", "0.00"),
    ]
    assert rows[0]["trials"] == "28" and rows[0]["targets"] == "4"

    monkeypatch.setitem(sys.modules, "resemblyzer", None)
    with pytest.raises(InputError, match="pip install resemblyzer"):
        tool("public_encoder").run(tmp_path / "data", tmp_path / "exp", results)


def test_the_means_under_figure_2(tool, tmp_path):
    lines = ["L_H: mean -0.0040 of the bases' cosines (exp/hard_negative/seed0)\n"]
    lines += [
        f"{loss}: mean {mean} of 31375 impostor cosines (exp/{name}/seed{seed})\n"
        for loss, mean, name, seed in [
            ("L_H", "0.012", "hard_negative", 0),
            ("L_H + L_BC", "-0.100", "proposed2", 0),
            ("L_H", "0.200", "hard_negative", 1),
        ]
    ]
    (tmp_path / "impostors.txt").write_text("".join(lines))
    table = tool("tables").impostors_table(tmp_path / "impostors.txt")
    assert table.split("\n")[2:] == [
        "| L_H | 0: 0.012, 1: 0.200 | 0: -0.0040 |",
        "| L_H + L_BC | 0: -0.100 | - |",
    ]
