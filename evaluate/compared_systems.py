"""The systems of a comparison: their scores on one list, from stored scores or from text files."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..command_line import InputError
from ..kaldi_feats.trials import Trials
from . import score_file, stored_scores
from .stored_scores import StoredList
from .trial_list import read_trial_list

_RUN = re.compile(r"(?P<system>.+)\.seed(?P<seed>\d+)\.npz")


@dataclass(frozen=True)
class ComparedSystems:
    """Systems and the list that they are compared on.

    Attributes:
        list_name: the list's.
        is_target: (trials,) bool.
        enrol_speakers: (trials,) int, the first utterance's speaker.
        test_speakers: (trials,) int, the second's.
        scores: system -> (seeds, trials) float64, finite.
    """

    list_name: str
    is_target: np.ndarray
    enrol_speakers: np.ndarray
    test_speakers: np.ndarray
    scores: dict[str, np.ndarray]


def from_stored(
    folder: Path, list_name: str, systems: Sequence[str] | None = None
) -> ComparedSystems:
    """The systems of a folder of stored scores (`stored_scores`) on one of its lists.

    Args:
        folder: with ``lists/<list_name>.npz`` and ``<system>.seed<k>.npz``.
        list_name: the list's.
        systems: which, in this order; all that have scores on the list, sorted, if None.

    Raises:
        InputError: if the list, or a system by name, is not there; fewer than two systems; a seed
            stored twice; a run's scores are missing, not finite, or of other trials.
    """
    trials = stored_scores.read_list(_stored_list(folder, list_name))
    runs = _runs(folder)
    scores: dict[str, np.ndarray] = {}
    for system in _chosen(systems, runs, folder):
        stored = {path: stored_scores.read_scores(path) for path in runs[system].values()}
        lacking = [path for path, lists in stored.items() if list_name not in lists]
        if len(lacking) == len(stored) and systems is None:
            continue
        if lacking:
            raise InputError(
                f"{lacking[0]}: has no scores on {list_name}, only on "
                f"{', '.join(sorted(stored[lacking[0]]))}"
            )
        rows = [_checked(lists[list_name], trials, path) for path, lists in stored.items()]
        scores[system] = np.stack(rows)
    _refuse_fewer_than_two(scores, str(folder))
    return ComparedSystems(
        list_name, trials.is_target, trials.enrol_speakers, trials.test_speakers, scores
    )


def _stored_list(folder: Path, list_name: str) -> Path:
    path = folder / "lists" / f"{list_name}.npz"
    if not path.is_file():
        there = sorted(other.stem for other in path.parent.glob("[!.]*.npz"))
        raise InputError(f"{path}: no such list; there is {', '.join(there) or 'none'}")
    return path


def _runs(folder: Path) -> dict[str, dict[int, Path]]:
    """System -> seed -> file, both sorted."""
    runs: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.glob("[!.]*.npz")):
        match = _RUN.fullmatch(path.name)
        if match is None:
            raise InputError(f"{path}: expected a name like 'system.seed0.npz'; rename or move it")
        seeds = runs.setdefault(match["system"], {})
        first = seeds.setdefault(int(match["seed"]), path)
        if first != path:
            raise InputError(f"{path}: the same system and seed as {first.name}; remove one")
    return {system: dict(sorted(seeds.items())) for system, seeds in sorted(runs.items())}


def _chosen(systems: Sequence[str] | None, there: Mapping, folder: Path) -> list[str]:
    if systems is None:
        return list(there)
    for system, times in Counter(systems).items():
        if system not in there:
            known = ", ".join(there) or "none"
            raise InputError(f"{folder}: no scores of a system {system!r}; there is {known}")
        if times > 1:
            raise InputError(f"the system {system} is given {times} times; give it once")
    return list(systems)


def _checked(stored: tuple[str, np.ndarray], trials: StoredList, path: Path) -> np.ndarray:
    digest, scores = stored
    if digest != trials.digest:
        raise InputError(
            f"{path}: its scores on {trials.name} are of other trials than lists/"
            f"{trials.name}.npz (digest {digest[:12]}, expected {trials.digest[:12]}); "
            "score the list again"
        )
    if scores.shape != trials.is_target.shape:
        raise InputError(
            f"{path}: {scores.size} scores on {trials.name}, which has {len(trials.is_target)} "
            "trials; score the list again"
        )
    return scores.astype(np.float64)


def from_files(
    files: Mapping[str, Sequence[Path]], trials_path: Path, utt2spk_path: Path
) -> ComparedSystems:
    """Anybody's systems, from text files.

    Args:
        files: system -> its score files, one a seed, of lines ``enrol test score``.
        trials_path: the trial list, lines ``enrol test target|nontarget``.
        utt2spk_path: lines ``utterance speaker``, for every utterance of the list.

    Raises:
        InputError: with file and line if a file is not of its form; if a score is missing, not
            finite, given twice or of no trial of the list; if the list and ``utt2spk`` disagree on
            a trial, or an utterance's speaker is not known; and for fewer than two systems, or
            one score file given twice.
    """
    given = Counter(path.resolve() for paths in files.values() for path in paths)
    for path, times in given.items():
        if times > 1:
            raise InputError(f"{path}: given {times} times; give each score file once")
    _refuse_fewer_than_two(files, "the command line")
    trials = read_trial_list(trials_path, utt2spk_path)
    scores = {
        system: np.stack([_text_scores(path, trials.trials, trials_path) for path in paths])
        for system, paths in files.items()
    }
    return ComparedSystems(
        trials.name, trials.is_target, trials.enrol_speakers, trials.test_speakers, scores
    )


def _text_scores(path: Path, trials: Trials, trials_path: Path) -> np.ndarray:
    """`score_file.read_scores`, with the line of a doubled pair or one that is no trial."""
    allowed = Counter(zip(trials.enrol, trials.test, strict=True))
    seen: Counter[tuple[str, ...]] = Counter()
    for number, line in enumerate(_lines(path), start=1):
        pair = tuple(line.split()[:2])
        seen[pair] += 1
        if len(pair) == 2 and seen[pair] > allowed[pair]:
            fault = "scored twice" if pair in allowed else f"no trial of {trials_path}"
            raise InputError(f"{path}:{number}: the pair {' '.join(pair)} is {fault}")
    return score_file.read_scores(path, trials, trials_path)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such score file; correct the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; expected lines 'enrol test score'") from None


def _refuse_fewer_than_two(systems: Mapping, where: str) -> None:
    if len(systems) < 2:
        names = ", ".join(systems) or "none"
        raise InputError(f"{where}: a comparison needs two systems or more; there is {names}")
