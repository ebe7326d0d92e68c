"""run.sh from nothing to a table, on a synthetic corpus of a few speakers."""

import csv
import os
import re
import signal
import subprocess
import time

import pytest

from speaker_bases.run_dir import RunDir

SMALL = [
    "--prepare-opts",
    "--train-speakers 5 --train-utterances 4 --test-speakers 3 --test-utterances 2",
    "--train-opts",
    "--set crop_frames=32 --set epochs=2 --set batch.size=10",
]


@pytest.fixture(scope="module")
def recipe(project_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    places = ["--data", str(folder / "my data"), "--exp", str(folder / "my exp")]
    command = [str(project_root / "run.sh"), "--use-active-env", "true", *places, *SMALL]

    def run(*options):
        return subprocess.run([*command, *options], capture_output=True, text=True, cwd=folder)

    run.command, run.folder = command, folder
    return run


def wait_for(log, text, process):
    """Until a log has a text."""
    while not (log.exists() and text in log.read_text()):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)


def read_results(exp):
    with open(exp / "results.csv", newline="") as file:
        return {row["system"]: row for row in csv.DictReader(file)}


def test_an_interrupted_recipe_goes_on_to_its_table_and_then_has_nothing_to_do(recipe):
    exp = recipe.folder / "my exp"
    trained = RunDir(exp / "softmax" / "seed0")
    process = subprocess.Popen(
        [*recipe.command, "--systems", "softmax"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for(trained.logs / "train.log", "Epoch 1/2", process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said = process.stdout.read()
    assert process.wait() == 130, said
    assert said.endswith("run.sh: interrupted; the same command goes on where it stopped\n")
    assert len(list(trained.checkpoints.glob("*.npz"))) == 1 and not trained.model.exists()
    assert not (exp / "results.csv").exists()

    finished = recipe("--systems", "softmax")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    results = read_results(exp)
    assert set(results) == {"baseline", "softmax"}
    assert results["softmax"]["trials"] == "15"  # all pairs of 6 utterances
    assert results["softmax"]["targets"] == "3"
    assert results["softmax"]["paper_eer_percent"] == ""  # not VoxCeleb
    table = (exp / "RESULTS.md").read_text()
    assert "ynthetic" in table and "not run" in table and table.strip() in finished.stdout
    before_the_table = finished.stdout.partition(table.strip())[0] + finished.stderr
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in before_the_table.splitlines())

    outputs = [trained.model, trained.embeddings("test"), trained.scores("synthetic")]
    before = [path.stat().st_mtime_ns for path in outputs]
    again = recipe("--systems", "softmax")
    assert again.returncode == 0, again.stdout + again.stderr
    assert [path.stat().st_mtime_ns for path in outputs] == before
    assert read_results(exp) == results


def test_a_changed_option_redoes_the_stages_behind_it(recipe):
    """On what the test above left: other speakers' speech, so other everything."""
    exp = recipe.folder / "my exp"
    scores = RunDir(exp / "softmax" / "seed0").scores("synthetic")
    before = scores.read_text()
    changed = recipe("--systems", "softmax", "--prepare-opts", SMALL[1] + " --seed 1")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    assert scores.read_text() != before
    assert (exp / "softmax" / "superseded" / "seed0-1" / "config.yaml").exists()
    log = RunDir(exp / "softmax" / "seed0").logs / "train.log"
    assert "moved to" in log.read_text() and "WARNING" in changed.stderr


def test_a_mistake_in_any_system_is_found_before_the_first_is_trained(recipe):
    prepared = recipe("--stop-stage", "1")
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    options = f"{SMALL[3]} --set losses.softmax=null"  # that was its only one
    systems = ["--systems", "am_softmax softmax", "--stage", "2", "--train-opts", options]
    run = recipe(*systems, "--exp", str(recipe.folder / "none"))
    assert run.returncode == 1
    assert "conf/systems/softmax.yaml" in run.stderr and "found none" in run.stderr
    assert run.stderr.count("\n") == 1
    assert not (recipe.folder / "none").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epoch", "3"], "unknown option --epoch; see ./run.sh --help"),
        (["--stage"], "--stage takes a value"),
        (["3"], "unexpected argument 3"),
        (["--stage", "6"], "--stage and --stop-stage are 0 to 5"),
        (["--corpus", "timit"], "no such corpus 'timit'"),
        (["--systems", "softmax nosuch"], "no such system 'nosuch'"),
        (["--stage", "4", "--stop-stage", "3"], "--stage 4 is behind --stop-stage 3"),
        (["--seeds", "0 x"], "--seeds are whole numbers, not 'x'"),
        (["--seeds", ""], "--seeds is empty"),
        (["--seeds", " "], "--seeds is empty"),
        (["--systems", " "], "--systems is empty"),
        (["--use-active-env", "yes"], "--use-active-env is true or false, not 'yes'"),
        (["--use-active-env", "True"], "--use-active-env is true or false, not 'True'"),
        (
            ["--corpus", "librispeech", "--download", "yes"],
            "--download is true or false, not 'yes'",
        ),
        (["--nj", "x"], "--nj is a whole number, 1 or more, not 'x'"),
        (["--nj", "0"], "--nj is a whole number, 1 or more, not '0'"),
        (["--nj", ""], "--nj is a whole number, 1 or more, not ''"),
        (["--epochs", "2.5"], "--epochs is a whole number, 1 or more, not '2.5'"),
        (
            ["--corpus", "librispeech", "--corpus-dir", "no/such/folder"],
            "no/such/folder",
        ),
    ],
)
def test_a_wrong_option_is_one_line_and_changes_nothing(
    recipe, project_root, tmp_path, options, message
):
    places = ["--data", str(tmp_path / "data"), "--exp", str(tmp_path / "exp")]
    command = [str(project_root / "run.sh"), "--use-active-env", "true", *places, *options]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert message in run.stderr and run.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_explains_every_option(project_root):
    run = subprocess.run(
        [str(project_root / "run.sh"), "--help"], capture_output=True, text=True, check=True
    )
    for option in ("stage", "stop-stage", "corpus", "corpus-dir", "trials", "systems", "seeds"):
        assert f"--{option}=" in run.stdout
    for option in ("data", "exp", "nj", "epochs", "backend", "use-active-env"):
        assert f"--{option}=" in run.stdout
    assert run.stderr == ""
