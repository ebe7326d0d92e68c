"""What run.sh shows, logs and passes on, with a `python` that stands in for the tools."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys

import pytest

TOOL = """\
#!/bin/bash
[ "$1" = -c ] && exec {python} "$@"
name=${{2##*.}} data=data exp=exp
[ "$name" != lock ] || exit 0
for word; do
  case $last in --data) data=$word ;; --exp) exp=$word ;; esac
  last=$word
done
case "$*" in *--check*) exit 0 ;; esac
echo "$PWD $*" >> {folder}/calls
echo "03:04:05 INFO $name is busy"
echo "I0000 00:00:1.0 1 port.cc:153] oneDNN custom operations are on" >&2
echo "at work: $name" >&"$SPEAKER_BASES_CONSOLE"
mkdir -p "$data" "$exp"
[ "$name" != report ] || echo "# Results" > "$exp/RESULTS.md"
if [ -f {folder}/$name ]; then . {folder}/$name; fi
"""


class Recipe:
    """run.sh in a folder of its own; `do` says what a tool does."""

    def __init__(self, script, folder):
        self.script, self.folder = script, folder
        self.data, self.exp = folder / "d", folder / "e"
        tool = folder / "bin" / "python"
        tool.parent.mkdir()
        tool.write_text(TOOL.format(python=sys.executable, folder=folder))
        tool.chmod(0o755)
        self.environment = os.environ | {"PATH": f"{tool.parent}:{os.environ['PATH']}"}
        self.environment.pop("KERAS_BACKEND", None)

    def do(self, tool: str, body: str) -> None:
        (self.folder / tool).write_text(body)

    def command(self, *options):
        places = ["--data", self.data, "--exp", self.exp]
        return [self.script, "--use-active-env", "true", "--systems", "softmax", *places, *options]

    def run(self, *options, cwd=None, **environment):
        return subprocess.run(
            self.command(*options),
            capture_output=True,
            text=True,
            cwd=cwd or self.folder,
            env=self.environment | environment,
        )

    def calls(self):
        return (self.folder / "calls").read_text().splitlines()

    def start(self, *options):
        return subprocess.Popen(
            self.command(*options),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            start_new_session=True,
        )


@pytest.fixture
def recipe(project_root, tmp_path):
    return Recipe(project_root / "run.sh", tmp_path)


def test_the_console_has_stages_and_progress_and_the_logs_the_rest(recipe):
    done = recipe.run()
    assert done.returncode == 0, done.stderr
    stages = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in done.stdout.splitlines()]
    data, exp = recipe.data, recipe.exp
    assert stages == [
        f"stage 0: synthetic -> data directories in {data}",
        f"stage 1: features of {data}/train",
        f"stage 1: features of {data}/test",
        f"stage 2: train {exp}/softmax/seed0",
        f"stage 3: embeddings of {exp}/baseline/seed0",
        f"stage 3: embeddings of {exp}/softmax/seed0",
        f"stage 4: scores of {exp}/baseline/seed0",
        f"stage 4: scores of {exp}/softmax/seed0 by its own back-end",
        f"stage 5: tables and figures in {exp}",
        "# Results",
    ]
    assert len(done.stderr.splitlines()) == 10
    assert all(line.startswith("at work: ") for line in done.stderr.splitlines())
    logs = {str(path.relative_to(recipe.folder)) for path in recipe.folder.rglob("*.log")}
    assert logs == {
        "d/log/prepare.log",
        "d/train/log/features.log",
        "d/test/log/features.log",
        "e/baseline/seed0/log/embed.log",
        "e/baseline/seed0/log/score.log",
        "e/softmax/seed0/log/train.log",
        "e/softmax/seed0/log/embed.log",
        "e/softmax/seed0/log/score.log",
        "e/log/report.log",
    }
    text = (exp / "softmax/seed0/log/train.log").read_text()
    assert "oneDNN" in text and "train is busy" in text
    assert re.match(r"# \d{4}-\d\d-\d\d \d\d:\d\d:\d\d python -m speaker_bases.train ", text)
    again = recipe.run("--stage", "2", "--stop-stage", "2")
    assert again.returncode == 0
    assert (exp / "softmax/seed0/log/train.log").read_text().count("train is busy") == 2


def test_warnings_reach_the_console(recipe):
    recipe.do("train", "for n in 1 2 3 4 5; do echo 03:04:05 WARNING number $n; done")
    done = recipe.run("--stage", "2", "--stop-stage", "2")
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert lines[1:4] == [f"03:04:05 WARNING number {n}" for n in (1, 2, 3)]
    assert lines[4:] == [f"  and 2 more in {recipe.exp}/softmax/seed0/log/train.log"]


def test_why_a_tool_failed_is_its_last_lines_and_where_its_log_is(recipe):
    recipe.do("train", "seq 100 >&2; echo NameError: name >&2; exit 3")
    done = recipe.run("--stage", "2")
    log = recipe.exp / "softmax/seed0/log/train.log"
    lines = done.stderr.splitlines()
    assert done.returncode == 3
    assert lines[1:-1] == [*(str(number) for number in range(82, 101)), "NameError: name"]
    assert lines[-1].startswith("run.sh: error: exit status 3 of python -m speaker_bases.train ")
    assert lines[-1].endswith(f"; all of its output is in {log}")
    assert "1\n2\n3\n" in log.read_text()
    assert "stage 3" not in done.stdout


def test_a_mistake_of_the_users_is_one_line(recipe):
    recipe.do("train", "echo train: error: x.yaml:3: no such loss >&2; exit 1")
    done = recipe.run("--stage", "2")
    log = recipe.exp / "softmax/seed0/log/train.log"
    assert done.returncode == 1
    said = done.stderr.splitlines()[1:]  # the first is the progress
    assert said == [f"train: error: x.yaml:3: no such loss (log: {log})"]


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_is_passed_on_and_waited_for(recipe, name, status):
    """To run.sh alone, as `kill` does; the tool then takes its time to save."""
    gate = recipe.folder / "gate"
    os.mkfifo(gate)
    trap = "trap 'kill $!; echo saved > {0}/saved; exit 130' INT TERM HUP\n"
    wait = "sleep 1000 & echo > {0}/gate; wait; echo not reached > {0}/lost"
    recipe.do("train", (trap + wait).format(recipe.folder))
    with recipe.start("--stage", "2") as process:
        gate.read_text()  # the tool is at work
        process.send_signal(signal.Signals[name])
        said = process.stdout.read()
    assert process.returncode == status, said
    assert (recipe.folder / "saved").exists() and not (recipe.folder / "lost").exists()
    assert said.endswith("run.sh: interrupted; the same command goes on where it stopped\n")
    assert "Terminated" not in said and "stage 3" not in said


def test_all_that_a_tool_has_started_ends_with_it(recipe):
    alive = recipe.folder / "alive"
    os.mkfifo(alive)
    recipe.do("prepare", f"exec 9> {alive}; (trap '' HUP; exec sleep 600) & echo >&9; wait")
    with recipe.start() as process, open(alive, "rb", buffering=0) as pipe:
        assert pipe.read(1) == b"\n"
        process.terminate()
        assert select.select([pipe], [], [], 60)[0] and pipe.read() == b""  # nobody holds it
        process.stdout.read()
    assert process.returncode == 143


def test_a_link_and_another_folder(recipe, project_root):
    """Given paths are of the caller's folder; the tools work in the project's."""
    link, elsewhere = recipe.folder / "links" / "recipe", recipe.folder / "else where"
    link.parent.mkdir()
    elsewhere.mkdir()
    link.symlink_to(recipe.script)
    recipe.script, recipe.data, recipe.exp = link, "data", "../results"
    options = ["--corpus", "librispeech", "--corpus-dir", "corpus", "--plugin", "mine.py"]
    done = recipe.run(*options, "--stop-stage", "0", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    (call,) = recipe.calls()
    assert call.startswith(f"{project_root} -m speaker_bases.kaldi_feats.prepare librispeech ")
    assert f"--data {elsewhere}/data " in call and f"--corpus-dir {elsewhere}/corpus " in call
    assert f"--plugin {elsewhere}/mine.py" in call
    assert (elsewhere / "data" / "log" / "prepare.log").exists()


def test_an_audit_is_all_that_is_done(recipe):
    done = recipe.run("--audit", "true", "--nj", "3", "--plugin", "mine.py")
    assert done.returncode == 0, done.stderr
    (call,) = recipe.calls()
    tool = f"-m speaker_bases.evaluate.audit --data {recipe.data} --exp {recipe.exp}"
    assert call.endswith(f"{tool} --nj 3 --plugin {recipe.folder}/mine.py")


def test_what_is_missing_is_allowed_to_be_in_every_stage(recipe):
    done = recipe.run("--allow-missing", "true", "--stop-stage", "1")
    assert done.returncode == 0, done.stderr
    prepare, *features = recipe.calls()
    assert "kaldi_feats.prepare" in prepare and prepare.endswith("--allow-missing")
    assert len(features) == 2
    assert all("kaldi_feats.extract" in f and "--allow-missing true" in f for f in features)


def test_another_backend_of_keras_is_refused_at_once(recipe):
    done = recipe.run(KERAS_BACKEND="torch")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == (
        "run.sh: error: KERAS_BACKEND is tensorflow or jax for this recipe, not 'torch'\n"
    )
    assert not recipe.data.exists()


def test_on_a_terminal_a_bar_gives_way_to_what_is_said(recipe):
    recipe.do("train", "printf '\\r 50 %%' >&$SPEAKER_BASES_CONSOLE; exit 3")
    reader, writer = pty.openpty()
    try:
        command = recipe.command("--stage", "2")
        process = subprocess.run(
            command, stderr=writer, stdout=subprocess.PIPE, env=recipe.environment
        )
        said = os.read(reader, 100_000).decode()
    finally:
        os.close(reader)
        os.close(writer)
    assert process.returncode == 3
    assert "\r 50 %\r\x1b[K" in said


def test_tests_run_sh_hands_pytest_what_it_does_not_know(project_root, tmp_path):
    folder = tmp_path / "project"
    for name in ("tests/run.sh", "path.sh", "kaldi_feats/parse_options.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project_root / name, folder / name)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("python", "ruff"):
        (commands / name).write_text('#!/bin/bash\n[ "$1" = -c ] || echo "$(basename "$0") $*"\n')
        (commands / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}"}
    options = ["--gpu=false", "--use-active-env", "true", "-x", "--lf", "tests/losses"]
    command = [folder / "tests" / "run.sh", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    last = done.stdout.splitlines()[-1]
    assert last.startswith("python -m pytest ") and last.endswith(" -x --lf tests/losses")
