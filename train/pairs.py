"""Mini-batches of pairs, for a Siamese network."""

import math
from collections.abc import Sequence

import numpy as np

from ..command_line import InputError
from .samplers import ShuffledUtterances, SpeakersTimesCrops


class Pairs:
    """Half of a batch's pairs are of one speaker, half of two, some of those two mined.

    Rows 2k and 2k + 1 of a batch are a pair. The first of a pair takes turns over all utterances;
    the second is drawn from the speaker's other utterances (the same one again, in another crop,
    if there is no other), or from all utterances of other speakers. Of the pairs of two speakers
    some are mined ones where there are any; see `PairMining`.

    Args:
        speakers: `(utterances,)` integers, the speaker of each utterance, two or more different.
        pairs_per_batch: two crops each.
        crops_per_utterance: sets the length of an epoch, `utterances * crops_per_utterance` crops.
        seed: the batches of epoch `k` follow from `(seed, k)`, but for the mined pairs.
        mined_share: of a batch's pairs of two speakers, how many come from `mined`.

    Attributes:
        partners: `(utterances,)`, how many utterances of other speakers there are for each.
        mined: by epoch, `(steps_per_epoch, mined_per_batch, 2)` utterances. An epoch without has
            drawn pairs alone: threads that read ahead look into epochs that are not mined yet, of
            which nothing is trained on.

    Raises:
        InputError: if an epoch's crops do not fill one batch.
    """

    def __init__(
        self,
        speakers: Sequence[int],
        pairs_per_batch: int,
        crops_per_utterance: int,
        seed: int,
        mined_share: float = 0.0,
    ):
        self.speakers = np.asarray(speakers)
        self.pairs_per_batch = pairs_per_batch
        self.batch_size = 2 * pairs_per_batch
        self.seed = seed
        self.steps_per_epoch = len(self.speakers) * crops_per_utterance // self.batch_size
        if self.steps_per_epoch == 0:
            raise InputError(
                f"{len(self.speakers)} utterances x {crops_per_utterance} crops_per_utterance do "
                f"not fill one batch of {pairs_per_batch} pairs; raise crops_per_utterance"
            )
        self.of_one = pairs_per_batch // 2
        self.mined_per_batch = round(mined_share * (pairs_per_batch - self.of_one))
        self.mined: dict[int, np.ndarray] = {}
        # The utterances by speaker, and where a speaker's begin and how many there are.
        self._order = np.argsort(self.speakers, kind="stable")
        self._place = np.argsort(self._order)
        _, self._start, inverse, self._count = np.unique(
            self.speakers[self._order], return_index=True, return_inverse=True, return_counts=True
        )
        self._number = inverse[self._place]
        self.partners = len(self.speakers) - self._count[self._number]

    def epoch(self, epoch: int) -> np.ndarray:
        """The utterances of one epoch's batches: `(steps_per_epoch, batch_size)` indices."""
        rng = np.random.default_rng([self.seed, epoch])
        shape = (self.steps_per_epoch, self.pairs_per_batch)
        rounds = math.ceil(math.prod(shape) / len(self.speakers))
        order = np.concatenate([rng.permutation(len(self.speakers)) for _ in range(rounds)])
        first = order[: math.prod(shape)].reshape(shape)
        second = np.concatenate(
            [
                self.of_own_speaker(first[:, : self.of_one], rng),
                self.of_another(first[:, self.of_one :], rng),
            ],
            axis=1,
        )
        pairs = np.stack([first, second], axis=2)
        if epoch in self.mined and self.mined_per_batch:
            pairs[:, -self.mined_per_batch :] = self.mined[epoch]
        return pairs.reshape(self.steps_per_epoch, self.batch_size)

    def of_own_speaker(self, utterances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each utterance another one of its speaker, or itself if there is none."""
        speaker = self._number[utterances]
        start, count = self._start[speaker], self._count[speaker]
        further = 1 + rng.integers(0, np.maximum(count - 1, 1))
        return self._order[start + (self._place[utterances] - start + further) % count]

    def of_another(self, utterances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each utterance one of another speaker, each as likely."""
        speaker = self._number[utterances]
        start, count = self._start[speaker], self._count[speaker]
        place = rng.integers(0, len(self.speakers) - count)
        return self._order[place + np.where(place >= start, count, 0)]


Batches = ShuffledUtterances | SpeakersTimesCrops | Pairs
"""Which utterances are in which mini-batch of which epoch."""
