"""What other back-ends than the cosine make of trained runs: a CSV and the table in the page.

Scores every run of EXP that is trained, on every list, by each back-end; those that learn from the
training set need its embeddings (stage 3) and are left out for a run that has none. i-vectors are
scored by PLDA alone. Lines of runs that are not under EXP stay in the CSV.
"""

import argparse
import csv
from pathlib import Path

from speaker_bases.command_line import InputError, run_tool
from speaker_bases.evaluate.backends import BACKENDS
from speaker_bases.evaluate.comparison import compare_systems
from speaker_bases.evaluate.score import score
from speaker_bases.evaluate.score_file import read_scores
from speaker_bases.evaluate.trial_list import load_trial_list, trial_lists
from speaker_bases.files import atomic_write
from speaker_bases.run_dir import RunDir, runs

COLUMNS = ["system", "seed", "trial_list", "backend", "eer_percent", "less_cosine", "low", "high"]
COLUMNS += ["p_better", "commit"]
AUTHORS = {"embedding_dropout": 0.2, "input_dropout": 0.0}
OTHERS = {
    "as-norm-bases": ("as-norm-bases", {}),
    "as-norm-means": ("as-norm-means", {}),
    "plda": ("plda", {}),
    "bvector": ("bvector", {}),
    "bvector, pairs by speaker": ("bvector", {"pairs_by": "speakers"}),
    "bvector, dropout on embeddings": ("bvector", AUTHORS),
    "bvector, both": ("bvector", {"pairs_by": "speakers", **AUTHORS}),
}
"""What a row of the table calls it: the back-end and its settings. The last two are nearer to the
authors' later code."""


def main(argv: list[str] | None = None) -> int:
    """Write the CSV; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--exp", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True, help="the test set")
    parser.add_argument("--train-dir", type=Path, required=True)
    parser.add_argument("--commit", required=True, help="that the runs were made with")
    parser.add_argument("--csv", type=Path, default=Path("docs/real-speech/backends.csv"))
    args = parser.parse_args(argv)
    return run_tool(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    rows = []
    for run in runs(args.exp):
        labels = (
            list(OTHERS) if run.model.is_file() else ["plda"] if run.extractor.is_file() else []
        )
        for label in labels:
            rows += rows_of(run, label, args.data_dir, args.train_dir, args.commit)
    if not rows:
        raise InputError(f"{args.exp}: no trained run")
    made = {(row["system"], row["seed"]) for row in rows}
    if args.csv.is_file():
        with open(args.csv, newline="", encoding="utf-8") as file:
            before = list(csv.DictReader(file))
        rows = [row for row in before if (row["system"], row["seed"]) not in made] + rows
    with atomic_write(args.csv) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def rows_of(
    run: RunDir, label: str, data_dir: Path, train_dir: Path, commit: str
) -> list[dict[str, str]]:
    """A line for each list: the back-end's EER, and its difference from the cosine's."""
    backend, settings = OTHERS[label]
    needs_training_set = backend != "as-norm-bases"
    if needs_training_set and not run.embeddings(train_dir.resolve().name).is_file():
        return []
    found = BACKENDS.find(backend)
    found.fit(run, train_dir, {**found.settings, **settings})
    rows = []
    for name in trial_lists(data_dir):
        trials = load_trial_list(data_dir, name)
        for each in ("cosine", backend):
            score(run, data_dir, [name], each)
        scores = {
            each: read_scores(run.scores(name, each), trials.trials, trials.path)[None]
            for each in (backend, "cosine")
        }
        speakers = trials.enrol_speakers, trials.test_speakers
        (pair,) = compare_systems(scores, trials.is_target, *speakers, named=[(backend, "cosine")])
        figures = (pair.eer.rate_a, pair.eer.value, pair.eer.low, pair.eer.high)
        values = [run.system, str(run.read_config()["seed"]), name, label]
        values += [f"{figure:.2f}" for figure in figures]
        values += [f"{pair.eer.probability:.3f}", commit]
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
