"""What a system is trained on: the utterances of a data directory and their speakers."""

import hashlib
import os
from pathlib import Path
from typing import Any

from ..command_line import InputError
from ..kaldi_feats.data_dir import read_table
from ..kaldi_feats.reader import FeatureReader, read_num_frames
from .losses import LOSSES
from .samplers import ShuffledUtterances, SpeakersTimesCrops


class TrainingData:
    """The utterances of a data directory that have features, and their speakers.

    Attributes:
        reader: the features.
        utterances: ids, sorted.
        labels: the class of each utterance, an index into `speakers`.
        num_frames: how many frames each has.
        speakers: ids of the N training speakers, sorted.
        fingerprint: changes with any of the above, and with the contents of the features.

    Raises:
        InputError: if a file is missing, or an utterance has no speaker or no length.
    """

    def __init__(self, data_dir: str | os.PathLike):
        folder = Path(data_dir)
        self.reader = FeatureReader(folder / "feats.scp")
        self.utterances = self.reader.utterances
        utt2spk = read_table(folder / "utt2spk")
        num_frames = read_num_frames(folder)
        for line, utterance in enumerate(self.utterances, start=1):
            for name, table in (("utt2spk", utt2spk), ("utt2num_frames", num_frames)):
                if utterance not in table:
                    raise InputError(
                        f"{folder / 'feats.scp'}:{line}: utterance {utterance} is not in "
                        f"{folder / name}"
                    )
        self.speakers = sorted({utt2spk[utterance] for utterance in self.utterances})
        classes = {speaker: index for index, speaker in enumerate(self.speakers)}
        self.labels = [classes[utt2spk[utterance]] for utterance in self.utterances]
        self.num_frames = [num_frames[utterance] for utterance in self.utterances]
        text = hashlib.sha256(self.reader.digest().encode())
        for utterance in self.utterances:
            text.update(f"{utterance} {utt2spk[utterance]} {num_frames[utterance]}\n".encode())
        self.fingerprint = text.hexdigest()

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a configuration that these utterances and speakers are too few for.

        Raises:
            InputError: there is one speaker only, no batch can be filled, or there are fewer other
                speakers than `losses.hard_negative.num_negatives`.
        """
        if len(self.speakers) < 2:
            raise InputError(
                f"{self.reader.scp.with_name('utt2spk')}: one training speaker; telling speakers "
                "apart takes two or more"
            )
        self.batches(config, seed=0)
        self.check_losses(config)

    def check_losses(self, config: dict[str, Any]) -> None:
        """Refuse settings of losses that do not fit the number of speakers; raises as `check`."""
        for name, settings in config["losses"].items():
            LOSSES[name].check_speakers(settings, len(self.speakers))

    def batches(self, config: dict[str, Any], seed: int) -> ShuffledUtterances | SpeakersTimesCrops:
        """Which utterances are in which batch, as the configuration's `batch` says."""
        batch, crops = config["batch"], config["crops_per_utterance"]
        if "size" in batch:
            return ShuffledUtterances(self.labels, batch["size"], crops, seed)
        return SpeakersTimesCrops(
            self.labels, batch["speakers"], batch["crops_per_speaker"], crops, seed
        )
