"""Scores that last: one small file a run, beside the trial lists that they are of.

A text file of scores (stage 4) names every utterance; here a run's scores are float32 in the
order of the list, and a list is who speaks in each trial, as numbers. So the error rates of a
finished run, their intervals and comparisons between runs can be computed again at any time,
without the corpus and without the trained system::

    <folder>/lists/<list>.npz            who speaks in each trial
    <folder>/<run>.seed<k>.npz           the scores of one run on each list
"""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..command_line import InputError
from ..files import atomic_write
from .trial_list import TrialList


@dataclass(frozen=True)
class StoredList:
    """A trial list without the names of its utterances.

    Attributes:
        name: the list's name.
        digest: SHA-256 of the list's text in Kaldi's form, in hexadecimal.
        is_target: (trials,) bool.
        enrol_speakers: (trials,) int32, the number of each trial's first speaker.
        test_speakers: (trials,) int32, the second's.
    """

    name: str
    digest: str
    is_target: np.ndarray
    enrol_speakers: np.ndarray
    test_speakers: np.ndarray

    def __len__(self) -> int:
        return len(self.is_target)


def write_list(folder: Path, trials: TrialList) -> Path:
    """Store a trial list as ``<folder>/lists/<name>.npz``; returns the file."""
    path = Path(folder) / "lists" / f"{trials.name}.npz"
    _write(
        path,
        digest=np.array(trials.digest),
        is_target=trials.is_target,
        enrol_speakers=trials.enrol_speakers.astype(np.int32),
        test_speakers=trials.test_speakers.astype(np.int32),
    )
    return path


def read_list(path: Path) -> StoredList:
    """Read a stored trial list.

    Raises:
        InputError: if it is not there or not such a file.
    """
    arrays = _read(path)
    try:
        stored = StoredList(
            name=Path(path).stem,
            digest=str(arrays["digest"]),
            is_target=arrays["is_target"].astype(bool),
            enrol_speakers=arrays["enrol_speakers"].astype(np.int32),
            test_speakers=arrays["test_speakers"].astype(np.int32),
        )
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: not a stored trial list: {error}") from None
    sizes = {len(stored.is_target), len(stored.enrol_speakers), len(stored.test_speakers)}
    if len(sizes) != 1 or sizes == {0}:
        raise InputError(f"{path}: not a stored trial list: its parts are not of one length")
    return stored


def write_scores(path: Path, scores: dict[str, tuple[str, np.ndarray]]) -> None:
    """Store one run's scores.

    Args:
        path: ``<folder>/<run>.seed<k>.npz``.
        scores: for each list's name its digest and the scores (trials,), in the list's order.
    """
    arrays = {}
    for name, (digest, values) in scores.items():
        arrays[f"{name}/digest"] = np.array(digest)
        arrays[f"{name}/scores"] = np.asarray(values, np.float32)
    _write(path, **arrays)


def read_scores(path: Path) -> dict[str, tuple[str, np.ndarray]]:
    """Read one run's stored scores: for each list its digest and the scores (trials,) float32.

    Raises:
        InputError: if the file is not there or not such a file, or a score is not finite.
    """
    arrays = _read(path)
    found = {}
    for key, values in arrays.items():
        name, _, what = key.rpartition("/")
        if what != "scores":
            continue
        if f"{name}/digest" not in arrays:
            raise InputError(f"{path}: the scores of {name} lack the digest of their list")
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(
                f"{path}: the score of trial {bad[0] + 1} of {name} is {values[bad[0]]}"
            )
        found[name] = str(arrays[f"{name}/digest"]), values
    if not found:
        raise InputError(f"{path}: not a file of stored scores")
    return found


def _write(path: Path, **arrays: np.ndarray) -> None:
    with atomic_write(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file of stored scores") from None
    except Exception as error:  # NumPy's, zip's and zlib's kinds of a damaged file
        reason = textwrap.shorten(str(error), 300) or type(error).__name__
        raise InputError(f"{path}: cannot be read: {reason}") from None
