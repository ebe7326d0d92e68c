"""Magnitude spectrograms, the features of VGG-M."""

from collections.abc import Mapping

import numpy as np

from ..fbank.options import Value
from ..spectrogram.magnitudes import SPECTROGRAM_DEFAULTS, Spectrogram, normalize_bins
from .kind import FeatureKind, FeatureSettings


class SpectrogramKind(FeatureKind):
    """Magnitudes, each bin with mean 0 and variance 1 over the utterance.

    Kaldi has no such program: compute-spectrogram-feats, whose options these are, gives the
    logarithm of the power.
    """

    name = "spectrogram"
    program = "magnitude spectra"
    defaults = SPECTROGRAM_DEFAULTS
    steps: Mapping[str, Mapping[str, Value]] = {
        "apply-cmvn": {"norm-means": True, "norm-vars": True}
    }
    fixed = ("norm-means", "norm-vars")

    def extractor(self, options: Mapping[str, Value]) -> Spectrogram:
        return Spectrogram(options)

    def finished(self, frames: np.ndarray, settings: FeatureSettings) -> dict[str, np.ndarray]:
        return {"feats": normalize_bins(frames)}

    def advice(self, dim: int) -> str:
        return f"--fft-length={2 * dim}"


SPECTROGRAM = SpectrogramKind()
