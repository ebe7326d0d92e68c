"""One object of Kaldi's in a file of its own: a matrix, a vector, or a model that is made of them.

What Kaldi's programs read with ReadKaldiObject. A binary file begins with ``\\0B``, and each of its
tokens ends with one blank; in a text file blanks of any kind stand between tokens and arrays.
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ..command_line import InputError
from ..files import atomic_write
from .ark import open_ark, read_text, read_uncompressed

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


class ObjectWriter:
    """Writes the parts of one object in their order.

    Args:
        file: the file, open and empty.
        binary: whether as Kaldi's ``--binary=true`` or as text.
    """

    def __init__(self, file: BinaryIO, binary: bool):
        self._file = file
        self._binary = binary
        if binary:
            file.write(b"\0B")

    def token(self, token: str) -> None:
        self._file.write(f"{token} ".encode())

    def array(self, array: np.ndarray) -> None:
        """A vector (dim,) or matrix (rows, columns), in double precision."""
        array = np.asarray(array, "<f8")
        if self._binary:
            self._file.write(b"DM " if array.ndim == 2 else b"DV ")
            self._file.write(b"".join(b"\4" + struct.pack("<i", size) for size in array.shape))
            self._file.write(array.tobytes())
            return
        rows = [" ".join(map(repr, row)) for row in np.atleast_2d(array).tolist()]
        text = f" [ {rows[0]} ]\n" if array.ndim == 1 else " [\n  " + "\n  ".join(rows) + " ]\n"
        self._file.write(text.encode())


@contextlib.contextmanager
def writing(path: str | os.PathLike, binary: bool = True) -> Iterator[ObjectWriter]:
    """Write the parts of an object within the block; the file appears whole or not at all."""
    with atomic_write(path, "wb") as file:
        yield ObjectWriter(file, binary)


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


def write_array(path: str | os.PathLike, array: np.ndarray, binary: bool = True) -> None:
    """Write a file of one vector (dim,) or matrix (rows, columns)."""
    with writing(path, binary) as writer:
        writer.array(array)
