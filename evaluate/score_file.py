"""Score files: one line ``enrol test score`` a trial, as Kaldi's scoring programs write them."""

import math
from pathlib import Path

import numpy as np

from ..kaldi_feats.files import InputError, atomic_write
from ..kaldi_feats.trials import Trials


def write_scores(path: Path, trials: Trials, scores: np.ndarray) -> None:
    """Write a score (trials,) a trial with every digit it has, in the trial list's order."""
    with atomic_write(path) as file:
        pairs = zip(trials.enrol, trials.test, scores.tolist(), strict=True)
        file.writelines(f"{enrol} {test} {score!r}\n" for enrol, test, score in pairs)


def read_scores(path: Path, trials: Trials, trials_path: Path) -> np.ndarray:
    """Read the scores of a trial list, in the list's order whatever the file's.

    Returns:
        (trials,) float64, finite.

    Raises:
        InputError: with file and line for a line that is no score, and if the file's pairs are
            not exactly the trial list's: one missing, one more, one twice, or the end cut off.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such score file; score the list first (stage 4)")
    with open(path, encoding="utf-8") as file:
        lines = file.readlines()
    if lines and not lines[-1].endswith("\n"):
        raise InputError(f"{path}:{len(lines)}: the file ends within a line; score the list again")
    scores = {}
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        score = _number(fields[2]) if len(fields) == 3 else math.nan
        if not math.isfinite(score):
            raise InputError(
                f"{path}:{number}: expected 'enrol test score' with a finite score, "
                f"found {line.strip()!r}"
            )
        scores[fields[0], fields[1]] = score
    if len(scores) != len(lines):
        raise InputError(f"{path}: {len(lines) - len(scores)} pairs are scored more than once")
    return _in_order(scores, trials, path, trials_path)


def _in_order(scores: dict, trials: Trials, path: Path, trials_path: Path) -> np.ndarray:
    pairs = list(zip(trials.enrol, trials.test, strict=True))
    missing = next((at for at, pair in enumerate(pairs) if pair not in scores), None)
    if missing is not None:
        raise InputError(
            f"{path}: has {len(scores)} of the {len(pairs)} trials of {trials_path}; the first "
            f"without a score is line {missing + 1} ({' '.join(pairs[missing])}); "
            "score the list again"
        )
    if len(scores) != len(pairs):
        extra = next(iter(scores.keys() - set(pairs)))
        raise InputError(
            f"{path}: scores {len(scores) - len(pairs)} pairs that are no trials of "
            f"{trials_path}, such as {' '.join(extra)}; it belongs to another list"
        )
    return np.fromiter((scores[pair] for pair in pairs), np.float64, len(pairs))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
