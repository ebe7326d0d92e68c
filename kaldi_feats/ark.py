"""One entry of a Kaldi archive: a matrix or a vector, plain, compressed or text, nothing else.

What kaldiio would also take (pickles, which run code when they are read, audio, NumPy files,
commands, standard input) is refused here, before it sees the file.
"""

import math
import os
import re
import stat
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from kaldiio.matio import read_matrix_or_vector

from .data_dir import quoted, shown

# A type's letters -> bytes of a number, whether it is a matrix, bytes of a column's own header.
TYPES = {
    b"FM": (4, True, 0),
    b"DM": (8, True, 0),
    b"FV": (4, False, 0),
    b"DV": (8, False, 0),
    b"CM": (1, True, 8),
    b"CM2": (2, True, 0),
    b"CM3": (1, True, 0),
}
# What the other types that kaldiio knows begin with.
FOREIGN = {b"PKL": "a pickle", b"NPY": "a NumPy file", b"AUD": "audio", b"RIF": "a wav file"}
_PLACE = re.compile(
    r"(?P<path>.+?)(?::(?P<offset>\d{1,18}))?(?:\[(?P<range>[\d:,]*)\])?", re.DOTALL
)
_RANGE = re.compile(r"(\d{1,9}):(\d{1,9})", re.ASCII)
# Kaldi lets a range end up to so many rows behind the last: frame counts may differ a little.
TOLERANCE = 3
LONGEST_NUMBER = 64


class Place(NamedTuple):
    """Where an array lies: a value of an scp, ``path``, ``path:offset`` or ``path:offset[0:9]``.

    Attributes:
        path: the archive.
        offset: of the entry in it, in bytes.
        rows: first and last row (of a vector: element) that are meant; None for all.
        columns: as `rows`.
    """

    path: str
    offset: int = 0
    rows: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None


def parse_place(value: str) -> Place:
    """Read a value of an scp of features or vectors.

    Raises:
        ValueError: a command, standard input, or a range that is not Kaldi's ``[0:9]`` or
            ``[0:9,0:5]``.
    """
    path, _, offset = value.rpartition(":")
    match = None
    if not (path and len(offset) <= 18 and offset.isascii() and offset.isdigit()):
        match = _PLACE.fullmatch(value)
        if match is None:
            raise ValueError(f"{quoted(value)} is not the place of an array")
        path, offset = match["path"], match["offset"] or "0"
    if is_command(path):
        raise ValueError(f"{quoted(value)} is a command, and only wav.scp may hold commands")
    if path.strip() == "-":
        raise ValueError("'-' is standard input, which is not read; give a file")
    if "\0" in path:
        raise ValueError(f"{quoted(value)} is not the name of a file")
    rows = columns = None
    if match is not None and match["range"] is not None:
        first, comma, second = match["range"].partition(",")
        rows = _parse_range(first, value)
        columns = _parse_range(second, value) if comma else None
    return Place(path, int(offset), rows, columns)


def is_command(value: str) -> bool:
    """Whether Kaldi's programs would run the value in a shell."""
    text = value.strip()
    return text.startswith("|") or text.endswith("|")


def _parse_range(text: str, value: str) -> tuple[int, int] | None:
    if text in ("", ":"):
        return None
    match = _RANGE.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(f"{quoted(value)}: a range is [0:9] or [0:9,0:5], both ends included")
    return int(match[1]), int(match[2])


def open_ark(path: str) -> BinaryIO:
    """Open an archive, which is a regular file: a device or a named pipe may have no end.

    Raises:
        OSError: it cannot be opened.
        ValueError: not a regular file.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{shown(path)} is not a regular file")
    return open(path, "rb")


def read_array(file: BinaryIO, place: Place) -> np.ndarray:
    """Read one entry.

    Args:
        file: the archive at `place`, open.

    Returns:
        Float32 or float64, (rows, columns) of a matrix and (elements,) of a vector.

    Raises:
        ValueError: anything but a whole matrix or vector of Kaldi's, or a range that it has not.
    """
    file.seek(place.offset)
    start = file.read(2)
    if start == b"\0B":
        array = _read_binary(file, place.offset)
    elif start.lstrip()[:1] in (b"", b"["):
        file.seek(place.offset)
        array = read_text(file)
    else:
        raise ValueError(_foreign(start + file.read(3)))
    if place.rows or place.columns:
        array = _cut(array, place)
    return array


def _foreign(start: bytes) -> str:
    what = FOREIGN.get(start[:3], f"something else, which begins {start!r}")
    return f"not a matrix or vector of Kaldi's, but {what}"


def _read_binary(file: BinaryIO, offset: int) -> np.ndarray:
    letters, shape, begin = _read_header(file)
    if letters.startswith(b"C"):
        file.seek(offset)
        with np.errstate(all="ignore"):  # what is not finite is for the caller to refuse
            return read_matrix_or_vector(file)
    file.seek(begin)
    return _read_numbers(file, letters, shape)


def read_uncompressed(file: BinaryIO) -> np.ndarray:
    """Read the binary matrix or vector that begins here, behind ``\\0B``, and no further.

    Raises:
        ValueError: anything but a whole one, or a compressed one.
    """
    letters, shape, begin = _read_header(file)
    if letters.startswith(b"C"):
        raise ValueError("a compressed matrix, which has not the digits of a model")
    file.seek(begin)
    return _read_numbers(file, letters, shape)


def _read_numbers(file: BinaryIO, letters: bytes, shape: tuple[int, ...]) -> np.ndarray:
    dtype = np.dtype("<f4" if letters.startswith(b"F") else "<f8")
    return np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)


def _read_header(file: BinaryIO) -> tuple[bytes, tuple[int, ...], int]:
    """An entry's type and shape, and where its numbers begin.

    Raises:
        ValueError: an unknown type, or sizes that are not positive or reach behind the file's end.
    """
    begin = file.tell()
    head = file.read(24)
    letters, _, rest = head.partition(b" ")
    if letters not in TYPES:
        raise ValueError(f"not a matrix or vector of Kaldi's: its type is {head[:4]!r}")
    width, is_matrix, column_header = TYPES[letters]
    four = another = b"\4"
    columns = 1
    try:
        if letters.startswith(b"C"):
            rows, columns = struct.unpack_from("<8xii", rest)
            header = 16
        elif is_matrix:
            four, rows, another, columns = struct.unpack_from("<cici", rest)
            header = 10
        else:
            four, rows = struct.unpack_from("<ci", rest)
            header = 5
    except struct.error:
        raise ValueError("it ends in its header") from None
    if four != b"\4" or another != b"\4":
        raise ValueError("its header is broken")
    if rows <= 0 or columns <= 0:
        raise ValueError(f"its header says {rows} x {columns} numbers")
    begin += len(letters) + 1 + header
    size = rows * columns * width + columns * column_header
    if begin + size > os.fstat(file.fileno()).st_size:
        raise ValueError(f"its header says {rows} x {columns} numbers, and the file ends before")
    return letters, (rows, columns) if is_matrix else (rows,), begin


def read_text(file: BinaryIO) -> np.ndarray:
    """``[ 1 2 ]`` is a vector, ``[`` and then a row a line up to ``]`` a matrix; no further.

    Raises:
        ValueError: anything else.
    """
    rows, is_matrix = text_rows(file)
    if not rows or (not is_matrix and len(rows) != 1):
        raise ValueError("an empty array")
    if len({len(row) for row in rows}) != 1:
        raise ValueError("rows of different lengths")
    array = np.array(rows)
    return array if is_matrix else array[0]


def text_rows(file: BinaryIO) -> tuple[list[list[float]], bool]:
    """The rows of numbers from ``[`` up to ``]``, and whether they are of a matrix.

    Raises:
        ValueError: anything else.
    """
    text = b"".join(_up_to_bracket(file)).strip()
    if not text.startswith(b"["):
        raise ValueError(_foreign(text[:5]))
    body = text[1:-1]
    rows = [line.split() for line in body.split(b"\n") if line.strip()]
    if any(len(word) > LONGEST_NUMBER or b"_" in word for row in rows for word in row):
        raise ValueError("something that is not a number")
    return [[float(word) for word in row] for row in rows], b"\n" in body


def _up_to_bracket(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline():
        before, bracket, behind = line.partition(b"]")
        if bracket:
            file.seek(-len(behind), os.SEEK_CUR)
        yield before + bracket
        if bracket:
            return
    raise ValueError("no ']' at its end")


def _cut(array: np.ndarray, place: Place) -> np.ndarray:
    if place.columns and array.ndim == 1:
        raise ValueError("a range of columns, and it is a vector")
    cut = []
    for length, span in zip(array.shape, (place.rows, place.columns), strict=False):
        if span is None:
            cut.append(slice(None))
            continue
        first, last = span
        if first >= length or last >= length + (TOLERANCE if not cut else 0):
            raise ValueError(f"the range {first}:{last}, and there are {length}")
        cut.append(slice(first, last + 1))
    return array[tuple(cut)]
