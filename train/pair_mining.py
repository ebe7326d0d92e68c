"""The mining of hard negative pairs, in phases of its own between epochs."""

import logging
import math
import time
from typing import Any

import keras
import numpy as np

from ..command_line import InputError
from ..files import atomic_write, remove_temporary
from ..models.utterance_embedder import UtteranceEmbedder
from ..progress import progress
from ..run_dir import RunDir
from .checkpoints import Checkpoints, load_checkpoint, weights_digest
from .data import TrainingData
from .embedding import embed_utterances
from .pairs import Pairs

log = logging.getLogger(__name__)

PART = 512
"""Utterances that are embedded between two looks at whether to stop, and stored in one file."""
BLOCK = 4096
"""Pairs whose distances are computed at a time."""


class PairMining:
    """Finds the hard negative pairs of the next epochs, by the network as it then is.

    Before every `every`-th epoch all training utterances are embedded whole. Of pairs of two
    speakers, drawn at random, the share `hardest` with the smallest Euclidean distances is kept,
    as many as these epochs take: a random part of the hardest of all pairs, whose number grows with
    the square of that of the utterances.

    A phase that was stopped goes on with the parts that were embedded; one that is complete is not
    done again. What is mined follows from the weights, the seed and the epoch.

    Args:
        data: the training utterances.
        config: its `mining`: `share`, `every`, `hardest`.
        run: keeps the mined pairs.
        batches: to which they are given.
        seed: of the draw.
    """

    def __init__(
        self, data: TrainingData, config: dict[str, Any], run: RunDir, batches: Pairs, seed: int
    ):
        self.data, self.run, self.batches, self.seed = data, run, batches, seed
        self.every = config["mining"].get("every", 1)
        self.hardest = config["mining"].get("hardest", 0.1)
        self._embedder = None

    def next_after(self, epoch: int) -> int:
        """The first epoch behind this one whose pairs are not mined by then."""
        return self._phase_of(epoch) + self.every

    def prepare(self, model: keras.Model, checkpoints: Checkpoints) -> bool:
        """Have the mined pairs of the epoch in which training goes on, and of those after it.

        Args:
            model: the training model; it gets the values of the checkpoint that it goes on from.
            checkpoints: where training stands, and whether it is to stop.

        Returns:
            Whether they are there: `False` if it was stopped.

        Raises:
            InputError: the pairs of an epoch that was begun are missing or damaged, or features
                cannot be read.
        """
        epoch, done = divmod(checkpoints.step, self.batches.steps_per_epoch)
        phase = self._phase_of(epoch)
        if phase in self.batches.mined:
            return True
        if checkpoints.resume_from is not None:
            load_checkpoint(checkpoints.resume_from, model)
        begun = done > 0 or epoch > phase
        weights = None if begun else weights_digest(model.get_layer("backbone"))
        pairs = self._read(phase, weights)
        if pairs is None and begun:
            raise InputError(
                f"{self.run.mined(phase)}: missing or damaged, and epoch {epoch + 1} goes on with "
                f"its pairs; remove {self.run.checkpoints} to train from the beginning"
            )
        if pairs is None:
            pairs = self._mine(model, phase, weights, checkpoints)
        if pairs is None:
            return False
        for number, of_epoch in enumerate(pairs):
            self.batches.mined[phase + number] = of_epoch
        return True

    def _phase_of(self, epoch: int) -> int:
        return epoch - epoch % self.every

    def _read(self, phase: int, weights: str | None) -> np.ndarray | None:
        """The pairs of a phase, if its file is whole and, unless given None, of these weights."""
        stored = _load(self.run.mined(phase), weights)
        pairs = stored and stored.get("pairs")
        return pairs if pairs is not None and pairs.shape == self._shape() else None

    def _shape(self) -> tuple[int, int, int, int]:
        return (self.every, self.batches.steps_per_epoch, self.batches.mined_per_batch, 2)

    def _mine(self, model, phase: int, weights: str, checkpoints: Checkpoints) -> np.ndarray | None:
        began = time.monotonic()
        embeddings = self._embed(model, phase, weights, checkpoints)
        if embeddings is None:
            return None
        embedded = time.monotonic()
        rng = np.random.default_rng([self.seed, phase, 4])
        number = math.prod(self._shape()[:3])
        pool = draw_negatives(self.batches, math.ceil(number / self.hardest), rng)
        chosen, farthest = hardest_pairs(embeddings, pool, number)
        pairs = rng.permutation(chosen).astype(np.int32).reshape(self._shape())
        with atomic_write(self.run.mined(phase), "wb") as file:
            np.savez(file, weights=weights, pairs=pairs)
        for part in self._parts(phase):
            part.unlink(missing_ok=True)
        log.info(
            "%s: before epoch %d mined %d pairs of two speakers, the nearest of %d, up to a "
            "distance of %.4f: %d utterances embedded in %.1f s, pairs found in %.1f s",
            *(self.run.path, phase + 1, number, len(pool), farthest),
            *(len(embeddings), embedded - began, time.monotonic() - embedded),
        )
        return pairs

    def _embed(self, model, phase, weights: str, checkpoints: Checkpoints) -> np.ndarray | None:
        """All training utterances, (utterances, dim); None if it was stopped."""
        if self._embedder is None:
            self._embedder = UtteranceEmbedder(model.get_layer("backbone"))
        data, embeddings = self.data, None
        remove_temporary(self.run.mining)
        with progress(total=len(data.utterances), desc="mining", unit="utt") as bar:
            for number, path in enumerate(self._parts(phase)):
                if checkpoints.stopped:
                    return None
                own = slice(number * PART, (number + 1) * PART)
                names = data.utterances[own]
                stored = _load(path, weights)
                if stored is None or len(stored.get("embeddings", ())) != len(names):
                    lengths = dict(zip(names, data.num_frames[own], strict=True))
                    rows = embed_utterances(self._embedder, data.reader, lengths, self.run)
                    stored = {"embeddings": np.stack([rows[name] for name in names])}
                    with atomic_write(path, "wb") as file:
                        np.savez(file, weights=weights, **stored)
                rows = stored["embeddings"]
                if embeddings is None:  # made at once: a list and a copy would be twice as much
                    embeddings = np.empty((len(data.utterances), rows.shape[1]), np.float32)
                embeddings[own] = rows
                bar.update(len(names))
        return embeddings

    def _parts(self, phase: int) -> list:
        number = math.ceil(len(self.data.utterances) / PART)
        return [self.run.mined(phase, part) for part in range(number)]


def draw_negatives(batches: Pairs, number: int, rng: np.random.Generator) -> np.ndarray:
    """Pairs of utterances of two speakers, `(number, 2)`; each such pair is as likely."""
    # The first of a pair in proportion to its partners, or pairs of speakers with many utterances
    # would be rarer than they are.
    first = rng.choice(len(batches.speakers), number, p=batches.partners / batches.partners.sum())
    return np.stack([first, batches.of_another(first, rng)], axis=1)


def hardest_pairs(
    embeddings: np.ndarray, pairs: np.ndarray, number: int
) -> tuple[np.ndarray, float]:
    """The pairs with the smallest Euclidean distances.

    Args:
        embeddings: (utterances, dim).
        pairs: (pairs, 2) rows of them.
        number: how many are kept.

    Returns:
        (number, 2), nearest first, and the largest distance among them.
    """
    squares = np.empty(len(pairs), np.float32)
    for begin in range(0, len(pairs), BLOCK):
        block = slice(begin, begin + BLOCK)
        difference = embeddings[pairs[block, 0]] - embeddings[pairs[block, 1]]
        squares[block] = np.vecdot(difference, difference)
    kept = np.argsort(squares, kind="stable")[:number]
    return pairs[kept], float(np.sqrt(squares[kept].max(initial=0)))


def _load(path, weights: str | None) -> dict[str, np.ndarray] | None:
    """The arrays of a file, or None if it is not there, damaged, or of other weights."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception:  # as many kinds as NumPy and zip have parts; what is not whole is made again
        return None
    return arrays if weights in (None, str(arrays.get("weights"))) else None
