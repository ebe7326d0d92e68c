"""Make the notebooks from their sources: ``notebooks/NAME.py`` -> ``notebooks/NAME.ipynb``.

The sources are what is edited, reviewed and linted: Python files in the percent format (``# %%``
begins a cell of code, ``# %% [markdown]`` one of text), which jupytext and most editors open as
notebooks too. The notebooks hold the same cells with the outputs of a run, so that they can be
read without running them; `tests/notebooks` holds the two against each other.

    python notebooks/build.py            # after every edit: run the notebooks, minutes
    python notebooks/build.py --check    # only say whether their cells are those of the sources
"""

import argparse
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

NOTEBOOKS = Path(__file__).resolve().parent
NAMES = ("walkthrough", "use_one_loss")
TIMEOUT = 600  # seconds a cell may take; on two free cores the slowest takes half a minute
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read_source(path: Path) -> nbformat.NotebookNode:
    """A percent-format file as a notebook without outputs."""
    cells = []
    for block in ("\n" + path.read_text(encoding="utf-8")).split("\n# %%")[1:]:
        mark, _, body = block.partition("\n")
        if mark.strip() == "[markdown]":
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().split("\n")]
            cells.append(new_markdown_cell("\n".join(lines)))
        else:
            cells.append(new_code_cell(body.strip()))
    for number, cell in enumerate(cells):
        cell["id"] = hashlib.sha256(f"{number}{cell.source}".encode()).hexdigest()[:8]
    return new_notebook(cells=cells, metadata=KERNEL)


def same_cells(one: nbformat.NotebookNode, other: nbformat.NotebookNode) -> bool:
    """Whether two notebooks have the same cells, whatever their outputs."""

    def content(notebook):
        return [(cell.cell_type, cell.source) for cell in notebook.cells]

    return content(one) == content(other)


def execute(notebook: nbformat.NotebookNode, root: Path) -> None:
    """Run a notebook in place, top to bottom, as if it lay in ``<root>/notebooks``.

    Args:
        notebook: gets its outputs.
        root: an empty folder; gets the notebooks and the project's ``conf``, and whatever the
            notebook makes.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    from nbclient import NotebookClient

    shutil.copytree(NOTEBOOKS, root / "notebooks", ignore=shutil.ignore_patterns("*.ipynb", "_*"))
    shutil.copytree(NOTEBOOKS.parent / "conf", root / "conf")
    resources = {"metadata": {"path": str(root / "notebooks")}}
    NotebookClient(notebook, timeout=TIMEOUT, resources=resources, record_timing=False).execute()
    for cell in notebook.cells:  # what TensorFlow says about the machine is of no use elsewhere
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python notebooks/build.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", help=f"of {' '.join(NAMES)} (default: all)")
    parser.add_argument("--check", action="store_true", help="run and write nothing")
    args = parser.parse_args(argv)
    stale = 0
    for name in args.names or NAMES:
        target = NOTEBOOKS / f"{name}.ipynb"
        notebook = read_source(NOTEBOOKS / f"{name}.py")
        if args.check:
            if not (target.exists() and same_cells(nbformat.read(target, 4), notebook)):
                sys.stderr.write(f"{target}: is not {name}.py; run python notebooks/build.py\n")
                stale += 1
            continue
        with tempfile.TemporaryDirectory() as folder:
            execute(notebook, Path(folder))
        nbformat.write(notebook, target)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
