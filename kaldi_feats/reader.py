"""Kaldi's ark/scp files: the one place that reads and writes them (with kaldiio)."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import kaldiio
import numpy as np

from ..command_line import InputError
from ..files import atomic_write
from .data_dir import is_count, naming, read_table, shown
from .entries import bad_entry, load, read_scp
from .scp_digest import scp_digest

# Kaldi's kAutomaticMethod, what `copy-feats --compress=true` does.
COMPRESSION_METHOD = 1


class _Reader(Mapping):
    """Arrays by utterance, each read from its ark when it is asked for.

    Holds the text of the scp only, so it may be copied into other processes. A relative path in
    the scp is relative to the current directory, as for Kaldi's programs.

    Args:
        scp: sorted lines of ``utterance ark:offset``.

    Raises:
        InputError: the scp is missing, empty or malformed, or holds a command: none is run.
    """

    ndim: int

    def __init__(self, scp: str | os.PathLike):
        self.scp = Path(scp)
        self._table = read_scp(self.scp)
        self.utterances = list(self._table)

    def __getitem__(self, utterance: str) -> np.ndarray:
        """The array of one utterance, float32.

        Raises:
            KeyError: the scp has no such utterance.
            InputError: the ark is absent or broken, the entry is no such array of Kaldi's, or it
                holds NaN or infinity.
        """
        return load(self.scp, self._table, utterance, self.ndim)

    def digest(self) -> str:
        """Changes with the contents of any of the arrays; see `scp_digest`."""
        return scp_digest(self.scp, self._table)

    def __contains__(self, utterance: object) -> bool:
        return utterance in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self.utterances)

    def __len__(self) -> int:
        return len(self.utterances)


class FeatureReader(_Reader):
    """Matrices (frames, dim) by utterance: a ``feats.scp``.

    A line may end with ``[first:last]``, for some of the rows.

    Example::

        reader = FeatureReader("data/train/feats.scp")
        crop = reader[reader.utterances[0]][100:404]
    """

    ndim = 2

    def of_shape(self, utterance: str, frames: int, bands: int | None = None) -> np.ndarray:
        """The matrix of one utterance, if it is of the shape that it was recorded with.

        Args:
            utterance: its id.
            frames: as ``utt2num_frames`` has it.
            bands: values a frame, if they must be so many.

        Raises:
            InputError: as reading it, or it is of another shape.
        """
        features = self[utterance]
        wanted = (frames, features.shape[1] if bands is None else bands)
        if features.shape != wanted:
            what = (
                f"its features are {features.shape[0]} frames of {features.shape[1]} values, and "
                f"should be {wanted[0]} of {wanted[1]}"
            )
            raise bad_entry(self.scp, self._table, utterance, what)
        return features


class VectorReader(_Reader):
    """Vectors by utterance, such as the decisions of a ``vad.scp``."""

    ndim = 1

    def of_length(self, utterance: str, frames: int) -> np.ndarray:
        """The vector of one utterance, if it has a number for each frame.

        Raises:
            InputError: as reading it, or it is of another length.
        """
        vector = self[utterance]
        if len(vector) != frames:
            what = f"{len(vector)} numbers, and the utterance has {frames} frames"
            raise bad_entry(self.scp, self._table, utterance, what)
        return vector


def read_vectors(scp: str | os.PathLike) -> tuple[list[str], np.ndarray]:
    """Read a whole table of vectors (embeddings).

    Returns:
        The utterances in the scp's order, and float32 (utterances, dim).

    Raises:
        InputError: the scp or an ark is missing or broken, the scp holds a command, an entry is no
            vector of Kaldi's or holds NaN or infinity, or the vectors differ in length.
    """
    table = read_scp(Path(scp))
    open_arks: dict[str, BinaryIO] = {}
    vectors = None
    with contextlib.ExitStack() as open_files:
        for row, utterance in enumerate(table):
            vector = load(scp, table, utterance, 1, open_arks, open_files)
            if vectors is None:  # made at once: of a million vectors a list and a copy are too much
                vectors = np.empty((len(table), len(vector)), np.float32)
            if len(vector) != vectors.shape[1]:
                raise InputError(
                    f"{scp}:{row + 1}: {utterance}: the vector has {len(vector)} numbers and "
                    f"the first has {vectors.shape[1]}; make the file again"
                )
            vectors[row] = vector
    return list(table), vectors


def read_num_frames(data_dir: str | os.PathLike) -> dict[str, int]:
    """Read ``utt2num_frames``: how many frames each utterance has.

    Raises:
        InputError: the file is missing or malformed, or a count is not a positive integer.
    """
    path = Path(data_dir) / "utt2num_frames"
    table = read_table(path)
    counts = {}
    for line, (utterance, text) in enumerate(table.items(), start=1):
        if not is_count(text):
            raise InputError(
                f"{path}:{line}: expected a number of frames, found {shown(text)!r}; "
                "make the features again"
            )
        counts[utterance] = int(text)
    return counts


class _Writer:
    """``<name>.ark`` and ``<name>.scp``, which appear once the block ends without an error.

    The scp is sorted and holds absolute paths, so that it can be read from any directory.
    """

    ndim: int

    def __init__(self, scp: str | os.PathLike, compression_method: int | None = None):
        self.scp = Path(scp).absolute()
        self.ark = self.scp.with_suffix(".ark")
        self._method = compression_method
        self._offsets: dict[str, int] = {}

    def __enter__(self):
        self._beside = atomic_write(self.ark, "wb")
        self._file = self._beside.__enter__()
        return self

    def write(self, utterance: str, array: np.ndarray) -> None:
        """Append one utterance's array, as float32, in whatever order the utterances come.

        Raises:
            ValueError: the utterance was written before, or the array has the wrong rank.
        """
        array = np.asarray(array, dtype=np.float32)
        if array.ndim != self.ndim:
            raise ValueError(f"Expected an array of rank {self.ndim}. Received: {array.shape}")
        if utterance in self._offsets:
            raise ValueError(f"Utterance {utterance} is written twice")
        with naming(self.ark):
            self._file.write(f"{utterance} ".encode())
            self._offsets[utterance] = self._file.tell()
            kaldiio.save_mat(self._file, array, compression_method=self._method)

    def __exit__(self, error_type, error, traceback) -> None:
        if error_type is None:
            self.scp.unlink(missing_ok=True)  # or an old scp would point into the new ark
        with naming(self.ark):
            self._beside.__exit__(error_type, error, traceback)
        if error_type is None:
            with naming(self.scp), atomic_write(self.scp) as file:
                for utterance in sorted(self._offsets, key=str.encode):
                    file.write(f"{utterance} {self.ark}:{self._offsets[utterance]}\n")


class VectorWriter(_Writer):
    """Writes one vector (dim,) an utterance.

    Args:
        scp: where the scp goes; the ark lies beside it under the same name.

    Example::

        with VectorWriter("exp/softmax/seed0/embeddings/test.scp") as writer:
            writer.write("id10270-x6uYqmx31kE-00001", embedding)
    """

    ndim = 1

    def __init__(self, scp: str | os.PathLike):
        super().__init__(scp)


class MatrixWriter(_Writer):
    """Writes one matrix (frames, dim) an utterance.

    Args:
        scp: where the scp goes; the ark lies beside it under the same name.
        compress: store one byte a number as ``copy-feats --compress=true`` does (a quarter of
            the disk, an error of up to 0.09 on log-mel features).
    """

    ndim = 2

    def __init__(self, scp: str | os.PathLike, compress: bool = False):
        super().__init__(scp, COMPRESSION_METHOD if compress else None)


def repeated(features: np.ndarray, frames: int) -> np.ndarray:
    """The features (frames, bands) of an utterance, repeated if it is shorter than `frames`."""
    if len(features) >= frames:
        return features
    return np.tile(features, (-(-frames // len(features)), 1))
