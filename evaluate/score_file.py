"""Score files: one line ``enrol test score`` a trial, as Kaldi's scoring programs write them."""

import math
from collections.abc import Set
from pathlib import Path

import numpy as np

from ..command_line import InputError
from ..files import atomic_write
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
            not exactly the trial list's: one missing, one more, one twice that the list has
            once, or the end cut off.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such score file; score the list first (stage 4)")
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            lines = file.readlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; score the list again") from None
    if lines and not lines[-1].endswith("\n"):
        raise InputError(f"{path}:{len(lines)}: the file ends within a line; score the list again")
    scores = {}
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        score = _number(fields[2]) if len(fields) == 3 else math.nan
        if not math.isfinite(score):
            raise InputError(
                f"{path}:{number}: expected 'enrol test score' with a finite score, "
                f"found {line.strip()[:80]!r}"
            )
        scores[fields[0], fields[1]] = score
    pairs = list(zip(trials.enrol, trials.test, strict=True))
    wanted = set(pairs)
    # A published list may have a pair twice, and its score file has it as often, or once.
    repeated = len(lines) - len(scores)
    if repeated not in (0, len(pairs) - len(wanted)):
        raise InputError(f"{path}: {repeated} pairs are scored more than once")
    if scores.keys() != wanted:
        raise _other_pairs(scores.keys(), pairs, path, trials_path)
    return np.fromiter((scores[pair] for pair in pairs), np.float64, len(pairs))


def _other_pairs(
    scored: Set[tuple[str, str]], pairs: list[tuple[str, str]], path: Path, trials_path: Path
) -> InputError:
    """What to say of a score file whose pairs are not the trial list's."""
    missing = next((at for at, pair in enumerate(pairs) if pair not in scored), None)
    if missing is not None:
        return InputError(
            f"{path}: has {len(scored)} of the {len(pairs)} trials of {trials_path}; the first "
            f"without a score is line {missing + 1} ({' '.join(pairs[missing])}); "
            "score the list again"
        )
    extra = scored - set(pairs)
    return InputError(
        f"{path}: scores {len(extra)} pairs that are no trials of {trials_path}, such as "
        f"{' '.join(min(extra))[:200]}; it belongs to another list"
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
