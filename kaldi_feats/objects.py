"""One object of Kaldi's in a file of its own: a matrix, a vector, or a model that is made of them.

What Kaldi's programs read with ReadKaldiObject. A binary file begins with ``\\0B``, and each of its
tokens ends with one blank; in a text file blanks of any kind stand between tokens and arrays.
"""

import contextlib
import math
import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ..command_line import InputError
from .ark import open_ark, read_text, read_uncompressed, text_rows

LONGEST_TOKEN = 64


class ObjectReader:
    """The parts of one object, read in their order.

    Args:
        file: the file, open at its beginning.

    Attributes:
        offset: where the part that was read last begins, in bytes.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self.offset = 0
        self.binary = file.read(2) == b"\0B"
        if not self.binary:
            file.seek(0)

    def expect(self, token: str) -> None:
        """Read a token.

        Raises:
            ValueError: another one stands here.
        """
        found = self._token()
        if found != token.encode():
            raise ValueError(f"expected {token}, found {found!r}")

    def vector(self) -> np.ndarray:
        """Read a vector, float64 (dim,); raises ValueError as `matrix`."""
        return self._array(1)

    def matrix(self) -> np.ndarray:
        """Read a matrix, float64 (rows, columns).

        Raises:
            ValueError: anything but a whole matrix, or NaN or infinity in it.
        """
        return self._array(2)

    def symmetric(self) -> np.ndarray:
        """Read a symmetric matrix, of which the lower half is stored: float64 (dim, dim).

        Raises:
            ValueError: as `matrix`.
        """
        self._begin()
        if self.binary:
            packed = self._packed()
        else:
            rows, _ = text_rows(self._file)
            if [len(row) for row in rows] != list(range(1, len(rows) + 1)):
                raise ValueError("not the lower half of a matrix")
            packed = np.array([number for row in rows for number in row])
        dim = math.isqrt(2 * len(packed))
        if not dim or not np.isfinite(packed).all():
            raise ValueError("an empty matrix, NaN or infinity")
        lower = np.zeros((dim, dim))
        lower[np.tril_indices(dim)] = packed
        return lower + np.tril(lower, -1).T

    def _packed(self) -> np.ndarray:
        head = self._file.read(8)
        if len(head) != 8 or head[:3] not in (b"FP ", b"DP ") or head[3:4] != b"\4":
            raise ValueError(f"expected a symmetric matrix, found {head!r}")
        dtype = np.dtype("<f4" if head.startswith(b"F") else "<f8")
        (dim,) = struct.unpack("<i", head[4:])
        left = os.fstat(self._file.fileno()).st_size - self._file.tell()
        size = dim * (dim + 1) // 2 * dtype.itemsize
        if dim <= 0 or size > left:
            raise ValueError(f"its header says {dim} rows, and the file ends before")
        return np.frombuffer(self._file.read(size), dtype)

    def nothing(self) -> None:
        """Read a matrix without rows.

        Raises:
            ValueError: there is something in it.
        """
        self._begin()
        if self.binary:
            head = self._file.read(13)
            empty = head[:3] in (b"FM ", b"DM ") and head[3:] == b"\4\0\0\0\0" * 2
        else:
            empty = text_rows(self._file)[0] == []
        if not empty:
            raise ValueError("expected a matrix without rows")

    def integer(self) -> int:
        """Read a whole number of 32 bits; raises ValueError for anything else."""
        return int(self._number(b"\4", "<i", rb"-?\d{1,10}"))

    def number(self) -> float:
        """Read a number in double precision; raises ValueError for anything else."""
        value = float(self._number(b"\10", "<d", rb"[-+.\deE]{1,40}"))
        if not math.isfinite(value):
            raise ValueError(f"expected a finite number, found {value}")
        return value

    def _number(self, size: bytes, form: str, text: bytes) -> int | float | bytes:
        if not self.binary:
            word = self._token()
            if not re.fullmatch(text, word):
                raise ValueError(f"expected a number, found {word!r}")
            return word
        self._begin()
        data = self._file.read(1 + size[0])
        if data[:1] != size or len(data) != 1 + size[0]:
            raise ValueError(f"expected a number of {size[0]} bytes, found {data!r}")
        return struct.unpack(form, data[1:])[0]

    def end(self) -> None:
        """Raise a ValueError unless everything has been read."""
        self._begin()
        rest = self._file.read(LONGEST_TOKEN)
        if rest if self.binary else rest.strip():
            raise ValueError(f"expected the end of the file, found {rest!r}")

    def _begin(self) -> None:
        """Note where the next part begins."""
        if not self.binary:
            while (letter := self._file.read(1)).isspace():
                pass
            if letter:
                self._file.seek(-1, os.SEEK_CUR)
        self.offset = self._file.tell()

    def _token(self) -> bytes:
        self._begin()
        token = b""
        while len(token) < LONGEST_TOKEN:
            letter = self._file.read(1)
            if not letter or letter.isspace():
                break
            token += letter
        return token

    def _array(self, ndim: int) -> np.ndarray:
        self._begin()
        array = read_uncompressed(self._file) if self.binary else read_text(self._file)
        if array.ndim != ndim:
            raise ValueError(f"expected {_named(ndim)}, found {_named(array.ndim)}")
        if not np.isfinite(array).all():
            raise ValueError(f"NaN or infinity in {_named(ndim)}")
        return array.astype(np.float64)


def _named(ndim: int) -> str:
    return "a vector" if ndim == 1 else "a matrix"


@contextlib.contextmanager
def reading(path: str | os.PathLike, what: str) -> Iterator[ObjectReader]:
    """Read the parts of an object within the block, which raises ValueError for what is wrong.

    Args:
        path: the file.
        what: it should be, for the message: "a PLDA model of Kaldi's".

    Raises:
        InputError: there is no such file, or the block or what follows the object is wrong; with
            the place in bytes.
    """
    try:
        with open_ark(os.fspath(path)) as file:
            reader = ObjectReader(file)
            try:
                yield reader
                reader.end()
            except ValueError as error:
                raise InputError(
                    f"{path}: not {what}: at byte {reader.offset}: {error}; make the file again"
                ) from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected {what}") from None
    except ValueError as error:  # not a regular file
        raise InputError(f"{path}: not {what}: {error}") from None


def read_matrix(path: str | os.PathLike) -> np.ndarray:
    """A file of one matrix, such as ``lda.mat``: float64 (rows, columns).

    Raises:
        InputError: as `reading`.
    """
    with reading(path, "a matrix of Kaldi's") as reader:
        return reader.matrix()


def read_vector(path: str | os.PathLike) -> np.ndarray:
    """A file of one vector, such as ``mean.vec``: float64 (dim,).

    Raises:
        InputError: as `reading`.
    """
    with reading(path, "a vector of Kaldi's") as reader:
        return reader.vector()
