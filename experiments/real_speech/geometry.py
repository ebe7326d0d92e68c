"""Where training speakers lie, trained with and without L_BC: the paper's Figure 2 on real speech.

For every trained run of EXP with bases and with embeddings of its training set (stage 3), a line
of the CSV: the mean cosine between two speakers' mean embeddings, which Figure 2 shows; between
their bases, which L_BC lowers; and between an utterance's embedding and its speaker's basis, which
Figure 1 shows. And the figure: the first seed of each system of `PAIRS`.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from speaker_bases.command_line import InputError, run_tool
from speaker_bases.evaluate.figures import main as figures
from speaker_bases.evaluate.speaker_space import impostor_cosines, load_bases
from speaker_bases.evaluate.training_set import read_training_set
from speaker_bases.files import atomic_write
from speaker_bases.run_dir import RunDir, runs

COLUMNS = ["system", "seed", "speakers", "dim", "means", "means_sd", "bases", "own_basis", "commit"]
PAIRS = (("center", "proposed1"), ("hard_negative", "proposed2"))
"""The same losses without and with L_BC."""


def main(argv: list[str] | None = None) -> int:
    """Write the CSV and draw the figure; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--exp", type=Path, required=True)
    parser.add_argument("--train-dir", type=Path, required=True)
    parser.add_argument("--commit", required=True, help="that the runs were made with")
    parser.add_argument("--csv", type=Path, default=Path("docs/real-speech/geometry.csv"))
    parser.add_argument("--figure", type=Path, default=Path("docs/real-speech/figure2.png"))
    args = parser.parse_args(argv)
    return run_tool(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    name = args.train_dir.resolve().name
    found = [
        run for run in runs(args.exp) if run.model.is_file() and run.embeddings(name).is_file()
    ]
    lines = list(filter(None, (line_of(run, args.train_dir, args.commit) for run in found)))
    if not lines:
        raise InputError(f"{args.exp}: no run with bases and embeddings of {args.train_dir}")
    with atomic_write(args.csv) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    first = {line["system"]: line["seed"] for line in reversed(lines)}
    drawn = [
        str(args.exp / system / f"seed{first[system]}")
        for pair in PAIRS
        for system in pair
        if system in first
    ]
    if drawn:
        words = ["impostors", "--runs", *drawn, "--data-dir", str(args.train_dir)]
        if figures([*words, "--out", str(args.figure)]):
            raise InputError(f"{args.figure}: not drawn")


def line_of(run: RunDir, train_dir: Path, commit: str) -> dict[str, str] | None:
    """The line of a run, or None if it has no bases (GE2E)."""
    try:
        bases = load_bases(run)
    except InputError:
        return None
    space = read_training_set(run, train_dir)
    cosines = impostor_cosines(space.means())
    unit = space.embeddings / np.linalg.norm(space.embeddings, axis=1, keepdims=True)
    directions = bases / np.linalg.norm(bases, axis=1, keepdims=True)
    own = np.sum(unit * directions[space.labels], axis=1)
    seed = str(run.read_config()["seed"])
    sizes = [str(size) for size in bases.shape]
    figures = (cosines.mean(), cosines.std(), impostor_cosines(bases).mean(), own.mean())
    values = [run.system, seed, *sizes, *(f"{figure:.4f}" for figure in figures), commit]
    return dict(zip(COLUMNS, values, strict=True))


if __name__ == "__main__":
    raise SystemExit(main())
