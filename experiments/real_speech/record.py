"""The results of real_speech.sh: one CSV line a run and trial list, added when it is scored.

The scores themselves are stored beside the CSV, in scores/.
"""

import argparse
import csv
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from speaker_bases.command_line import InputError, run_tool
from speaker_bases.error_rates import eer, min_dcf
from speaker_bases.evaluate.interval import eer_interval
from speaker_bases.evaluate.score_file import read_scores
from speaker_bases.evaluate.stored_scores import write_list, write_scores
from speaker_bases.evaluate.trial_list import TrialList, load_trial_list, trial_lists
from speaker_bases.files import atomic_write
from speaker_bases.run_dir import RunDir, read_log

CODE = ["conf", "speaker_bases", "kaldi_feats", "ivector", "models", "losses", "train", "evaluate"]
KEY = ["name", "seed", "epochs", "trial_list"]
COLUMNS = [
    *KEY,
    "loss",
    "data",
    "settings",
    "steps",
    "trials",
    "targets",
    "eer_percent",
    "eer_low",
    "eer_high",
    "min_dcf_0.01",
    "first_loss",
    "last_loss",
    "train_seconds",
    "dtype",
    "keras_backend",
    "device",
    "commit",
    "date",
    "command",
]
"""Rates in percent, the ends of the EER's 95 % interval too; losses are means over an epoch."""


def main(argv: list[str] | None = None) -> int:
    """Add the lines of one run to the results; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, required=True, help="the results")
    parser.add_argument("--run", type=Path, required=True, help="EXP/NAME/seed<k>, scored")
    parser.add_argument("--data-dir", type=Path, required=True, help="the test set")
    parser.add_argument("--trained-on", default="", help="the name of the training set")
    parser.add_argument("--settings", default="", help="what differs from the system's YAML")
    parser.add_argument("--command", default="", help="what trained it")
    args = parser.parse_args(argv)
    return run_tool(
        lambda: record(
            args.csv, args.run, args.data_dir, args.trained_on, args.settings, args.command
        )
    )


def record(
    path: Path, run: Path, data_dir: Path, trained_on: str, settings: str, command: str
) -> None:
    """Add one line for every trial list, in place of one with the same `KEY`; store the scores.

    Args:
        path: the CSV, made if it is not there.
        run: a run's folder with its scores by its own back-end, the cosine if it names none; the
            baseline has no training.
        data_dir: the test set whose lists were scored.
        trained_on: the name of the training set, for its column.
        settings: what differs from the system's YAML, for its column.
        command: what trained the system, for the last column.

    Raises:
        InputError: scores are missing or are not those of the list.
    """
    run = RunDir(run)
    rows = read_rows(path)
    about = {"name": run.system, "data": trained_on, "settings": settings}
    about |= {"command": command}
    about |= _training(run)
    about |= {"device": device(), "commit": _commit()}
    about["date"] = datetime.now(UTC).date().isoformat()
    stored = {}
    for name in trial_lists(data_dir):
        trials = load_trial_list(data_dir, name)
        scores = _scores(run, trials)
        stored[trials.name] = trials.digest, scores
        write_list(path.parent / "scores", trials)
        row = about | _rates(scores, trials)
        new = {column: str(row[column]) for column in COLUMNS}
        key = [new[column] for column in KEY]
        rows = [old for old in rows if [old[column] for column in KEY] != key] + [new]
    write_scores(path.parent / "scores" / f"{run.system}.{run.path.name}.npz", stored)
    with atomic_write(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The lines of the results so far; none if there is no file.

    Raises:
        InputError: if the file has other columns.
    """
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != COLUMNS:
            raise InputError(f"{path}:1: expected the columns {','.join(COLUMNS)}")
        return list(reader)


def device() -> str:
    """The accelerator that Keras computes on, or else the processor and its number of cores."""
    if os.environ.get("KERAS_BACKEND") == "jax":
        import jax

        if jax.default_backend() != "cpu":
            return jax.devices()[0].device_kind
    return f"{len(os.sched_getaffinity(0))} cores, {_processor()}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = dict(line.strip().split("\t: ", 1) for line in file if "\t: " in line)
        return lines["model name"].split(" Processor")[0]
    except (OSError, KeyError):
        return platform.machine()


def _training(run: RunDir) -> dict:
    """Seed, loss and what log.csv says of the training; zeros and blanks for the baseline."""
    config = run.read_config()
    about = {"seed": config["seed"], "loss": config["loss"]}
    if not run.log.exists():
        numbers = dict.fromkeys(["epochs", "steps", "train_seconds"], 0)
        words = dict.fromkeys(["first_loss", "last_loss", "dtype", "keras_backend"], "")
        return about | numbers | words
    epochs, backend = read_log(run.log), os.environ.get("KERAS_BACKEND", "tensorflow")
    return about | {
        "epochs": epochs[-1]["epoch"],
        "steps": epochs[-1]["step"],
        "train_seconds": epochs[-1]["seconds"],
        "first_loss": epochs[0]["loss"],
        "last_loss": epochs[-1]["loss"],
        "dtype": config.get("dtype_policy", "float64"),
        "keras_backend": "" if "ivector" in config else backend,
    }


def _scores(run: RunDir, trials: TrialList) -> np.ndarray:
    path = run.scores(trials.name, run.read_config().get("backend", "cosine"))
    return read_scores(path, trials.trials, trials.path).astype(np.float32)


def _rates(scores: np.ndarray, trials: TrialList) -> dict:
    """Of the scores as they are stored, so that anybody gets the same from the file."""
    low, high = eer_interval(scores, trials.is_target, trials.enrol_speakers, trials.test_speakers)
    return {
        "trial_list": trials.name,
        "trials": len(trials),
        "targets": int(trials.is_target.sum()),
        "eer_percent": f"{100 * eer(scores, trials.is_target):.2f}",
        "eer_low": f"{100 * low:.2f}",
        "eer_high": f"{100 * high:.2f}",
        "min_dcf_0.01": f"{min_dcf(scores, trials.is_target, p_target=0.01):.3f}",
    }


def _commit() -> str:
    """The commit that is checked out, with a `+` if its code or settings have been changed."""

    def git(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False)

    head = git("rev-parse", "--short", "HEAD").stdout.strip()
    changed = git("diff", "--quiet", "HEAD", "--", *CODE).returncode
    return f"{head}{'+' if changed else ''}" if head else "unknown"


if __name__ == "__main__":
    raise SystemExit(main())
