"""The trial lists of a corpus that is the user's own: brought, or drawn."""

import argparse
import os
import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...command_line import InputError, whole_number
from ..audio import CONVERTED, READ
from ..draw import MOST_TRIALS
from ..trial_forms import read_list
from ..trials import Trials, refuse_other_size, refuse_wrong_labels
from .left_out import suffix_of


def add_trials_option(parser: argparse.ArgumentParser, without: str) -> None:
    """``--trials``.

    Args:
        parser: a corpus's own.
        without: what happens if it is not given, for the help.
    """
    parser.add_argument(
        "--trials",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="trial lists, or folders of them, each named as its file: lines '1|0 enrol test', "
        "'enrol test target|nontarget' or 'enrol test 1|0', with blanks or commas; utterances are "
        f"ids, or paths with or without suffix. Without it {without}",
    )


def add_draw_options(parser: argparse.ArgumentParser) -> None:
    """``--num-trials`` and ``--trials-seed``."""
    parser.add_argument(
        "--num-trials",
        type=whole_number(2),
        default=MOST_TRIALS,
        metavar="N",
        help="the most trials that are drawn, half of them target trials (%(default)s)",
    )
    parser.add_argument(
        "--trials-seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="another seed draws other trials (%(default)s)",
    )


@dataclass
class Names:
    """What a list may call the utterances of a set.

    Args:
        utterances: their ids.
        by_path: absolute path without suffix -> utterance.
        folders: where relative paths may start.
    """

    utterances: Collection[str]
    by_path: Mapping[str, str] = field(default_factory=dict)
    folders: Iterable[str] = ()

    def __getitem__(self, name: str) -> str:
        """The utterance of a name.

        Raises:
            KeyError: there is none.
            InputError: there are several.
        """
        suffix = suffix_of(name)
        names = {name, name[: -len(suffix)]} if suffix in {*READ, *CONVERTED} else {name}
        found = {one for one in names if one in self.utterances}
        for one in names:
            for folder in self.folders:
                path = posixpath.normpath(posixpath.join(folder, one))
                found.update(self.by_path[path] for _ in range(path in self.by_path))
        if len(found) > 1:
            raise InputError(
                f"{name[:80]!r} may be any of {', '.join(sorted(found)[:5])}; write the id that is "
                "meant"
            )
        if not found:
            raise KeyError(name)
        return found.pop()


def list_files(places: Iterable[str | os.PathLike]) -> list[Path]:
    """The lists themselves, and those in folders.

    Raises:
        InputError: two would have the same name, or there is none.
    """
    found: dict[str, Path] = {}
    for place in map(Path, places):
        paths = [place]
        if place.is_dir():
            paths = sorted(file for file in place.glob("[!.]*") if file.is_file())
            if not paths:
                raise InputError(f"{place}: no trial list in this folder")
        for path in paths:
            other = found.setdefault(path.stem, path)
            if other is not path:
                where = other.name if other.parent == path.parent else str(other)
                raise InputError(
                    f"{path}: the list would be called {path.stem}, as {where} would; rename one"
                )
    return list(found.values())


def read_lists(
    places: Iterable[str | os.PathLike],
    utt2spk: Mapping[str, str],
    test: Names,
    train: Callable[[], Names],
    source: str,
) -> dict[str, Trials]:
    """Read lists of trials among the test utterances.

    Args:
        places: files, and folders of files.
        utt2spk: the test set.
        test: what its utterances may be called.
        train: what those of the training set may be called; asked for a name that is not a test
            utterance's only.
        source: what says whose utterances they are, for messages: "the speakers' folders".

    Returns:
        The lists by name, that of the file without its suffix.

    Raises:
        InputError: as `list_files` and `read_list`; an utterance of the training set; a label that
            contradicts the speakers.
    """

    def to_utterance(name: str) -> str:
        try:
            return test[name]
        except KeyError:
            _refuse_training(name, train())
            raise

    lists = {}
    for path in list_files(places):
        trials = read_list(path, to_utterance)
        refuse_other_size(path, path.stem, len(trials))
        pairs = zip(trials.enrol, trials.test, strict=True)
        same = np.array([utt2spk[enrol] == utt2spk[other] for enrol, other in pairs])
        refuse_wrong_labels(path, trials, same, source)
        lists[path.stem] = trials
    return lists


def _refuse_training(name: str, train: Names) -> None:
    try:
        train[name]
    except KeyError:
        return
    raise InputError(
        f"{name[:80]!r} is an utterance of the training set: error rates on speakers seen in "
        "training say nothing about new ones; remove its trials"
    )
