"""VoxCeleb's official trial lists: what each is called, and whether a file is one, complete."""

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...command_line import InputError
from ..trials import (
    PUBLISHED_SIZES,
    Trials,
    from_voxceleb_list,
    refuse_other_size,
    refuse_wrong_labels,
)
from .voxceleb_tree import FIRST_RELEASE, FIRST_RELEASE_REMEDY, utterance_id

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OfficialList:
    """One of the published lists.

    Attributes:
        name: what it is called here, and in DATA/test/trials.
        md5: of the published file, where that is known.
        whole: whether it is about all 1,251 speakers of VoxCeleb1, not only the 40 for test.
    """

    name: str
    md5: str | None = None
    whole: bool = False

    @property
    def trials(self) -> int:
        """How many it has."""
        return PUBLISHED_SIZES[self.name]


OFFICIAL = {
    "veri_test.txt": OfficialList("vox1-o", "29fc7cc1c5d59f0816dc15d6e8be60f7"),
    "veri_test2.txt": OfficialList("vox1-o-cleaned", "b73110731c9223c1461fe49cb48dddfc"),
    "list_test_all.txt": OfficialList("vox1-e", "b9ecf7aa49d4b656aa927a8092844e4a", whole=True),
    "list_test_all2.txt": OfficialList(
        "vox1-e-cleaned", "a53e059deb562ffcfc092bf5d90d9f3a", whole=True
    ),
    "list_test_hard.txt": OfficialList("vox1-h", "21c341b6b2168eea2634df0fb4b8fff1", whole=True),
    "list_test_hard2.txt": OfficialList(
        "vox1-h-cleaned", "857790e09d579a68eb2e339a090343c8", whole=True
    ),
}
"""File name as published -> the list. Nagrani, Chung, Zisserman 2017; Chung, Nagrani, Zisserman
2018; https://www.robots.ox.ac.uk/~vgg/data/voxceleb/. The md5 of the lists about all of VoxCeleb1
are those that PaddleSpeech's VoxCeleb recipe checks its downloads by."""

LONGEST_PATH = 300
_WHOLE_LINE = re.compile(rb"[01] id\d{5}/[\w-]+/\d+\.wav id\d{5}/[\w-]+/\d+\.wav\s*")
_PATH = re.compile(r"(id\d{5})/([\w-]+)/(\d+)\.(?:wav|flac|m4a)", re.ASCII)


@dataclass(frozen=True)
class ListFile:
    """A trial list that was found: its file, its name, and what is known of it, if anything."""

    path: Path
    name: str
    official: OfficialList | None


def find_lists(places: list[str | os.PathLike]) -> list[ListFile]:
    """The trial lists that the user's files and folders hold.

    Args:
        places: of a folder, the files named as the official ones are taken; a file given by
            itself is taken whatever its name: as the official list that it equals, or as a list
            of its own, named by its stem.

    Raises:
        InputError: a place is not there, a folder has no official list, or two lists would have
            the same name.
    """
    found: dict[str, ListFile] = {}
    for place in map(Path, places):
        if place.is_dir():
            paths = [place / name for name in OFFICIAL if (place / name).is_file()]
            if not paths:
                raise InputError(
                    f"{place}: none of the official trial lists in it ({', '.join(OFFICIAL)}); "
                    "give their folder, or a list of your own, with --trials"
                )
        elif place.is_file():
            paths = [place]
        else:
            raise InputError(f"{place}: no such trial list or folder of lists; correct --trials")
        for path in paths:
            one = _list_file(path)
            if one.name in found:
                raise InputError(
                    f"{path}: would be called {one.name}, as {found[one.name].path} is; "
                    "give one of them, or rename it"
                )
            found[one.name] = one
    return list(found.values())


def _list_file(path: Path) -> ListFile:
    official = OFFICIAL.get(path.name) or _official_by_md5(path)
    if official is None and path.stem in PUBLISHED_SIZES:
        (published,) = (name for name, one in OFFICIAL.items() if one.name == path.stem)
        raise InputError(
            f"{path}: the name {path.stem} is kept for the official list; "
            f"call it {published} if it is that, or anything else"
        )
    return ListFile(path, official.name if official else path.stem, official)


def _official_by_md5(path: Path) -> OfficialList | None:
    """The official list that a file of another name is, byte by byte."""
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    return next((official for official in OFFICIAL.values() if official.md5 == md5), None)


def read_list(found: ListFile) -> Trials:
    """Read a trial list; its utterances become ids, whether they are there or not.

    Raises:
        InputError: a line that is no trial (as `from_voxceleb_list`) or names people instead of
            ids, a label that contradicts the speakers' ids, or, of an official list, a number of
            trials or a checksum that is not the published one.
    """
    utterances: dict[str, str] = {}

    def to_utterance(path: str) -> str:
        name = utterances.get(path)
        if name is None:
            match = _PATH.fullmatch(path)
            if match is None:
                raise InputError(_not_a_path(path))
            name = utterances[path] = utterance_id(*match.groups())
        return name

    try:
        # An official list is taken as it was published: its checksum says below that it is.
        trials = from_voxceleb_list(found.path, to_utterance, doubled=found.official is not None)
    except InputError as error:
        if found.official is None or not found.path.is_file():
            raise
        raise InputError(f"{error}; {_counts(found.path, found.official)}") from None
    if found.official:
        refuse_other_size(found.path, found.name, len(trials))
        _refuse_other_contents(found.path, found.official)
    same = np.array([a[:7] == b[:7] for a, b in zip(trials.enrol, trials.test, strict=True)])
    refuse_wrong_labels(found.path, trials, same, "the two speakers' ids")
    return trials


def _counts(path: Path, official: OfficialList) -> str:
    """How a file that cannot be read as a trial list compares with the published one."""
    lines = path.read_bytes().splitlines()
    reason = "it is another file"
    if lines and _WHOLE_LINE.fullmatch(lines[0]):
        reason = "it is cut off" if len(lines) < official.trials else "it was changed"
    return (
        f"the file has {len(lines):,} lines, and {official.name} {official.trials:,} trials: "
        f"{reason}; fetch the official file again"
    )


def _not_a_path(path: str) -> str:
    shown = path[:80]
    if FIRST_RELEASE.fullmatch(path[:LONGEST_PATH]):  # it takes the square of the length
        return f"{shown!r}: {FIRST_RELEASE_REMEDY}, and its trial lists"
    return (
        f"{shown!r} is not of the form <speaker>/<video>/<segment>.wav; is it a list of VoxCeleb?"
    )


def _refuse_other_contents(path: Path, official: OfficialList) -> None:
    if official.md5 and hashlib.md5(path.read_bytes()).hexdigest() != official.md5:
        raise InputError(
            f"{path}: has the {official.trials:,} trials of {official.name}, but its md5 is not "
            f"{official.md5}: it was changed, or is another list; fetch the official file again"
        )
