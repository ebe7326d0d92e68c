"""The notebooks run top to bottom, alone, and are what their sources say."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest

NAMES = ["walkthrough", "use_one_loss"]
MOST_BYTES = 2_000_000  # of all notebooks together, outputs included


@pytest.fixture(scope="module")
def notebooks(project_root):
    return project_root / "notebooks"


@pytest.fixture(scope="module")
def build(notebooks):
    """The module notebooks/build.py."""
    spec = importlib.util.spec_from_file_location("build_notebooks", notebooks / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def own_kernel(tmp_path, monkeypatch):
    """A kernel "python3" of this very Python, whatever Jupyter finds on the machine."""
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))


def first_cells(build, notebooks, containing):
    """The walk-through up to the cell that contains a text."""
    notebook = build.read_source(notebooks / "walkthrough.py")
    last = next(at for at, cell in enumerate(notebook.cells) if containing in cell.source)
    notebook.cells = notebook.cells[: last + 1]
    return notebook


def printed(notebook):
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return "".join(out.text for out in outputs if out.output_type == "stream")


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_has_the_cells_of_its_source(build, notebooks, name):
    """If not: python notebooks/build.py."""
    notebook = nbformat.read(notebooks / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert build.same_cells(notebook, build.read_source(notebooks / f"{name}.py"))


def test_another_cell_is_another_notebook(build, tmp_path):
    source = tmp_path / "a.py"
    source.write_text("# %% [markdown]\n# # Title\n#\n# Text\n\n# %%\nx = 1\n\n# %%\nprint(x)\n")
    one = build.read_source(source)
    assert [cell.cell_type for cell in one.cells] == ["markdown", "code", "code"]
    assert one.cells[0].source == "# Title\n\nText"
    source.write_text(source.read_text().replace("x = 1", "x = 2"))
    assert not build.same_cells(one, build.read_source(source))


def test_the_outputs_are_small_and_of_no_particular_machine(notebooks):
    files = [notebooks / f"{name}.ipynb" for name in NAMES]
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    for file in files:
        notebook = nbformat.read(file, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code), f"{file} was not run"
        errors = [out for cell in code for out in cell.outputs if out.output_type == "error"]
        assert not errors
        text = printed(notebook)
        assert str(notebooks.parent) not in text and "/tmp" not in text


@pytest.mark.timeout(3000)  # two minutes on two free cores, but they may be busy
@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_runs_alone(build, notebooks, own_kernel, tmp_path, name):
    """Its cells assert what it claims."""
    if name == "walkthrough":
        pytest.importorskip("espeakng_loader", reason="the walk-through makes synthetic speech")
    notebook = build.read_source(notebooks / f"{name}.py")
    build.execute(notebook, tmp_path / "project")


def test_the_walkthrough_takes_the_data_of_run_sh(build, notebooks, own_kernel, tmp_path):
    root = tmp_path / "project"
    for marker in ("data/test/trials/synthetic", "data/test/feats.scp"):
        (root / marker).parent.mkdir(parents=True, exist_ok=True)
        (root / marker).touch()
    notebook = first_cells(build, notebooks, containing="was_run = ")
    notebook.cells[-1].source += "\nprint('uses', DATA)"
    build.execute(notebook, root)
    assert "uses data\n" in printed(notebook)
    assert not (root / "data_walkthrough").exists()


def test_without_espeak_the_walkthrough_says_what_to_install(
    build, notebooks, own_kernel, tmp_path, monkeypatch
):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(
        "import importlib.metadata as metadata\n"
        "version = metadata.version\n"
        "def without_espeak(name):\n"
        "    if name == 'espeakng-loader':\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return version(name)\n"
        "metadata.version = without_espeak\n"
    )
    paths = [str(tmp_path / "hidden"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    notebook = first_cells(build, notebooks, containing="was_run = ")
    with pytest.raises(Exception, match="pip install -e"):
        build.execute(notebook, tmp_path / "project")


def test_the_builder_says_which_notebook_is_stale(build, notebooks, tmp_path):
    folder = tmp_path / "notebooks"
    shutil.copytree(notebooks, folder)
    with open(folder / "use_one_loss.py", "a", encoding="utf-8") as file:
        file.write("\n# %%\n1 + 1\n")
    command = [sys.executable, str(folder / "build.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "use_one_loss.py" in done.stderr and "walkthrough" not in done.stderr
