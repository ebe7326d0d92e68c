"""The recordings below a folder, and what is refused there: files out of place, empty ones."""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ...command_line import InputError
from .left_out import LeftOut, printable, refuse_undecodable, suffix_of

# Folders that recordings are looked for in below the top, to refuse those that lie too deep.
DEEPEST = 4


def recordings(
    top: Path, formats: Collection[str], depths: Collection[int], place: str, left_out: LeftOut
) -> Iterator[Path]:
    """Find the files of a format that is read, sorted within each folder.

    Args:
        top: where to begin.
        formats: their suffixes.
        depths: how many folders there may be between `top` and a recording.
        place: where recordings belong, for the message.
        left_out: where to count the files that were not taken.

    Raises:
        InputError: a recording lies elsewhere, or its name is not UTF-8.
    """
    for folder, folders, names in os.walk(top, followlinks=True):
        depth = len(Path(folder).relative_to(top).parts)
        hidden = [name for name in folders if name.startswith(".")]
        if hidden:
            left_out["hidden folders"] += len(hidden)
        folders[:] = sorted(set(folders) - set(hidden)) if depth < DEEPEST else []
        if depth and not folders and not names:
            left_out["empty folders"] += 1
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") or suffix_of(name) not in formats:
                left_out.add_file(name)
            elif depth not in depths:
                raise InputError(f"{printable(str(path))}: not in {place}; move or remove it")
            else:
                refuse_undecodable(str(path))
                yield path


def one_format_each(paths: Iterable[Path], formats: list[str]) -> list[Path]:
    """One file an utterance, sorted: of those that differ in their suffix only, the first format's.

    Raises:
        InputError: an empty file.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: an empty file; fetch it again or remove it")
        other = found.setdefault(str(path.with_suffix("")), path)
        if formats.index(suffix_of(path.name)) < formats.index(suffix_of(other.name)):
            found[str(path.with_suffix(""))] = path
    return [found[key] for key in sorted(found)]
