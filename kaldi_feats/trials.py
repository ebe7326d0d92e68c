"""Trial lists: which pairs of utterances are compared, and which are of one speaker.

Kaldi's form has one trial a line, ``enrol-utterance test-utterance target|nontarget``;
VoxCeleb's has ``1|0 enrol-path test-path``. Those that users bring have one of several forms, see
`trial_forms`.
"""

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..command_line import InputError
from ..files import atomic_write
from .trial_rows import RowParser, read_rows

LABELS = {"target": True, "nontarget": False}
VOXCELEB_LABELS = {"1": True, "0": False}

PUBLISHED_SIZES: dict[str, int] = {
    "vox1-o": 37_720,
    "vox1-o-cleaned": 37_611,
    "vox1-e": 581_480,
    "vox1-e-cleaned": 579_818,
    "vox1-h": 552_536,
    "vox1-h-cleaned": 550_894,
}
"""How many trials a published list of that name has: under its name stands nothing else."""


@dataclass
class Trials:
    """A trial list; entry i of each field is the list's i-th trial.

    Args:
        enrol: utterance ids.
        test: utterance ids.
        is_target: bool array (trials,), true where both are of one speaker.
        dropped: how many more the list has, of utterances that have no features.
        models: where `enrol` has models and not utterances (see `enrolment`), the utterances of
            each model.
        lines: the number of each trial's line in its file; 1, 2, ... if None.
    """

    enrol: list[str]
    test: list[str]
    is_target: np.ndarray
    dropped: int = 0
    models: Mapping[str, Sequence[str]] | None = None
    lines: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.enrol)

    def line(self, trial: int) -> int:
        """The number of a trial's line in its file."""
        return trial + 1 if self.lines is None else self.lines[trial]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the list in Kaldi's form: the same list, whatever form it came in.

        That of a list of models is of its map too.
        """
        models = (self.models or {}).items()
        lines = "".join(f"{model} {' '.join(utterances)}\n" for model, utterances in models)
        return hashlib.sha256((format_trials(self) + lines).encode()).hexdigest()

    def utterances_of(self, row: int) -> list[str]:
        """The utterances of a trial, that of the test last."""
        enrol = self.enrol[row]
        return [*([enrol] if self.models is None else self.models[enrol]), self.test[row]]

    @cached_property
    def utterances(self) -> set[str]:
        """All utterances of all trials."""
        enrol = set(self.enrol)
        if self.models is not None:
            enrol = {utterance for model in enrol for utterance in self.models[model]}
        return enrol | set(self.test)


def read_trials(path: str | os.PathLike, doubled: bool = False) -> Trials:
    """Read a trial list in Kaldi's form.

    A pair may stand in a list in both orders (VoxCeleb1's does, 338 times), but an ordered pair
    only once.

    Args:
        path: the list.
        doubled: take an ordered pair as often as it comes: for a published list, of which
            nothing may be removed. Trials of an utterance with itself are then warned of.

    Raises:
        InputError: no such file, an empty file, a line that is not a trial, a doubled trial, a
            trial of an utterance with itself (a similarity of 1 that says nothing), or trials of
            one kind only. Names file and line.
    """

    def parse(line: str) -> tuple[str, str, bool]:
        enrol, test, label = line.split()
        return enrol, test, LABELS[label]

    return read_with(path, parse, "'enrol test target|nontarget'", doubled)


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

    def parse(line: str) -> tuple[str, str, bool]:
        label, *paths = line.split()
        is_target = VOXCELEB_LABELS[label]
        enrol, test = paths
        return known(enrol, to_utterance), known(test, to_utterance), is_target

    return read_with(path, parse, "'1|0 path path'", doubled)


def known(name: str, to_utterance: Callable[[str], str]) -> str:
    """The utterance that a list means, by `to_utterance`.

    Raises:
        InputError: `to_utterance` raises KeyError: there is none of that name.
    """
    try:
        return to_utterance(name)
    except KeyError:
        raise InputError(
            f"no test utterance {name[:80]!r}; give ids, or paths relative to the corpus folder"
        ) from None


def read_with(
    path: str | os.PathLike,
    parse: RowParser,
    form: str,
    doubled: bool,
    lines: Iterable[tuple[int, str]] | None = None,
) -> Trials:
    """Read a list by `read_rows`, which explains the arguments, and refuse trials of one kind."""
    enrol, test, is_target, numbers = read_rows(path, parse, form, doubled, lines)
    trials = Trials(enrol, test, np.array(is_target), lines=numbers)
    refuse_one_kind(trials, str(path))
    return trials


def refuse_one_kind(trials: Trials, where: str) -> None:
    """Refuse trials that are all of one kind.

    Raises:
        InputError: with their numbers, behind `where`.
    """
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
    refuse_one_kind(trials, f"all pairs of the {len(utterances)} test utterances")
    return trials


def refuse_other_size(path: str | os.PathLike, name: str, trials: int) -> None:
    """Refuse a list under a published list's name that has not its number of trials.

    Args:
        path: the list's file, for the message.
        name: what the list is called here; one that is not published may have any size.
        trials: how many it has.

    Raises:
        InputError: with both numbers.
    """
    published = PUBLISHED_SIZES.get(name, trials)
    if published != trials:
        reason = "it is cut off" if trials < published else "it is another list"
        raise InputError(
            f"{path}: {trials:,} trials, and {name} has {published:,}: {reason}; "
            "fetch the official file again, or give your own list another name"
        )


def refuse_wrong_labels(
    path: str | os.PathLike, trials: Trials, same_speaker: np.ndarray, source: str
) -> None:
    """Refuse a list whose labels contradict what is known of the speakers.

    Args:
        path: the list's file, for the message.
        trials: what it says.
        same_speaker: bool (trials,), whether both utterances are of one speaker.
        source: what says so, such as "the speakers' folders".

    Raises:
        InputError: with the first such line, and how many there are.
    """
    wrong = np.flatnonzero(same_speaker != trials.is_target)
    if len(wrong):
        at = int(wrong[0])
        kinds = ("target", "two speakers"), ("nontarget", "one speaker")
        said, other = kinds[0] if trials.is_target[at] else kinds[1]
        raise InputError(
            f"{path}:{trials.line(at)}: the label says {said}, and {source} say "
            f"{trials.enrol[at][:80]} and {trials.test[at][:80]} are of {other}: so it is on "
            f"{len(wrong):,} of {len(trials):,} lines; correct the list, or take the one of this "
            "corpus"
        )


def look_up(
    trials: Trials, numbers: Mapping[str, int], path: str | os.PathLike, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of every trial's two utterances: two arrays (trials,) int64.

    In a list of models the first is the number of the model, its place among `Trials.models`.

    Args:
        trials: what was read from `path`.
        numbers: the utterances there are, and their numbers from 0.
        path: the list, for the message.
        where: what `numbers` is, for the message: "data/test/utt2spk".

    Raises:
        InputError: naming the line of the first utterance that is not there, and how many of the
            list's utterances and trials that concerns.
    """
    enrolled = numbers
    if trials.models is not None:
        models = enumerate(trials.models.items())
        enrolled = {model: n for n, (model, each) in models if all(u in numbers for u in each)}
    enrol, test = (
        np.fromiter((known.get(name, -1) for name in side), np.int64, len(trials))
        for side, known in ((trials.enrol, enrolled), (trials.test, numbers))
    )
    unknown = np.flatnonzero((enrol < 0) | (test < 0))
    if len(unknown):
        at = int(unknown[0])
        first = next(name for name in trials.utterances_of(at) if name not in numbers)
        named = trials.utterances
        missing = sum(name not in numbers for name in named)
        raise InputError(
            f"{path}:{trials.line(at)}: the utterance {first[:80]!r} is not in {where}: "
            f"{missing:,} of the list's {len(named):,} utterances are missing, which are in "
            f"{len(unknown):,} of its {len(trials):,} trials; remove these trials, or prepare the "
            "data completely"
        )
    return enrol, test
