"""The rooms of the house: which may import which, and what is said in one place only."""

import ast
import re
from pathlib import Path

import pytest

GROUND = "speaker_bases"
ROOMS = {  # what each may import beside the ground floor
    "kaldi_feats": set(),
    "ivector": {"kaldi_feats"},
    "models": set(),
    "losses": set(),
    "train": {"kaldi_feats", "models", "losses", "ivector"},
    "evaluate": {"kaldi_feats", "models", "losses", "ivector"},
    "verify": {"kaldi_feats", "models", "losses", "evaluate"},
    GROUND: set(),
}


def sources(project_root: Path, room: str):
    for path in sorted((project_root / room).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, tree: ast.AST, project_root: Path):
    """Every module that a file imports, by its whole name, and the line."""
    parts = [GROUND, *path.relative_to(project_root).with_suffix("").parts]
    if parts[1] == GROUND:
        del parts[1]
    package = parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - (node.level - 1)] if node.level else []
            module = [*base, *((node.module or "").split(".") if node.module else [])]
            for alias in node.names:
                yield ".".join([*module, alias.name]), node.lineno


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(project_root, room):
    wrong = []
    for path, tree in sources(project_root, room):
        for name, line in imported(path, tree, project_root):
            first, _, rest = name.partition(".")
            to = rest.split(".")[0]
            if first == GROUND and to in ROOMS and to not in {room} | ROOMS[room]:
                wrong.append(f"{path}:{line}: imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ["losses", "models"])
def test_what_runs_on_every_backend_imports_keras_and_numpy_alone(project_root, room):
    standard = {"abc", "collections", "dataclasses", "functools", "json", "math", "operator", "os"}
    standard |= {"numbers", "pathlib", "textwrap", "typing"}
    for path, tree in sources(project_root, room):
        for name, line in imported(path, tree, project_root):
            assert name.split(".")[0] in {"keras", "numpy", GROUND} | standard, f"{path}:{line}"
            assert not name.startswith("keras.src"), f"{path}:{line}: private to Keras"


def test_one_place_spells_the_paths_of_a_run(project_root):
    spelled = re.compile(
        r"""["'](config\.yaml|speakers\.txt|(model|embedder|bvector)\.keras|log\.csv|checkpoints|"""
        r"""tensorboard|embeddings|scores|\.train\.done|lda\.mat|mean\.vec)["']"""
    )
    wrong = []
    for room in ("train", "evaluate"):
        for path, tree in sources(project_root, room):
            for node in ast.walk(tree):  # `folder / "config.yaml"`
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                    text = ast.unparse(node.right)
                    if spelled.fullmatch(text):
                        wrong.append(f"{path}:{node.lineno}: {text}")
    # Scores that are stored for good are no part of a run's folder.
    assert not wrong, "\n".join(wrong)


def test_every_logger_and_every_main_is_written_the_same_way(project_root):
    for room in ROOMS:
        for path, _ in sources(project_root, room):
            text = path.read_text(encoding="utf-8")
            for line in re.findall(r"^\w+ = logging\.getLogger.*$", text, re.MULTILINE):
                assert line == "log = logging.getLogger(__name__)", path
            if "def main(" in text:
                assert text.rstrip().endswith("raise SystemExit(main())"), path
