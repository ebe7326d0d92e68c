"""The entries of an scp: what each line points to, checked before it is believed."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..command_line import InputError
from .ark import Place, is_command, open_ark, parse_place, read_array
from .data_dir import read_table, shown

# A process may have 1,024 files open, as a rule.
MOST_OPEN = 100
LONGEST_KEY = 10_000


def read_scp(scp: Path) -> dict[str, str]:
    """Read a table of places in archives.

    Raises:
        InputError: as `read_table`, or a value is a command or standard input.
    """
    table = read_table(scp)
    for utterance, value in table.items():
        if value == "-" or is_command(value):
            raise bad_entry(
                scp,
                table,
                utterance,
                f"{shown(value)}: a command or standard input, and neither is read",
            )
    return table


def load(
    scp: str | os.PathLike,
    table: Mapping[str, str],
    utterance: str,
    ndim: int,
    open_arks: dict[str, BinaryIO] | None = None,
    open_files: contextlib.ExitStack | None = None,
) -> np.ndarray:
    """Read the array of one line, float32 of rank `ndim`.

    Args:
        scp: the file, for messages.
        table: what `read_scp` read from it.
        utterance: a key of the table.
        ndim: 2 for a matrix, 1 for a vector.
        open_arks: archives by name, kept open for the lines after this one.
        open_files: what closes them in the end.

    Raises:
        InputError: the archive is absent or broken, the entry is no such array of Kaldi's, or it
            holds NaN or infinity.
    """
    value = table[utterance]
    try:
        place = parse_place(value)
        if open_arks is None or open_files is None:
            with open_ark(place.path) as file:
                array = read_array(file, place)
        else:
            if place.path not in open_arks:
                if len(open_arks) == MOST_OPEN:
                    open_files.close()
                    open_arks.clear()
                open_arks[place.path] = open_files.enter_context(open_ark(place.path))
            array = read_array(open_arks[place.path], place)
        if array.ndim != ndim or array.size == 0:
            raise ValueError(f"found an array of shape {array.shape}")
    except FileNotFoundError as error:
        raise bad_entry(scp, table, utterance, f"{shown(place.path)} is not there") from error
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        what = f"cannot read {shown(value)} (truncated?): {reason}"
        raise bad_entry(scp, table, utterance, what) from error
    with np.errstate(over="ignore"):  # a double may be too large
        array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise bad_entry(scp, table, utterance, f"NaN or infinity in {shown(value)}")
    return array


def walk(ark: str | os.PathLike) -> Iterator[tuple[str, np.ndarray]]:
    """Every utterance of an archive with its array, binary or text, from its beginning to its end.

    Raises:
        InputError: with the offset in bytes: an entry is no array of Kaldi's, or broken.
    """
    path, offset = os.fspath(ark), 0
    try:
        with open_ark(path) as file:
            while key := _key(file):
                offset = file.tell()
                yield key, read_array(file, Place(path, offset))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: at byte {offset}: {error}") from error


def _key(file: BinaryIO) -> str:
    """The utterance that an entry begins with; empty at the archive's end."""
    letters = b""
    while (letter := file.read(1)) and (not letters or not letter.isspace()):
        if not letter.isspace():  # the end of the line of the text entry before
            letters += letter
        if len(letters) > LONGEST_KEY:
            raise ValueError("no utterance's name at its beginning")
    return letters.decode("utf-8")  # what it raises is a ValueError, too


def bad_entry(
    scp: str | os.PathLike, table: Mapping[str, str], utterance: str, what: str
) -> InputError:
    """An error about one line of an scp."""
    line = list(table).index(utterance) + 1
    return InputError(f"{scp}:{line}: {shown(utterance)}: {what}; make the file again")
