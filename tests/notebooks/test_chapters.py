"""Every chapter: it runs alone, each cell a second time, and says only what it has measured."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

CHAPTERS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]_*.py"))
MOST_BYTES = 2_000_000  # of a notebook, outputs included
HEADER = ["**Goals.**", "**Time.**", "**You need.**"]
FOOTER = ["## In three lines", "## Exercises", "### Warm-up", "### Code", "### Experiment"]

pytestmark = pytest.mark.parametrize("source", CHAPTERS, ids=lambda path: path.stem)


@pytest.fixture(scope="session")
def made_data(tmp_path_factory):
    """The speech that the notebooks make, once for all of them in the short form."""
    return tmp_path_factory.mktemp("notebooks") / "data_notebooks"


@pytest.fixture
def project(build, request, made_data, tmp_path, monkeypatch):
    """An empty project, but for results of somebody's in exp/ that no notebook may pick up."""
    root = tmp_path / "project"
    build.lay_out(root)
    if not request.config.getoption("--long-notebooks"):
        monkeypatch.setenv("SPEAKER_BASES_SHORT_NOTEBOOKS", "1")
        made_data.mkdir(exist_ok=True)
        (root / "data_notebooks").symlink_to(made_data)
    for system in ("softmax", "center", "am_softmax", "ge2e", "proposed1", "proposed2"):
        run = root / "exp" / system / "seed0"
        run.mkdir(parents=True)
        for name in ("config.yaml", "speakers.txt", "model.keras", "embedder.keras"):
            (run / name).write_text("not what you think\n")
    return root


@pytest.mark.timeout(3000)  # a minute on two free cores, but they may be busy
def test_it_runs_alone_and_every_cell_a_second_time(build, source, own_kernel, project):
    """Its cells assert what it claims, and its checks find its solutions right."""
    before = sorted((project / "exp").rglob("*"))
    notebook = build.read_source(source, solved=True)
    build.execute(notebook, project, again=True)
    assert sorted((project / "exp").rglob("*")) == before


def test_its_notebooks_are_those_of_its_source(build, source):
    """If not: python notebooks/build.py."""
    for path, cells in build.targets(source).items():
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert build.same_cells(notebook, cells), path
        assert path.stat().st_size < MOST_BYTES


def test_the_student_sees_no_answer(build, source):
    student = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert not any(cell.get("outputs") for cell in student.cells)
    assert not any("<solution>" in cell.source for cell in student.cells)


def test_the_outputs_are_whole_and_of_no_particular_machine(build, project_root, source):
    notebook = nbformat.read(source.with_suffix(".solved.ipynb"), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "it was not run"
    outputs = [out for cell in code for out in cell.outputs]
    assert not any(out.output_type == "error" for out in outputs)
    assert str(project_root) not in build.text(outputs) and "/tmp" not in build.text(outputs)
    for out in outputs:
        if "image/png" in out.get("data", {}):
            assert len(out.metadata["image/png"]["alt"]) > 20, "a picture without alt text"


def test_it_begins_and_ends_as_the_others_do(build, source):
    student = build.read_source(source, solved=False)
    prose = [cell.source for cell in student.cells if cell.cell_type == "markdown"]
    assert re.match(rf"# {source.name[0]}\. \S", prose[0])
    assert [each for each in HEADER if each not in prose[0]] == []
    lines = "\n".join(prose).splitlines()
    at = [lines.index(next(line for line in lines if line.startswith(each))) for each in FOOTER]
    assert at == sorted(at)
    in_short = [line for line in lines[at[0] + 1 : at[1]] if line]
    assert sum(line.startswith("- ") for line in in_short) == 3
    assert all(line.startswith(("- ", "  ")) for line in in_short)


def test_numbers_in_prose_are_those_of_the_paper(build, source):
    """What was measured is put into the text by code (`say`), so that it cannot be out of date."""
    for cell in build.read_source(source, solved=True).cells:
        if cell.cell_type != "markdown":
            continue
        for paragraph in re.split(r"\n\s*\n", cell.source):
            text = re.sub(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)", "", paragraph, flags=re.S)
            measured = re.search(r"\d\.\d|\d+ ?%|\d,\d{3}", text)
            assert not measured or re.search(r"paper|VoxCeleb|arXiv", text), paragraph


def test_every_blank_is_noticed(build, course, source):
    """A cell with a check needs the notebook's imports alone."""
    imports, *cells = (
        cell.source
        for cell in build.read_source(source, solved=False).cells
        if cell.cell_type == "code"
    )
    checks = [cell for cell in cells if re.search(r"^check\.\w+\(", cell, re.M)]
    assert len(checks) >= 3
    for cell in checks:
        names = {}
        exec(imports, names)
        *statements, last = ast.parse(cell).body
        exec(compile(ast.Module(statements, []), source.name, "exec"), names)
        verdict = eval(compile(ast.Expression(last.value), source.name, "eval"), names)
        assert not verdict.passed and "three dots" in verdict.text, cell
