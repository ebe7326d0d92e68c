"""benchmarks/real_speech.sh: from a corpus to lines of results, and from those to tables."""

import csv
import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from speaker_bases.kaldi_feats.data_dir import write_data_dir
from speaker_bases.kaldi_feats.files import InputError
from speaker_bases.train.config import load_config

RUNS = """\
# name      system     epochs  seeds  settings
softmax        softmax    1       0,1
proposed2-h20  proposed2  1       0      losses.hard_negative.num_negatives=20
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
    command += ["--data", tmp_path / "data", "--exp", tmp_path / "exp"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    rows = tool("record").read_rows(results)
    of_list = [(row["name"], row["seed"], row["epochs"]) for row in rows[::2]]
    assert of_list == [
        ("baseline", "0", "0"),
        ("softmax", "0", "1"),
        ("softmax", "1", "1"),
        ("proposed2-h20", "0", "1"),
    ]
    assert {row["trial_list"] for row in rows} == {"test-other", "test-other-2s"}
    assert {row["trials"] for row in rows} == {"4950"}
    # The rates are those of the score files, and 2 s are harder than all of it.
    assert [row["eer_percent"] for row in rows[:2]] == ["21.00", "23.22"]
    assert "num_negatives=20" in rows[-1]["command"] and rows[-1]["settings"] in rows[-1]["command"]

    before = results.read_bytes()
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Epoch" not in again.stdout and results.read_bytes() == before

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


def test_first_seconds_keep_ids_speakers_and_lists(tool, tmp_path):
    long, short = np.arange(30000, dtype="int16"), np.arange(5, dtype="int16")
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "trials").mkdir(parents=True)
    (data / "trials" / "some").write_text("a-1 a-2 target\n")
    wav_scp = {}
    for utterance, samples in (("a-1", long), ("a-2", short)):
        soundfile.write(tmp_path / f"{utterance}.wav", samples, 8000)
        wav_scp[utterance] = str(tmp_path / f"{utterance}.wav")
    write_data_dir(data, wav_scp, {"a-1": "a", "a-2": "a"})
    tool("first_seconds").cut(data, out, 2.0)
    samples, rate = soundfile.read(out / "wav" / "a-1.wav", dtype="int16")
    assert rate == 8000
    np.testing.assert_array_equal(samples, long[:16000])
    np.testing.assert_array_equal(soundfile.read(out / "wav" / "a-2.wav", dtype="int16")[0], short)
    assert (out / "trials" / "some-2s").read_text() == "a-1 a-2 target\n"
    assert (out / "utt2spk").read_text() == (data / "utt2spk").read_text()
    with open(out / "wav.scp", newline="") as file:
        assert [line[0] for line in csv.reader(file, delimiter=" ")] == ["a-1", "a-2"]
