"""path.sh: which Python it takes, and what it says of an environment that will not do."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

BASH = shutil.which("bash")


@pytest.fixture
def call(project_root, tmp_path):
    """Call a function of path.sh where only the given commands are found; returns the process."""
    commands = tmp_path / "bin"
    commands.mkdir()

    def run(function: str, **scripts: str) -> subprocess.CompletedProcess:
        for name, body in scripts.items():
            (commands / name).write_text(f"#!{BASH}\n{body}\n")
            (commands / name).chmod(0o755)
        return subprocess.run(
            [BASH, "-c", f". ./path.sh; {function}"],
            env={"PATH": str(commands), "USE_ACTIVE_ENV": "true"},
            cwd=project_root,
            capture_output=True,
            text=True,
        )

    return run


def python_of(major: int, minor: int) -> str:
    """The body of a command that believes to be this version, called as ``python -c CODE``."""
    code = f"import sys; sys.version_info = ({major}, {minor}, 0); exec(sys.argv[1])"
    return f'exec "{sys.executable}" -c "{code}" "$2"'


@pytest.mark.parametrize("minor", [10, 11, 12, 13, 14])
def test_the_pythons_that_tensorflow_has_wheels_for(call, project_root, minor):
    done = call("find_python", python3=python_of(3, minor))
    setup = Path(project_root / "setup.py").read_text()
    supported = SpecifierSet(re.search(r'python_requires="(.*?)"', setup)[1])
    assert (f"3.{minor}" in supported) == (11 <= minor <= 13)
    if f"3.{minor}" in supported:
        assert (done.returncode, done.stdout, done.stderr) == (0, "python3\n", "")
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert "no Python 3.11, 3.12 or 3.13 found" in done.stderr
        assert done.stderr.count("\n") == 1


def test_an_environment_that_will_do(call):
    done = call("activate_environment synthetic", python=f'exec "{sys.executable}" "$@"')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_python3_alone_will_not_do(call):
    """The stages call `python`."""
    done = call("activate_environment synthetic", python3=f'exec "{sys.executable}" "$@"')
    assert done.returncode == 1
    assert "there is no command 'python'" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("extras", "remedy"), [("synthetic test", "'.[synthetic,test]'"), ("", "'.'")]
)
def test_why_the_project_cannot_be_imported_is_said(call, extras, remedy):
    body = (
        "printf 'Traceback:\\n  line 1\\nModuleNotFoundError: No module named yaml\\n' >&2; exit 1"
    )
    done = call(f'activate_environment "{extras}"', python=body)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert (
        "bin/python) lacks this project (ModuleNotFoundError: No module named yaml)" in done.stderr
    )
    assert done.stderr.endswith(f"pip install -e {remedy}\n")


@pytest.fixture
def project(project_root, tmp_path):
    """A project of setup.py and path.sh, and stand-ins for the commands that installing needs.

    Returns a function that asks for an environment and gives back the process and what pip was
    asked for, call by call.
    """
    folder, commands = tmp_path / "project", tmp_path / "commands"
    venv = folder / ".venv" / "bin"
    venv.mkdir(parents=True)
    commands.mkdir()
    for name in ("path.sh", "setup.py", "pyproject.toml"):
        shutil.copy(project_root / name, folder / name)
    asked = tmp_path / "asked"
    scripts = {
        venv / "python": "exit 1",
        venv / "pip": f'echo "$PWD $*" >> "{asked}"',
        venv / "activate": f'PATH="{venv}:$PATH"',
        commands / "nvidia-smi": 'printf "%s" "$LISTED"; exit ${FAILS:-0}',
    }
    for path, body in scripts.items():
        path.write_text(f"#!{BASH}\n{body}\n")
        path.chmod(0o755)

    def activate(extras, **environment):
        asked.unlink(missing_ok=True)
        done = subprocess.run(
            [BASH, "-c", f'. "{folder}/path.sh"; activate_environment "{extras}"'],
            env={"PATH": f"{commands}:/usr/bin:/bin", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done, asked.read_text().splitlines() if asked.exists() else []

    activate.folder = folder
    return activate


A_GPU = "GPU 0: NVIDIA H100 (UUID: GPU-1)\n"


@pytest.mark.parametrize(
    ("environment", "extras"),
    [
        ({"LISTED": A_GPU}, "synthetic,gpu"),
        ({"LISTED": A_GPU, "KERAS_BACKEND": "tensorflow"}, "synthetic,gpu"),
        ({"LISTED": A_GPU, "KERAS_BACKEND": "jax"}, "synthetic,jax-gpu"),
        ({"LISTED": A_GPU, "USE_GPU": "false"}, "synthetic"),
        ({"LISTED": "No devices found.\n"}, "synthetic"),
        ({"LISTED": "NVIDIA-SMI has failed\n", "FAILS": "9"}, "synthetic"),
    ],
)
def test_where_there_is_a_gpu_cuda_is_installed_once(project, environment, extras):
    done, calls = project("synthetic", **environment)
    (call,) = calls
    assert call.startswith(f"{project.folder} install ") and call.endswith(f" -e .[{extras}]")
    assert ("with CUDA" in done.stdout) == ("gpu" in extras)
    again, calls = project("synthetic", **environment)
    assert (again.stdout, calls) == ("", [])


def test_the_extras_are_those_of_setup_py(project_root):
    setup = (project_root / "setup.py").read_text()
    for extra in ("gpu", "jax-gpu", "jax", "synthetic", "test"):
        assert re.search(rf'^        "{extra}": ', setup, re.MULTILINE)
