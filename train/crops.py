"""Random fixed-length crops of the training utterances, batch by batch, straight from the arks."""

from collections.abc import Sequence
from functools import lru_cache

import keras
import numpy as np

from ..command_line import InputError
from ..kaldi_feats.reader import FeatureReader, repeated
from .pairs import Batches


class CropStream(keras.utils.PyDataset):
    """An endless stream of batches for `fit`, the same for the same seed wherever it is joined.

    Batch `i` of the stream is batch `(first_step + i) % steps_per_epoch` of epoch
    `(first_step + i) // steps_per_epoch`; give `fit` the `steps_per_epoch` of `batches`, and
    `shuffle=False`. An utterance shorter than a crop is repeated until it is long enough.

    Args:
        reader: the features.
        utterances: ids, in the order that `batches` counts them.
        speakers: `(utterances,)` integers, the class of each utterance.
        num_frames: `(utterances,)` integers, the length that each must have.
        batches: which utterances are in which batch: `ShuffledUtterances`, `SpeakersTimesCrops`
            or `Pairs`.
        crop_frames: length of a crop (the paper's l).
        seed: where crops begin in epoch `k` follows from `(seed, k)`.
        first_step: where to join the stream.
        workers: threads that read ahead, if 2 or more.
        bands: values a frame that the network takes.
        begins: "anywhere" that leaves room for the crop, or in the "first_half" of that room.
        short: whether an utterance shorter than a crop is "repeated" or "doubled", as often as
            it takes.

    An `InputError` of the reader stays in the attribute `error`: what `fit` raises may be another.

    A batch is `({"features": (batch, crop_frames, bands) float32, "speakers": (batch,) int32},
    speakers)`.
    """

    def __init__(
        self,
        reader: FeatureReader,
        utterances: Sequence[str],
        speakers: Sequence[int],
        num_frames: Sequence[int],
        batches: Batches,
        crop_frames: int,
        seed: int,
        first_step: int = 0,
        workers: int = 1,
        bands: int | None = None,
        begins: str = "anywhere",
        short: str = "repeated",
    ):
        super().__init__(workers=workers)
        self.reader = reader
        self.utterances = utterances
        self.speakers = np.asarray(speakers, "int32")
        self.num_frames = num_frames
        self.batches = batches
        self.crop_frames = crop_frames
        self.bands = bands
        self.begins = begins
        self.short = short
        self.seed = seed
        self.first_step = first_step
        self.error: InputError | None = None
        # Two epochs: near an epoch's end the threads are in both.
        self._plan = lru_cache(maxsize=2)(self._plan_epoch)

    @property
    def num_batches(self) -> None:
        return None  # endless

    def __getitem__(self, index: int):
        epoch, step = divmod(self.first_step + index, self.batches.steps_per_epoch)
        utterances, places = self._plan(epoch)
        try:
            crops = [
                self._crop(utterance, place)
                for utterance, place in zip(utterances[step], places[step], strict=True)
            ]
        except InputError as error:
            self.error = error
            raise
        speakers = self.speakers[utterances[step]]
        return {"features": np.stack(crops), "speakers": speakers}, speakers

    def _plan_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        utterances = self.batches.epoch(epoch)
        # A stream of its own, so that crops and order are independent of each other.
        rng = np.random.default_rng([self.seed, epoch, 1])
        return utterances, rng.random(utterances.shape)

    def _crop(self, utterance: int, place: float) -> np.ndarray:
        """One crop; `place` in [0, 1) says where it begins among the possible beginnings."""
        features = self.reader.of_shape(
            self.utterances[utterance], self.num_frames[utterance], self.bands
        )
        while self.short == "doubled" and len(features) < self.crop_frames:
            features = np.tile(features, (2, 1))
        features = repeated(features, self.crop_frames)
        room = len(features) - self.crop_frames
        begin = int(place * ((room // 2 if self.begins == "first_half" else room) + 1))
        return features[begin : begin + self.crop_frames]
