"""How the notebooks are run: in a folder of their own, with this very Python."""

import importlib
import json
import sys

import pytest


@pytest.fixture(scope="session")
def build(project_root):
    """The module notebooks/build.py."""
    return _import(project_root, "build")


@pytest.fixture(scope="session")
def export(project_root):
    """The module notebooks/export.py."""
    return _import(project_root, "export")


@pytest.fixture(scope="session")
def course(project_root):
    """The package notebooks/course."""
    return _import(project_root, "course")


def _import(project_root, name):
    sys.path.insert(0, str(project_root / "notebooks"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


@pytest.fixture
def own_kernel(tmp_path, monkeypatch):
    """A kernel "python3" of this very Python, whatever Jupyter finds on the machine."""
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
