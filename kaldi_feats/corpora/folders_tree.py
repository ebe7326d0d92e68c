"""Folders of speakers, ``<folder>/<speaker>/[<session>/]<utterance>.<suffix>``."""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...command_line import InputError
from ..audio import CONVERTED, READ
from .left_out import LeftOut, printable
from .walk import one_format_each, recordings

log = logging.getLogger(__name__)

# An utterance that is there in several formats is taken in the first of these.
FORMATS = [*READ, *CONVERTED]
PLACE = "a speaker's folder or a session's in it: {}/<speaker>/[<session>/]"


@dataclass(frozen=True)
class Spoken:
    """An utterance that was found.

    Attributes:
        path: its file.
        folder: the folder that was given.
        speaker: the name of the speaker's folder.
        session: the name of the session's folder; empty without one.
    """

    path: Path
    folder: Path
    speaker: str
    session: str

    @property
    def where(self) -> str:
        """The name of the folder, and the session's in it."""
        return f"{os.path.basename(os.path.abspath(self.folder))}/{self.session}"

    def name(self, with_folder: bool = False) -> str:
        """``<speaker>-[<folder>-][<session>-]<utterance>``."""
        where = self.where.split("/") if with_folder else [self.session]
        return "-".join(filter(None, [self.speaker, *where, self.path.stem]))


def find_spoken(folders: Iterable[Path]) -> dict[str, Spoken]:
    """Find the utterances of folders, by the ids that they get.

    A speaker's name is one speaker, in whatever folder it comes. An id carries its folder's name
    where it would be another utterance's as well.

    Raises:
        InputError: a folder is not there, has no recordings, or only one speaker's; a recording
            lies out of place, or is empty; or two would have the same id.
    """
    found = [one for folder in folders for one in _find(folder)]
    by_name: dict[str, list[Spoken]] = {}
    for one in found:
        by_name.setdefault(one.name(), []).append(one)
    spoken: dict[str, Spoken] = {}
    for one in found:
        name = one.name(with_folder=len(by_name[one.name()]) > 1)
        other = spoken.setdefault(name, one)
        if other is not one:
            raise InputError(
                f"{one.path}: would be called {name!r}, as {other.path} is; rename one of the "
                "files or folders"
            )
    return spoken


def refuse_nested(folders: Iterable[Path]) -> None:
    """Refuse folders of which one is, or is in, another.

    Raises:
        InputError: with both.
    """
    seen: dict[Path, Path] = {}
    for folder in folders:
        real = folder.resolve()
        for other, given in seen.items():
            if real.is_relative_to(other) or other.is_relative_to(real):
                raise InputError(
                    f"{folder}: is the same as {given}, or one is in the other; give folders that "
                    "share no recordings"
                )
        seen[real] = folder


def _find(folder: Path) -> list[Spoken]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; correct --train-dirs or --test-dirs")
    left_out = LeftOut()
    paths = one_format_each(
        recordings(folder, FORMATS, (1, 2), PLACE.format(folder), left_out), FORMATS
    )
    found = []
    for path in paths:
        speaker, *session = path.relative_to(folder).parts[:-1]
        found.append(Spoken(path, folder, speaker, "".join(session)))
    speakers = {one.speaker for one in found}
    if not speakers:
        raise InputError(
            f"{folder}: no recordings in it of the form <speaker>/[<session>/]<utterance>.wav; "
            f"there are: {left_out}"
        )
    if len(speakers) == 1:
        (speaker,) = speakers
        raise InputError(
            f"{folder}: one speaker only, {speaker!r}; give the folder that holds a folder for "
            "each speaker, of two speakers or more"
        )
    log.log(
        logging.WARNING if left_out.audio else logging.INFO,
        "%s: %s utterances of %s speakers found; not taken: %s",
        printable(str(folder)),
        f"{len(found):,}",
        f"{len(speakers):,}",
        left_out,
    )
    return found
