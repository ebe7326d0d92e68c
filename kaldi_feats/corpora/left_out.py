"""What is found in a corpus and not taken: counted by its kind, so that nothing is lost unseen."""

import os
from collections import Counter

from ...command_line import InputError

# Audio that no corpus here is published in: files to convert, not ones that belong to the corpus.
_OTHERS = """
    .aac .aif .aifc .aiff .amr .au .caf .m4b .mkv .mp2 .mp3 .mp4 .oga .opus .raw .sph .webm .wave
    .wma .wv
"""
OTHER_AUDIO = frozenset(_OTHERS.split())


class LeftOut(Counter):
    """How many files were not taken, by kind: ``hidden``, or ``*.txt``."""

    def add_file(self, name: str) -> None:
        """Count a file that lies where a recording could, and is none."""
        self["hidden" if name.startswith(".") else f"*{suffix_of(name)}"] += 1

    def __str__(self) -> str:
        kinds = sorted(self.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count:,} {printable(kind)}" for kind, count in kinds) or "none"

    @property
    def audio(self) -> int:
        """How many are audio of a format that is not read."""
        return sum(count for kind, count in self.items() if kind[1:] in OTHER_AUDIO)


def suffix_of(name: str) -> str:
    """A file's suffix in lower case, with its dot: a file called x.WAV is a wav file."""
    return os.path.splitext(name)[1].lower()


def printable(name: str) -> str:
    """A name that may not be UTF-8, for a message."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def refuse_undecodable(path: str) -> None:
    """Refuse a path that no table in UTF-8 can hold.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(f"{printable(path)}: its name is not UTF-8; rename it") from None
