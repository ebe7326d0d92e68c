"""Magnitudes of short-time spectra, of the frames that Kaldi's features are made of."""

from collections.abc import Mapping

import kaldi_native_fbank as knf
import numpy as np

from ..fbank.options import DEFAULTS, INPUT_OPTIONS, Value

SPECTROGRAM_DEFAULTS: dict[str, Value] = {
    **{
        name: DEFAULTS[name]
        for name in (
            "sample-frequency",
            "frame-length",
            "frame-shift",
            "preemphasis-coefficient",
            "remove-dc-offset",
            "window-type",
            "blackman-coeff",
        )
    },
    "fft-length": 1024,
    **{name: DEFAULTS[name] for name in INPUT_OPTIONS},
}
"""Kaldi's for frames, which are without dither and end with the last whole window."""


class Spectrogram:
    """Computes magnitude spectra from samples; one of the extractors of features.

    A frame is what compute-spectrogram-feats takes the spectrum of: its mean subtracted,
    pre-emphasised, windowed. Kaldi's features are the logarithm of the power; these are
    magnitudes, as Nagrani et al. 2017 have them, for each bin but the one at 0 Hz, which holds
    nothing once the mean is subtracted.

    Args:
        options: a value for each of `SPECTROGRAM_DEFAULTS`.

    Raises:
        ValueError: the options contradict each other (a frame longer than the FFT).

    Source: ProcessWindow in Kaldi's src/feat/feature-window.cc.
    """

    def __init__(self, options: Mapping[str, Value]):
        self.sample_frequency = options["sample-frequency"]
        per_ms = 0.001 * self.sample_frequency
        self._length = int(per_ms * options["frame-length"])
        self._shift = int(per_ms * options["frame-shift"])
        self._fft_length = options["fft-length"]
        if self._fft_length % 2 or self._fft_length < self._length:
            raise ValueError(
                f"--fft-length must be even and no less than the {self._length} samples of a "
                f"frame, found {self._fft_length}"
            )
        self._preemphasis = options["preemphasis-coefficient"]
        self._remove_mean = options["remove-dc-offset"]
        frame = knf.FrameExtractionOptions()
        frame.samp_freq = self.sample_frequency
        frame.frame_length_ms = options["frame-length"]
        frame.window_type = options["window-type"]
        frame.blackman_coeff = options["blackman-coeff"]
        self._window = np.array(knf.FeatureWindowFunction(frame).window)

    @property
    def dim(self) -> int:
        """How many numbers a frame has: half of the FFT's length."""
        return self._fft_length // 2

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Features of one whole recording.

        Args:
            samples: (samples,), in the range of 16-bit integers, at the configured frequency.

        Returns:
            float32 (frames, dim); no frames if the recording is shorter than a window.
        """
        if len(samples) < self._length:
            return np.zeros((0, self.dim), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(samples, self._length)
        frames = windows[:: self._shift].astype(np.float64)
        if self._remove_mean:
            frames -= frames.mean(axis=1, keepdims=True)
        before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
        frames = (frames - self._preemphasis * before) * self._window
        return np.abs(np.fft.rfft(frames, self._fft_length)[:, 1:]).astype(np.float32)


def normalize_bins(spectra: np.ndarray) -> np.ndarray:
    """Give each bin a mean of 0 and a variance of 1 over the utterance.

    As apply-cmvn with ``--norm-means=true --norm-vars=true`` does, by the utterance's own
    statistics; a bin that never changes becomes 0.

    Args:
        spectra: (frames, dim).

    Returns:
        float32 (frames, dim).

    Source: ApplyCmvn in Kaldi's src/transform/cmvn.cc, with its floor under the variance.
    """
    centered = spectra - spectra.mean(axis=0, dtype=np.float64)
    variance = np.maximum(np.square(centered).mean(axis=0), 1e-20)
    return (centered / np.sqrt(variance)).astype(np.float32)
