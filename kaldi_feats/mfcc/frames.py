"""What Kaldi's i-vector recipes make of cepstra: deltas, and the voiced frames alone."""

from dataclasses import dataclass

import numpy as np

from ..fbank.sliding_mean import subtract_sliding_mean


@dataclass(frozen=True)
class VadOptions:
    """Options of compute-vad, with the values of Kaldi's VoxCeleb recipe.

    Attributes:
        energy_threshold: the constant part of the threshold.
        energy_mean_scale: times the utterance's mean log energy, the other part.
        proportion_threshold: the share of the frames around one that must be louder than that.
        frames_context: how many frames to either side count.
    """

    energy_threshold: float = 5.5
    energy_mean_scale: float = 0.5
    proportion_threshold: float = 0.12
    frames_context: int = 2


def voiced_frames(cepstra: np.ndarray, options: VadOptions | None = None) -> np.ndarray:
    """Which frames are voiced, by their energy.

    Args:
        cepstra: (frames, dim), the log energy first.
        options: those of `VadOptions` if None.

    Returns:
        (frames,) bool.

    Source: ComputeVadEnergy in Kaldi's src/ivector/voice-activity-detection.cc.
    """
    options = options or VadOptions()
    energy = cepstra[:, 0].astype(np.float64)
    threshold = options.energy_threshold + options.energy_mean_scale * energy.mean()
    loud = np.concatenate([[0], np.cumsum(energy > threshold)])
    at = np.arange(len(energy))
    begin = np.maximum(at - options.frames_context, 0)
    end = np.minimum(at + options.frames_context + 1, len(energy))
    return loud[end] - loud[begin] >= (end - begin) * options.proportion_threshold


def with_deltas(features: np.ndarray, window: int = 3, order: int = 2) -> np.ndarray:
    """Append to each frame its derivatives up to an order.

    The first is sum_j j x[t + j] / sum_j j^2 over -window <= j <= window, each further one the same
    of the one before, all at once from the features: beyond its ends an utterance goes on as its
    first and last frame.

    Args:
        features: (frames, dim).
        window: frames to either side.
        order: how many derivatives.

    Returns:
        float32 (frames, (order + 1) dim).

    Source: DeltaFeatures in Kaldi's src/feat/feature-functions.cc, of add-deltas.
    """
    offsets = np.arange(-window, window + 1)
    slope = offsets / (offsets**2).sum()
    weights, parts = np.ones(1), []
    for _ in range(order + 1):
        reach = len(weights) // 2
        padded = np.pad(features.astype(np.float64), ((reach, reach), (0, 0)), mode="edge")
        frames = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=0)
        parts.append(frames @ weights)
        weights = np.convolve(weights, slope)
    return np.concatenate(parts, axis=1).astype(np.float32)


def ivector_features(
    cepstra: np.ndarray,
    voiced: np.ndarray,
    delta_window: int = 3,
    delta_order: int = 2,
    cmn_window: int = 300,
) -> np.ndarray:
    """The frames that an i-vector is of: deltas, less a sliding mean, and of them the voiced.

    Args:
        cepstra: (frames, dim).
        voiced: (frames,) bool, as `voiced_frames` gives it.
        delta_window: see `with_deltas`.
        delta_order: see `with_deltas`.
        cmn_window: frames of the sliding mean.

    Returns:
        float32 (voiced frames, (delta_order + 1) dim); there may be none.

    Source: ``add-deltas --delta-window=3 --delta-order=2``, apply-cmvn-sliding and
        select-voiced-frames, as Kaldi's sid/ scripts pipe them.
    """
    features = with_deltas(cepstra, delta_window, delta_order)
    return subtract_sliding_mean(features, cmn_window)[voiced]
