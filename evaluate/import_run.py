"""Somebody else's embeddings and scores as a run, so that every tool here works on them."""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..command_line import InputError, run_tool, whole_number
from ..files import remove_temporary
from ..kaldi_feats.data_dir import quoted, read_table
from ..kaldi_feats.entries import walk
from ..kaldi_feats.reader import VectorWriter, read_vectors
from ..lock import locked
from ..run_dir import RunDir
from .score_file import read_scores, write_scores
from .trial_list import load_trial_list

SYSTEM = "imported"
"""What the configuration of such a run calls its system."""

BACKEND = "imported"
"""What its score files are called among those of the back-ends."""

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Make a run of embeddings and score files; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.import_run",
        description="Put embeddings of another toolkit (Kaldi's ark or scp, NumPy's npz, or text) "
        "and score files into a run's folder, such as exp/ecapa/seed0. Stage 4 then scores its "
        "embeddings by any back-end that needs no network of ours, and stage 5 and the other "
        "tools take it like a run that was trained here.",
    )
    parser.add_argument("--run", type=Path, required=True, help="its folder, EXP/NAME/seedK")
    parser.add_argument("--title", default="", help="what made it, for the tables")
    parser.add_argument(
        "--embeddings",
        action="append",
        default=[],
        metavar="SET=FILE",
        help="of one set, such as test=vectors.ark; may be repeated",
    )
    parser.add_argument(
        "--scores",
        action="append",
        default=[],
        metavar="LIST=FILE",
        help="lines 'enrol test score' of a list in DIR/trials; may be repeated",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="with --scores: the test set")
    parser.add_argument("--train-dir", type=Path, metavar="DIR", help="whose speakers trained it")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="(%(default)s)")
    args = parser.parse_args(argv)
    if args.scores and args.data_dir is None:
        parser.error("--scores needs --data-dir, where the lists are")
    if not args.scores and not args.embeddings:
        parser.error("nothing to import: give --embeddings, --scores or both")
    return run_tool(lambda: _import(args))


def _import(args: argparse.Namespace) -> None:
    run = RunDir(args.run)
    embeddings = {name: read_embeddings(path) for name, path in _pairs(args.embeddings)}
    scores = {}
    for name, path in _pairs(args.scores):
        trials = load_trial_list(args.data_dir, name)
        scores[name] = trials, read_scores(path, trials.trials, trials.path)
    speakers = []
    if args.train_dir:
        speakers = sorted(set(read_table(args.train_dir / "utt2spk").values()))
    if run.config.exists() and run.read_config().get("system") != SYSTEM:
        raise InputError(f"{run.path}: holds a run that was trained here; choose another --run")
    with locked(run.lock, f"importing {run.path}"):
        remove_temporary(run.path)
        for name, (utterances, vectors) in embeddings.items():
            with VectorWriter(run.embeddings(name)) as writer:
                for utterance, vector in zip(utterances, vectors, strict=True):
                    writer.write(utterance, vector)
            log.info("%s: %d embeddings of %d values", run.embeddings(name), *vectors.shape)
        for name, (trials, values) in scores.items():
            path = run.scores(name, BACKEND)
            write_scores(path, trials.trials, values)
            log.info("%s: %d trials", path, len(values))
        run.write_speakers(speakers)
        title = args.title or f"imported: {run.system}"
        config = {"system": SYSTEM, "title": title, "loss": title, "seed": args.seed}
        backend = {} if embeddings else {"backend": BACKEND}
        run.write_config(config | backend | {"features": {}})


def _pairs(texts: list[str]) -> Iterator[tuple[str, Path]]:
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not name or "/" in name or name.startswith(("-", ".")):
            raise InputError(f"{text!r}: expected NAME=FILE")
        yield name, Path(path)


def read_embeddings(path: Path) -> tuple[list[str], np.ndarray]:
    """Read a table of embeddings in one of the forms in circulation.

    Args:
        path: Kaldi's ``.scp``, or its ark, binary or text (``utterance [ 1 2 ]``); ``.npz`` with
            the arrays ``utterances`` and ``embeddings``, or with an array an utterance; or
            text lines of an utterance and its numbers.

    Returns:
        The utterances, and (utterances, dim) float32.

    Raises:
        InputError: with file and line where there is one: the file is none of these, an utterance
            comes twice, or vectors differ in length, are not finite or all zeros.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".scp":
        utterances, vectors = read_vectors(path)
    elif path.suffix == ".npz":
        utterances, vectors = _of_npz(path)
    else:
        with open(path, "rb") as file:
            binary = b"\0B" in file.read(4096)
        utterances, vectors = _of_ark(path) if binary else _of_text(path)
    if len(set(utterances)) < len(utterances):
        twice = next(name for name in utterances if utterances.count(name) > 1)
        raise InputError(f"{path}: the utterance {quoted(twice)} comes twice")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1))
    if len(bad):
        name = quoted(utterances[bad[0]])
        raise InputError(f"{path}: the embedding of {name} is not finite, or all zeros")
    return utterances, vectors


def _of_npz(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # NumPy and zip have one for each way of being damaged
        raise InputError(f"{path}: cannot be read: {' '.join(str(error).split())[:200]}") from error
    if arrays.keys() == {"utterances", "embeddings"}:
        utterances, vectors = arrays["utterances"].astype(str).tolist(), arrays["embeddings"]
    else:
        utterances, vectors = list(arrays), _stacked(path, list(arrays.values()))
    if vectors.ndim != 2 or len(vectors) != len(utterances) or vectors.dtype.kind not in "fiu":
        raise InputError(f"{path}: expected (utterances, dim) numbers, found {vectors.shape}")
    return utterances, vectors.astype(np.float32)


def _of_ark(path: Path) -> tuple[list[str], np.ndarray]:
    utterances, vectors = zip(*walk(path), strict=True)
    return list(utterances), _stacked(path, list(vectors)).astype(np.float32)


def _of_text(path: Path) -> tuple[list[str], np.ndarray]:
    utterances, vectors = [], []
    try:
        lines = path.read_bytes().decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: neither an ark of Kaldi's nor UTF-8 text") from None
    for number, line in enumerate(lines, start=1):
        utterance, _, rest = line.strip().partition(" ")
        values = rest.replace("[", " ").replace("]", " ").replace(",", " ").split()
        try:
            vectors.append(np.array(values, dtype=np.float64).astype(np.float32))
        except ValueError:
            values = []
        if not utterance or not values:
            raise InputError(f"{path}:{number}: expected an utterance and its numbers")
        utterances.append(utterance)
        if len(vectors[-1]) != len(vectors[0]):
            raise InputError(
                f"{path}:{number}: {len(vectors[-1])} numbers, and {len(vectors[0])} in line 1"
            )
    return utterances, _stacked(path, vectors)


def _stacked(path: Path, vectors: list[np.ndarray]) -> np.ndarray:
    shapes = {vector.shape for vector in vectors}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise InputError(f"{path}: expected vectors of one length; found {sorted(shapes)[:3]}")
    return np.stack(vectors)


if __name__ == "__main__":
    raise SystemExit(main())
