"""What a system is trained on: the utterances of a data directory and their speakers."""

import copy
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..command_line import InputError
from ..kaldi_feats.data_dir import read_table
from ..kaldi_feats.kinds import FBANK
from ..kaldi_feats.kinds.record import KIND, feature_settings
from ..kaldi_feats.reader import FeatureReader, read_num_frames
from .losses import LOSSES
from .samplers import ShuffledUtterances, SpeakersTimesCrops


def training_data(
    data_dir: str | os.PathLike, config: dict[str, Any], seed: int
) -> tuple["TrainingData", "TrainingData | None"]:
    """What a configuration trains on, and the held-out speakers' part if there is one.

    Raises:
        InputError: as `TrainingData`, or there are too few speakers to hold out.
    """
    refuse_other_kind(data_dir, config)
    data = TrainingData(data_dir)
    if "validation" not in config:
        return data, None
    number = config["validation"]["speakers"]
    counts = np.bincount(data.labels)
    several = np.flatnonzero(counts > 1)
    if number > len(several) or number > len(data.speakers) - 2:
        raise InputError(
            f"{data.reader.scp.with_name('utt2spk')}: {number} validation speakers of two "
            f"utterances or more, and two speakers beside them, are wanted; {len(several)} of "
            f"{len(data.speakers)} have two or more: lower --validation-speakers"
        )
    # A stream of its own: the order and the crops of an epoch have [seed, epoch] and one more.
    held_out = np.random.default_rng([seed, 0, 2]).choice(several, number, replace=False)
    others = np.setdiff1d(np.arange(len(data.speakers)), held_out)
    return data.of_speakers(others), data.of_speakers(np.sort(held_out))


def refuse_other_kind(data_dir: str | os.PathLike, config: dict[str, Any]) -> None:
    """Raise an InputError unless a data directory's features are of a system's kind."""
    given = feature_settings(data_dir).get(KIND, FBANK.name)
    wanted = config.get("feature_kind", FBANK.name)
    if given != wanted:
        raise InputError(
            f"{data_dir}: features of the kind {given}, and {config['system']} is trained on "
            f"{wanted}: make them with kaldi_feats/make_features.sh --kind {wanted}, and give "
            "their folder"
        )


class TrainingData:
    """The utterances of a data directory that have features, and their speakers.

    Attributes:
        reader: the features.
        utterances: ids, sorted.
        labels: the class of each utterance, an index into `speakers`.
        num_frames: how many frames each has.
        speakers: ids of the N training speakers, sorted.
        fingerprint: changes with any of the above, of the whole data directory, and with the
            contents of the features.

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

    def of_speakers(self, classes: np.ndarray) -> "TrainingData":
        """The part of some speakers, who are counted anew."""
        part = copy.copy(self)
        part.speakers = [self.speakers[number] for number in classes]
        number_of = {old: new for new, old in enumerate(classes)}
        rows = [row for row, label in enumerate(self.labels) if label in number_of]
        part.utterances = [self.utterances[row] for row in rows]
        part.labels = [number_of[self.labels[row]] for row in rows]
        part.num_frames = [self.num_frames[row] for row in rows]
        return part

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a configuration that these utterances and speakers are too few for.

        Raises:
            InputError: there is one speaker only, no batch can be filled, or there are fewer other
                speakers than `losses.hard_negative.num_negatives`.
        """
        self.refuse_one_speaker()
        self.batches(config, seed=0)
        self.check_losses(config)

    def refuse_one_speaker(self) -> None:
        """Raise an InputError if there is one speaker only."""
        if len(self.speakers) < 2:
            raise InputError(
                f"{self.reader.scp.with_name('utt2spk')}: one training speaker; telling speakers "
                "apart takes two or more"
            )

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
