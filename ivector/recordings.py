"""The voiced frames of a data directory's recordings."""

import os
from pathlib import Path

import numpy as np

from ..command_line import InputError
from ..kaldi_feats.mfcc.frames import ivector_features
from ..kaldi_feats.reader import FeatureReader, VectorReader
from .settings import Settings


class Recordings:
    """Cepstra and voiced frames, as what i-vectors are of.

    Args:
        data_dir: a data directory with ``feats.scp`` and ``vad.scp``.
        settings: deltas and the sliding mean.

    Attributes:
        cepstra: the reader of ``feats.scp``.
        vad: that of ``vad.scp``.

    Raises:
        InputError: a table is missing or broken, or the two have not the same utterances.
    """

    def __init__(self, data_dir: str | os.PathLike, settings: Settings):
        folder = Path(data_dir)
        if not (folder / "vad.scp").is_file():
            raise InputError(
                f"{folder / 'vad.scp'}: missing; i-vectors are of voiced frames: make them with "
                "kaldi_feats/make_features.sh --kind mfcc, and give their folder"
            )
        self.cepstra = FeatureReader(folder / "feats.scp")
        self.vad = VectorReader(folder / "vad.scp")
        if self.cepstra.utterances != self.vad.utterances:
            one = min(set(self.cepstra.utterances) ^ set(self.vad.utterances))
            raise InputError(
                f"{self.vad.scp}: not the utterances of {self.cepstra.scp}: {one} is in one of "
                "them; make both again (stage 1)"
            )
        self.utterances = self.cepstra.utterances
        self._settings = settings
        self._cepstra = self.cepstra[self.utterances[0]].shape[1]

    @property
    def dim(self) -> int:
        """How many numbers a frame has."""
        return (self._settings.delta_order + 1) * self._cepstra

    def voiced(self, utterance: str) -> np.ndarray:
        """(frames,) bool."""
        return self.vad[utterance] > 0.5

    def features(self, utterance: str) -> np.ndarray:
        """The voiced frames of one recording, float32 (frames, dim); there may be none.

        Raises:
            InputError: an ark is missing or broken, or its matrix or vector is of another shape.
        """
        cepstra = self.cepstra[utterance]
        voiced = self.vad.of_length(utterance, len(cepstra)) > 0.5
        self.cepstra.of_shape(utterance, len(cepstra), self._cepstra)
        s = self._settings
        return ivector_features(cepstra, voiced, s.delta_window, s.delta_order, s.cmn_window)
