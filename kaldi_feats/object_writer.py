"""Writing one object of Kaldi's to a file of its own, so that Kaldi's programs read it."""

import contextlib
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ..files import atomic_write


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
        elif array.ndim == 2:
            self._write_rows(array.tolist())
        else:
            self._file.write(f" [ {_words(array.tolist())} ]\n".encode())

    def symmetric(self, matrix: np.ndarray) -> None:
        """A symmetric matrix (dim, dim), of which the lower half is written."""
        dim = len(matrix)
        if self._binary:
            self._file.write(b"DP \4" + struct.pack("<i", dim))
            self._file.write(np.asarray(matrix, "<f8")[np.tril_indices(dim)].tobytes())
            return
        self._write_rows([matrix[row, : row + 1].tolist() for row in range(dim)])

    def nothing(self) -> None:
        """A matrix without rows."""
        self._file.write(b"DM " + b"\4\0\0\0\0" * 2 if self._binary else b" [ ]\n")

    def integer(self, value: int) -> None:
        """A whole number of 32 bits."""
        self._file.write(b"\4" + struct.pack("<i", value) if self._binary else b"%d " % value)

    def number(self, value: float) -> None:
        """A number in double precision."""
        text = f"{float(value)!r} ".encode()
        self._file.write(b"\10" + struct.pack("<d", value) if self._binary else text)

    def _write_rows(self, rows: list[list[float]]) -> None:
        lines = "\n  ".join(map(_words, rows))
        self._file.write(f" [\n  {lines} ]\n".encode())


def _words(numbers: list[float]) -> str:
    return " ".join(map(repr, numbers))


@contextlib.contextmanager
def writing(path: str | os.PathLike, binary: bool = True) -> Iterator[ObjectWriter]:
    """Write the parts of an object within the block; the file appears whole or not at all."""
    with atomic_write(path, "wb") as file:
        yield ObjectWriter(file, binary)


def write_array(path: str | os.PathLike, array: np.ndarray, binary: bool = True) -> None:
    """Write a file of one vector (dim,) or matrix (rows, columns)."""
    with writing(path, binary) as writer:
        writer.array(array)
