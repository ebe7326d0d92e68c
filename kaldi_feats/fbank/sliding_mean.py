"""Mean normalisation over a sliding window, as Kaldi's apply-cmvn-sliding does it."""

import numpy as np


def subtract_sliding_mean(features: np.ndarray, window: int = 300) -> np.ndarray:
    """Subtract from each frame the mean of the `window` frames around it.

    The same as ``apply-cmvn-sliding --norm-vars=false --center=true --cmn-window=<window>``. Frame
    t's window is [t - window // 2, t - window // 2 + window). Where that reaches over an edge of
    the utterance the whole window shifts inwards, so that it keeps its length; an utterance
    shorter than the window is normalised by its own mean.

    Args:
        features: (frames, dim).
        window: how many frames the mean is taken over, at least 1.

    Returns:
        float32 (frames, dim). Sums are float64: a float32 running sum loses digits with length.

    Source: SlidingWindowCmnInternal in Kaldi's src/feat/feature-functions.cc.
    """
    if window < 1:
        raise ValueError(f"Invalid value for argument `window`. Expected >= 1. Received: {window}")
    frames, dim = features.shape
    length = min(window, frames)
    starts = np.clip(np.arange(frames) - window // 2, 0, frames - length)
    sums = np.zeros((frames + 1, dim))
    np.cumsum(features, axis=0, dtype=np.float64, out=sums[1:])
    means = (sums[starts + length] - sums[starts]) / length
    return (features - means).astype(np.float32)
