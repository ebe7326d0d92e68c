"""Make the notebooks from their sources: two ``.ipynb`` from each ``notebooks/N_name.py``.

The sources are what is edited, reviewed and linted: Python files in the percent format (``# %%``
begins a cell of code, ``# %% [markdown]`` one of text), which jupytext and most editors open as
notebooks too. ``N_name.ipynb`` is the student's: its exercises have blanks, and it has no outputs.
``N_name.solved.ipynb`` has the answers and the outputs of a run.

    python notebooks/build.py            # after every edit: run the notebooks, minutes
    python notebooks/build.py 3          # only chapter 3
    python notebooks/build.py --check    # only say whether their cells are those of the sources

A word after the ``# %%`` says what is special about a cell:

- ``# %% say``: code whose output is text; Jupyter shows it folded.
- ``# %% [markdown] solved`` and ``# %% solved``: only in the solved notebook.

In a cell of code, what stands between ``# <solution>`` and ``# <blank>`` is only in the solved
notebook, and what stands between ``# <blank>`` and ``# </solution>``, a comment in the source, is
code in the student's::

    def double(x):
        # <solution>
        return 2 * x
        # <blank>
        # return ...
        # </solution>
"""

import argparse
import hashlib
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

NOTEBOOKS = Path(__file__).resolve().parent
TIMEOUT = 2400  # seconds a cell may take; the machine may be busy
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WRONG = "✗"  # what a check that failed begins with
EXERCISE = re.compile(
    r"^ *# <solution>\n(?P<solution>.*?)^ *# <blank>\n(?P<blank>.*?)^ *# </solution>\n?",
    re.MULTILINE | re.DOTALL,
)


def sources() -> list[Path]:
    """The source of each chapter, in their order."""
    return sorted(NOTEBOOKS.glob("[0-9]_*.py"))


def read_source(path: Path, solved: bool) -> nbformat.NotebookNode:
    """A percent-format file as a notebook without outputs, the student's or the solved one."""
    cells = []
    for block in ("\n" + path.read_text(encoding="utf-8")).split("\n# %%")[1:]:
        mark, _, body = block.partition("\n")
        words = mark.split()
        if "solved" in words and not solved:
            continue
        if "[markdown]" in words:
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().split("\n")]
            cells.append(new_markdown_cell("\n".join(lines)))
        else:
            metadata = {"jupyter": {"source_hidden": True}} if "say" in words else {}
            text = _exercises(body.strip() + "\n", solved).strip()
            cells.append(new_code_cell(text, metadata=metadata))
    for number, cell in enumerate(cells):
        cell["id"] = hashlib.sha256(f"{number}{cell.source}".encode()).hexdigest()[:8]
    return new_notebook(cells=cells, metadata=KERNEL)


def _exercises(body: str, solved: bool) -> str:
    def part(match):
        if solved:
            return match["solution"]
        return re.sub(r"^( *)# ?", r"\1", match["blank"], flags=re.MULTILINE)

    return EXERCISE.sub(part, body)


def targets(source: Path) -> dict[Path, nbformat.NotebookNode]:
    """What a source becomes, the student's notebook first."""
    return {
        source.with_suffix(".ipynb"): read_source(source, solved=False),
        source.with_suffix(".solved.ipynb"): read_source(source, solved=True),
    }


def same_cells(one: nbformat.NotebookNode, other: nbformat.NotebookNode) -> bool:
    """Whether two notebooks have the same cells, whatever their outputs."""

    def content(notebook):
        return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]

    return content(one) == content(other)


def lay_out(root: Path) -> None:
    """Make ``root`` a project as far as the notebooks need one: ``notebooks`` and ``conf``."""
    unwanted = shutil.ignore_patterns("*.ipynb", "__pycache__", ".*")
    shutil.copytree(NOTEBOOKS, root / "notebooks", ignore=unwanted)
    shutil.copytree(NOTEBOOKS.parent / "conf", root / "conf")


def execute(notebook: nbformat.NotebookNode, root: Path, again: bool = False) -> None:
    """Run a notebook in place, top to bottom, as if it lay in ``<root>/notebooks``.

    Args:
        notebook: gets its outputs.
        root: a folder that `lay_out` has made; gets whatever the notebook makes.
        again: whether each cell is then run once more, the last one first, as a student does who
            goes back to try something.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
        ValueError: a check finds an answer wrong.
    """
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(root / "notebooks")}}
    client = NotebookClient(notebook, timeout=TIMEOUT, resources=resources, record_timing=False)
    with client.setup_kernel():
        numbered = list(enumerate(notebook.cells))
        for number, cell in numbered + (numbered[::-1] if again else []):
            client.execute_cell(cell, number)
    for number, cell in numbered:
        if cell.cell_type == "code":
            # What TensorFlow says about the machine is of no use elsewhere.
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
            if text(cell.outputs).startswith(WRONG):
                raise ValueError(f"cell {number}: {text(cell.outputs)}")


def text(outputs) -> str:
    """The plain text of outputs."""
    parts = [out.text if "text" in out else out.data.get("text/plain", "") for out in outputs]
    return "".join(parts)


def write(source: Path) -> None:
    """Run a source and write both its notebooks."""
    (student, blanks), (answers, solved) = targets(source).items()
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder))
        began = time.monotonic()
        execute(solved, Path(folder))
        seconds = time.monotonic() - began
    nbformat.write(blanks, student)
    nbformat.write(solved, answers)
    size = answers.stat().st_size / 1e6
    sys.stderr.write(f"{answers.name}: {seconds:.0f} s, {size:.2f} MB\n")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python notebooks/build.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("chapters", nargs="*", help="their numbers (default: all)")
    parser.add_argument("--check", action="store_true", help="run and write nothing")
    args = parser.parse_args(argv)
    stale = 0
    for source in sources():
        if args.chapters and source.name[0] not in args.chapters:
            continue
        if not args.check:
            write(source)
            continue
        for target, notebook in targets(source).items():
            if not (target.exists() and same_cells(nbformat.read(target, 4), notebook)):
                sys.stderr.write(f"{target}: is not {source.name}; python notebooks/build.py\n")
                stale += 1
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
