"""Trial lists: which pairs of utterances are compared, and which are of one speaker.

Kaldi's form has one trial a line, ``enrol-utterance test-utterance target|nontarget``;
VoxCeleb's, which users bring, has ``1|0 enrol-path test-path``.
"""

import itertools
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from .files import InputError, atomic_write

LABELS = {"target": True, "nontarget": False}
VOXCELEB_LABELS = {"1": True, "0": False}


@dataclass
class Trials:
    """A trial list; entry i of each field is the list's i-th trial.

    Args:
        enrol: utterance ids.
        test: utterance ids.
        is_target: bool array (trials,), true where both are of one speaker.
    """

    enrol: list[str]
    test: list[str]
    is_target: np.ndarray

    def __len__(self) -> int:
        return len(self.enrol)


def read_trials(path: str | os.PathLike, doubled: bool = False) -> Trials:
    """Read a trial list in Kaldi's form.

    A pair may stand in a list in both orders (VoxCeleb1's does, 338 times), but an ordered pair
    only once.

    Args:
        path: the list.
        doubled: take an ordered pair as often as it comes: for a published list, of which
            nothing may be removed.

    Raises:
        InputError: no such file, an empty file, a line that is not a trial, a doubled trial, or
            trials of one kind only. Names file and line.
    """

    def parse(fields: list[str]) -> tuple[str, str, bool]:
        enrol, test, label = fields
        return enrol, test, LABELS[label]

    return _read(path, parse, "'enrol test target|nontarget'", doubled)


def from_voxceleb_list(
    path: str | os.PathLike, to_utterance: Callable[[str], str], doubled: bool = False
) -> Trials:
    """Read a trial list in VoxCeleb's form, lines of ``1|0 path path`` (1: the same speaker).

    Args:
        path: the list.
        to_utterance: turns a path of the list into an utterance id; raises KeyError for a path
            it does not know.
        doubled: as in `read_trials`.

    Raises:
        InputError: as `read_trials`, and for a path that `to_utterance` does not know.
    """

    def parse(fields: list[str]) -> tuple[str, str, bool]:
        label, *paths = fields
        is_target = VOXCELEB_LABELS[label]
        enrol, test = paths
        return _known(enrol, to_utterance), _known(test, to_utterance), is_target

    return _read(path, parse, "'1|0 path path'", doubled)


def _known(name: str, to_utterance: Callable[[str], str]) -> str:
    try:
        return to_utterance(name)
    except KeyError:
        raise InputError(
            f"no test utterance {name!r}; paths are relative to the corpus folder"
        ) from None


def _read(
    path: str | os.PathLike,
    parse: Callable[[list[str]], tuple[str, str, bool]],
    form: str,
    doubled: bool,
) -> Trials:
    enrol, test, is_target = [], [], []
    line_of: dict[tuple[str, str], int] = {}
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    first, second, label = parse(line.split())
                except (ValueError, KeyError):
                    shown = line.strip()[:80]
                    raise InputError(
                        f"{path}:{number}: expected {form}, found {shown!r}; correct or remove it"
                    ) from None
                except InputError as error:
                    raise InputError(f"{path}:{number}: {error}") from None
                if line_of.setdefault((first, second), number) != number and not doubled:
                    raise InputError(
                        f"{path}:{number}: the same trial as on line {line_of[first, second]}; "
                        "remove one"
                    )
                enrol.append(first)
                test.append(second)
                is_target.append(label)
    except FileNotFoundError:
        raise InputError(f"{path}: no such trial list; correct the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; convert the file") from None
    if not enrol:
        raise InputError(f"{path}: the trial list is empty; lines must be {form}")
    trials = Trials(enrol, test, np.array(is_target))
    _refuse_one_kind(trials, str(path))
    return trials


def _refuse_one_kind(trials: Trials, where: str) -> None:
    targets = int(trials.is_target.sum())
    nontargets = len(trials) - targets
    if not targets or not nontargets:
        raise InputError(
            f"{where}: {targets:,} target and {nontargets:,} nontarget trials; "
            "error rates need both"
        )


def format_trials(trials: Trials) -> str:
    """The text of a trial list in Kaldi's form."""
    labels = np.where(trials.is_target, "target", "nontarget").tolist()
    rows = zip(trials.enrol, trials.test, labels, strict=True)
    return "".join(f"{enrol} {test} {label}\n" for enrol, test, label in rows)


def write_trials(path: str | os.PathLike, trials: Trials) -> None:
    """Write a trial list in Kaldi's form; the file appears whole or not at all."""
    text = format_trials(trials)
    with atomic_write(path) as file:
        file.write(text)


def all_pairs(utt2spk: Mapping[str, str]) -> Trials:
    """Every unordered pair of utterances once, the smaller id first, in sorted order.

    Raises:
        InputError: the pairs are all of one kind: of one speaker's utterances, or of speakers
            with one utterance each.
    """
    utterances = sorted(utt2spk)
    pairs = list(itertools.combinations(utterances, 2))
    is_target = [utt2spk[first] == utt2spk[second] for first, second in pairs]
    trials = Trials([p[0] for p in pairs], [p[1] for p in pairs], np.array(is_target, dtype=bool))
    _refuse_one_kind(trials, f"all pairs of the {len(utterances)} test utterances")
    return trials


def check_utterances(
    trials: Trials, path: str | os.PathLike, known: Collection[str], where: str
) -> None:
    """Refuse a trial list that names an utterance nobody knows.

    Args:
        trials: what `read_trials` read from `path`.
        path: the list, for the message.
        known: the utterances there are; a set or dict, for speed.
        where: what `known` is, for the message ("data/test/utt2spk").

    Raises:
        InputError: the first unknown utterance, with its line.
    """
    for number, pair in enumerate(zip(trials.enrol, trials.test, strict=True), start=1):
        for utterance in pair:
            if utterance not in known:
                raise InputError(
                    f"{path}:{number}: the utterance {utterance!r} is not in {where}; "
                    "remove the trial, or prepare the data with this utterance"
                )
