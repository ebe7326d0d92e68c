"""Recordings of any rate and format as the features that a system was trained on."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from ..command_line import InputError
from ..kaldi_feats.audio import CONVERTED, Recording, is_pipe, read_by_ffmpeg, read_recording
from ..kaldi_feats.kinds.record import parse_settings

Audio = str | os.PathLike | tuple[np.ndarray, int]
"""A file, or samples from -1 to 1, (samples,) or (samples, channels), with their rate in Hz."""

SHORTEST = 0.5
SHORT = 2.0
"""Seconds: less than the first is refused, less than the second warned of."""

CLIPPED = 0.001
"""The share of samples at full scale from which clipping is warned of."""


@dataclass(frozen=True)
class Features:
    """Of one recording.

    Attributes:
        values: (frames, bands) float32.
        seconds: how long the recording is.
        warnings: what may make a decision less sure than the error rates say.
    """

    values: np.ndarray
    seconds: float
    warnings: list[str]


class FrontEnd:
    """Makes the features of stage 1, of one recording at a time.

    Args:
        settings: ``features`` of a run's configuration, as `feature_settings` returns them.

    Raises:
        InputError: settings that this version does not know.
    """

    def __init__(self, settings: Mapping[str, str]):
        self._settings = parse_settings(settings)
        self.rate = self._settings.options["sample-frequency"]
        self._extract = self._settings.kind.extractor(self._settings.options)

    def __call__(self, audio: Audio) -> Features:
        """The features of one recording: its first channel, resampled by soxr if need be.

        Raises:
            InputError: it cannot be read, is shorter than `SHORTEST`, or silent.
        """
        recording, name = _read(audio)
        samples = recording.samples[:, 0]
        seconds = len(samples) / recording.rate
        warnings = [f"{name}: {text}" for text in recording.warnings]
        if seconds < SHORTEST:
            raise InputError(f"{name}: {seconds:.2f} s is too short; take {SHORTEST} s or more")
        if not np.ptp(samples) > 0:
            raise InputError(f"{name}: digital silence, all its samples are equal")
        if seconds < SHORT:
            warnings.append(f"{name}: only {seconds:.1f} s: errors are more frequent")
        if recording.samples.shape[1] > 1:
            warnings.append(f"{name}: {recording.samples.shape[1]} channels; the first is taken")
        clipped = np.mean(np.abs(samples) >= 32767)
        if clipped >= CLIPPED:
            warnings.append(f"{name}: clipped: {100 * clipped:.1f} % of samples are at full scale")
        if recording.rate != self.rate:
            if recording.rate < self.rate:
                warnings.append(
                    f"{name}: {recording.rate} Hz, less than the {self.rate:g} Hz of the training: "
                    "what is above half of that is missing"
                )
            samples = soxr.resample(np.ascontiguousarray(samples), recording.rate, self.rate)
        values = self._settings.kind.finished(self._extract(samples), self._settings)["feats"]
        return Features(values, seconds, warnings)


def name_of(audio: Audio) -> str:
    """What a recording is called in messages."""
    return "the array" if isinstance(audio, tuple) else os.fspath(audio)


def _read(audio: Audio) -> tuple[Recording, str]:
    name = name_of(audio)
    if isinstance(audio, tuple):
        return _of_array(*audio), name
    path = os.path.abspath(audio)
    if not os.path.isfile(path):
        raise InputError(f"{name}: no such file")
    if os.path.splitext(path)[1].lower() in CONVERTED or not _libsndfile_knows(path):
        return read_by_ffmpeg(path, name), name
    if is_pipe(path):
        raise InputError(f"{name}: a name that ends in '|' stands for a command; rename the file")
    try:
        return read_recording(path, "audio"), name
    except InputError as error:
        raise InputError(str(error).removeprefix("audio: ")) from None


def _libsndfile_knows(path: str) -> bool:
    try:
        soundfile.info(path)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: headerless, by its name
        return False
    return True


def _of_array(samples: np.ndarray, rate: int) -> Recording:
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or not len(samples) or samples.dtype.kind != "f":
        raise InputError(
            "the array: expected floating-point samples from -1 to 1, (samples,) or "
            f"(samples, channels); received {samples.dtype} {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise InputError("the array: holds NaN or infinity")
    if not 1 <= rate <= 1_000_000:
        raise InputError(f"the array: {rate} is no sample rate in Hz")
    columns = samples.reshape(len(samples), -1).astype(np.float32) * np.float32(32768)
    return Recording(columns, int(rate), [])
