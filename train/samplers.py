"""Which utterances are in which mini-batch of which epoch."""

import logging
from collections.abc import Sequence

import numpy as np

from ..command_line import InputError

log = logging.getLogger(__name__)


class ShuffledUtterances:
    """Every utterance `crops_per_utterance` times in an epoch, in an order of the epoch's own.

    Crops left over after the last whole batch are dropped; another epoch drops others.

    Args:
        speakers: `(utterances,)` integers, the speaker of each utterance; only counted here.
        batch_size: crops in a batch (the paper's M).
        crops_per_utterance: crops of each utterance in one epoch.
        seed: the order of epoch `k` follows from `(seed, k)`.

    Raises:
        InputError: if an epoch's crops do not fill one batch.
    """

    def __init__(self, speakers: Sequence[int], batch_size: int, crops_per_utterance: int, seed):
        self.num_utterances = len(speakers)
        self.crops_per_utterance = crops_per_utterance
        self.batch_size = batch_size
        self.seed = seed
        self.steps_per_epoch = self.num_utterances * crops_per_utterance // batch_size
        if self.steps_per_epoch == 0:
            raise InputError(
                f"{self.num_utterances} utterances x {crops_per_utterance} crops_per_utterance "
                f"do not fill one batch of {batch_size}; raise crops_per_utterance"
            )

    def epoch(self, epoch: int) -> np.ndarray:
        """The utterances of one epoch's batches: `(steps_per_epoch, batch_size)` indices."""
        rng = np.random.default_rng([self.seed, epoch])
        # The crops of one utterance are spread over the epoch rather than left to chance.
        order = [rng.permutation(self.num_utterances) for _ in range(self.crops_per_utterance)]
        used = np.concatenate(order)[: self.steps_per_epoch * self.batch_size]
        return used.reshape(self.steps_per_epoch, self.batch_size)


class SpeakersTimesCrops:
    """Batches of several crops of each of several speakers, as GE2E compares them.

    An epoch has as many crops as `ShuffledUtterances` would take; speakers take turns, however
    many utterances they have. A speaker's crops in a batch are from different utterances as far
    as there are enough, and then from the same ones again.

    Args:
        speakers: `(utterances,)` integers, the speaker of each utterance.
        speakers_per_batch: different speakers in a batch.
        crops_per_speaker: crops of each of them.
        crops_per_utterance: sets the length of an epoch, `utterances * crops_per_utterance` crops.
        seed: the batches of epoch `k` follow from `(seed, k)`.

    Raises:
        InputError: if there are too few speakers for one batch, or too few crops.
    """

    def __init__(
        self,
        speakers: Sequence[int],
        speakers_per_batch: int,
        crops_per_speaker: int,
        crops_per_utterance: int,
        seed: int,
    ):
        speakers = np.asarray(speakers)
        ids = np.unique(speakers)
        if len(ids) < speakers_per_batch:
            raise InputError(
                f"a batch takes {speakers_per_batch} different speakers, the training data has "
                f"{len(ids)}; lower batch.speakers"
            )
        by_speaker = np.argsort(speakers, kind="stable")
        self.utterances = np.split(by_speaker, np.searchsorted(speakers[by_speaker], ids[1:]))
        self.speakers_per_batch = speakers_per_batch
        self.crops_per_speaker = crops_per_speaker
        self.batch_size = speakers_per_batch * crops_per_speaker
        self.seed = seed
        self.steps_per_epoch = len(speakers) * crops_per_utterance // self.batch_size
        if self.steps_per_epoch == 0:
            raise InputError(
                f"{len(speakers)} utterances x {crops_per_utterance} crops_per_utterance do not "
                f"fill one batch of {speakers_per_batch} speakers x {crops_per_speaker} crops; "
                "raise crops_per_utterance"
            )
        short = sum(len(own) < crops_per_speaker for own in self.utterances)
        if short:
            log.info(
                "%d of %d speakers have fewer than %d utterances: their crops in a batch are "
                "partly of the same utterance",
                short,
                len(ids),
                crops_per_speaker,
            )

    def epoch(self, epoch: int) -> np.ndarray:
        """The utterances of one epoch's batches: `(steps_per_epoch, batch_size)` indices."""
        rng = np.random.default_rng([self.seed, epoch])
        per_round = len(self.utterances) // self.speakers_per_batch
        batches = []
        while len(batches) < self.steps_per_epoch:
            order = rng.permutation(len(self.utterances))[: per_round * self.speakers_per_batch]
            batches.extend(order.reshape(per_round, self.speakers_per_batch))
        return np.array(
            [
                [utterance for speaker in batch for utterance in self._draw(speaker, rng)]
                for batch in batches[: self.steps_per_epoch]
            ]
        )

    def _draw(self, speaker: int, rng: np.random.Generator) -> np.ndarray:
        return np.resize(rng.permutation(self.utterances[speaker]), self.crops_per_speaker)
