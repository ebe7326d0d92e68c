"""notebooks/build.py: one source, two notebooks."""

import shutil
import subprocess
import sys

import pytest

SOURCE = """\
# %% [markdown]
# # Title
#
# Text

# %%
def double(x):
    # <solution>
    return 2 * x
    # <blank>
    # ...  # your code
    # </solution>


double(1)

# %% say
print(1)

# %% [markdown] solved
# The answer.

# %% solved
print(2)
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "0_a.py"
    path.write_text(SOURCE)
    return path


def test_a_source_becomes_two_notebooks(build, source):
    student, solved = build.targets(source).values()
    assert [cell.cell_type for cell in solved.cells] == [
        "markdown",
        *["code"] * 2,
        "markdown",
        "code",
    ]
    assert solved.cells[0].source == "# Title\n\nText"
    assert solved.cells[1].source == "def double(x):\n    return 2 * x\n\n\ndouble(1)"
    assert student.cells[1].source == "def double(x):\n    ...  # your code\n\n\ndouble(1)"
    assert [cell.source for cell in student.cells[2:]] == ["print(1)"]
    assert student.cells[2].metadata == {"jupyter": {"source_hidden": True}}


def test_another_cell_is_another_notebook(build, source):
    one = build.read_source(source, solved=True)
    source.write_text(SOURCE.replace("2 * x", "3 * x"))
    assert not build.same_cells(one, build.read_source(source, solved=True))


@pytest.mark.parametrize(("answer", "passes"), [("✓ yes.", True), ("✗ no.", False)])
def test_a_check_that_fails_stops_the_run(build, source, own_kernel, tmp_path, answer, passes):
    source.write_text(f"# %%\nprint({answer!r})\n\n# %%\n1 + 1\n")
    notebook = build.read_source(source, solved=True)
    build.lay_out(tmp_path / "project")
    if not passes:
        with pytest.raises(ValueError, match="cell 0: ✗ no"):
            build.execute(notebook, tmp_path / "project")
        return
    build.execute(notebook, tmp_path / "project")
    assert [build.text(cell.outputs) for cell in notebook.cells] == ["✓ yes.\n", "2"]


def test_a_cell_that_does_not_run_twice_fails(build, source, own_kernel, tmp_path):
    source.write_text("# %%\nx = [1]\n\n# %%\nprint(x[0])\n\n# %%\nx = 1\n")
    notebook = build.read_source(source, solved=True)
    build.lay_out(tmp_path / "project")
    build.execute(notebook, tmp_path / "project")
    with pytest.raises(Exception, match="not subscriptable"):
        build.execute(notebook, tmp_path / "project", again=True)


def test_the_builder_says_which_notebook_is_stale(project_root, source, tmp_path):
    shutil.copy(project_root / "notebooks/build.py", tmp_path)
    command = [sys.executable, str(tmp_path / "build.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    stale = [tmp_path / "0_a.ipynb", tmp_path / "0_a.solved.ipynb"]
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(path) for path in stale]
