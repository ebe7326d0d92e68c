"""Whole utterances of all lengths, gathered into batches of a handful of shapes."""

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..command_line import InputError
from .reader import FeatureReader

_WINDOW = 4096
"""Utterances sorted by length at a time: neighbours in the scp are neighbours on the disk."""

_AHEAD = 3
"""Batches read while the network is busy with another."""


class BatchPlan(NamedTuple):
    """Which utterances go together, and the shape that they are padded to."""

    utterances: list[str]
    rows: int
    frames: int


class Batch(NamedTuple):
    """One padded batch.

    Attributes:
        utterances: the names of the first rows; further rows are padding.
        features: (rows, frames, dim) float32, zeros behind an utterance's end.
        num_frames: (rows,) int32, at least 1.
    """

    utterances: list[str]
    features: np.ndarray
    num_frames: np.ndarray


def padded_length(num_frames: int) -> int:
    """The smallest of 64, 96, 128, 192, 256, 384, ... frames that holds an utterance.

    Two compilations an octave, and at most 1.5 frames computed for one that counts.
    """
    power = max(64, 1 << (num_frames - 1).bit_length())
    return power * 3 // 4 if num_frames <= power * 3 // 4 and power > 64 else power


def plan_batches(num_frames: dict[str, int], batch_frames: int) -> Iterator[BatchPlan]:
    """Group utterances of like lengths into batches of at most `batch_frames` padded frames.

    An utterance that is longer than that is a batch of its own. Only the shape of a batch's
    longest utterance counts, so there are two shapes an octave of lengths, and a few more for
    the rests at the end of each few thousand utterances.

    Args:
        num_frames: frames of each utterance.
        batch_frames: what bounds the memory that the network needs.
    """
    names = iter(num_frames)
    while window := list(itertools.islice(names, _WINDOW)):
        window.sort(key=num_frames.get, reverse=True)
        start = 0
        while start < len(window):
            frames = padded_length(num_frames[window[start]])
            rows = max(1, batch_frames // frames)
            utterances = window[start : start + rows]
            rest = 1 << (len(utterances) - 1).bit_length()  # the next power of 2
            yield BatchPlan(utterances, min(rows, rest), frames)
            start += rows


def read_batch(reader: FeatureReader, plan: BatchPlan, num_frames: dict[str, int]) -> Batch:
    """Read and pad the features of one batch.

    Raises:
        InputError: if an ark is missing or broken, holds NaN, or its number of frames is not
            that of ``utt2num_frames``.
    """
    lengths = np.ones(plan.rows, dtype=np.int32)
    features = None
    for row, utterance in enumerate(plan.utterances):
        bands = None if features is None else features.shape[2]
        matrix = reader.of_shape(utterance, num_frames[utterance], bands)
        if features is None:
            features = np.zeros((plan.rows, plan.frames, matrix.shape[1]), dtype=np.float32)
        features[row, : len(matrix)] = matrix
        lengths[row] = len(matrix)
    return Batch(plan.utterances, features, lengths)


def read_batches(
    reader: FeatureReader, num_frames: dict[str, int], batch_frames: int
) -> Iterator[Batch]:
    """All utterances of a reader as padded batches, the next ones read in the background.

    Args:
        reader: the features.
        num_frames: frames of each of the reader's utterances; others are ignored.
        batch_frames: as in `plan_batches`.

    Raises:
        InputError: as `read_batch`, or if `num_frames` lacks an utterance.
    """
    for line, utterance in enumerate(reader.utterances, start=1):
        if utterance not in num_frames:
            raise InputError(
                f"{reader.scp}:{line}: {utterance} is not in utt2num_frames; "
                "make the features again"
            )
    plans = plan_batches({u: num_frames[u] for u in reader.utterances}, batch_frames)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        pending = deque()
        try:
            for plan in plans:
                pending.append(pool.submit(read_batch, reader, plan, num_frames))
                if len(pending) > _AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
