"""Pairs of embeddings to train a back-end on: half of one speaker, half of two."""

import keras
import numpy as np

from ....command_line import InputError


class PairDraws:
    """Which rows are paired: as many target as impostor pairs, drawn anew for each epoch.

    In an epoch every row whose speaker has another one is once the first of a target pair; its
    partner is any other row of the speaker. As many rows, of all speakers, are the first of an
    impostor pair, whose second is any row of any other speaker. So a speaker of many rows is drawn
    often; with `by="speakers"`, as in the authors' code, every speaker is drawn alike, and then
    rows of theirs. Only indices are drawn, and only those of one epoch: all pairs are never listed.

    Args:
        speakers: `(rows,)` integers, whose each row is.
        batch_size: pairs in a batch, an even number.
        seed: the pairs of epoch `k` follow from `(seed, k)`.
        by: "utterances" or "speakers", what is drawn uniformly.

    Raises:
        InputError: if there is only one speaker, or none with two rows.
    """

    def __init__(self, speakers: np.ndarray, batch_size: int, seed: int, by: str = "utterances"):
        speakers = np.asarray(speakers)
        self._rows = np.argsort(speakers, kind="stable")  # a speaker's rows one after another
        _, starts, counts = self._speakers = np.unique(
            speakers[self._rows], return_index=True, return_counts=True
        )
        self._start, self._count = np.repeat(starts, counts), np.repeat(counts, counts)
        self._paired = np.flatnonzero(self._count > 1)
        self.seed = seed
        self.by = by
        if len(starts) < 2 or len(self._paired) == 0:
            raise InputError(
                f"{len(speakers)} embeddings of {len(starts)} speakers give no target or no "
                "impostor pairs; train the back-end on more speakers, with two utterances each"
            )
        self.half = batch_size // 2
        self.steps_per_epoch = max(1, len(self._paired) // self.half)

    def epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of one epoch's pairs: two arrays `(steps, 2, half)`, target pairs first."""
        rng = np.random.default_rng([self.seed, epoch])
        size = self.steps_per_epoch * self.half
        draw = self._by_speakers if self.by == "speakers" else self._by_utterances
        shape = self.steps_per_epoch, self.half
        sides = zip(*draw(rng, size), strict=True)
        return tuple(
            np.stack([self._rows[rows].reshape(shape) for rows in side], axis=1) for side in sides
        )

    def _by_utterances(self, rng: np.random.Generator, size: int):
        """Target and impostor pairs, as places among the sorted rows."""
        first = np.resize(rng.permutation(self._paired), size)
        place = first - self._start[first]
        steps = 1 + rng.integers(0, self._count[first] - 1)
        partner = self._start[first] + (place + steps) % self._count[first]
        one = np.resize(rng.permutation(len(self._rows)), size)
        # A draw among the rows that are not the speaker's own, which lie in one stretch.
        other = rng.integers(0, len(self._rows) - self._count[one])
        other += np.where(other >= self._start[one], self._count[one], 0)
        return [(first, partner), (one, other)]

    def _by_speakers(self, rng: np.random.Generator, size: int):
        """The same, of speakers who are drawn alike, whatever they own."""
        _, starts, counts = self._speakers
        of = rng.choice(np.flatnonzero(counts > 1), size)
        place = rng.integers(0, counts[of])
        partner = (place + 1 + rng.integers(0, counts[of] - 1)) % counts[of]
        one = rng.integers(0, len(counts), size)
        other = (one + 1 + rng.integers(0, len(counts) - 1, size)) % len(counts)
        impostors = (starts[who] + rng.integers(0, counts[who]) for who in (one, other))
        return [(starts[of] + place, starts[of] + partner), tuple(impostors)]


class PairStream(keras.utils.PyDataset):
    """An endless stream of batches of pairs for `fit`, with `shuffle=False`.

    A batch is `({"first": (batch, dim), "second": (batch, dim)}, same)` with `same` `(batch,)`
    int32, 1 for a target pair.

    Args:
        embeddings: `(rows, dim)` float32.
        draws: which rows are paired.
    """

    def __init__(self, embeddings: np.ndarray, draws: PairDraws):
        super().__init__()
        self.embeddings = embeddings
        self.draws = draws
        self._same = np.repeat(np.array([1, 0], "int32"), draws.half)
        self._epoch = -1

    @property
    def num_batches(self) -> None:
        return None  # endless

    def __getitem__(self, index: int):
        epoch, step = divmod(index, self.draws.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._pairs = epoch, self.draws.epoch(epoch)
        first, second = (self.embeddings[rows[step].ravel()] for rows in self._pairs)
        return {"first": first, "second": second}, self._same
