"""The sliding mean against Kaldi's own output and a loop written from its source."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker_bases.kaldi_feats.fbank.sliding_mean import subtract_sliding_mean
from speaker_bases.kaldi_feats.reader import FeatureReader


def by_hand(features: np.ndarray, window: int) -> np.ndarray:
    """SlidingWindowCmnInternal with center=true, frame by frame in float64."""
    frames = len(features)
    result = np.empty(features.shape)
    for t in range(frames):
        start = t - window // 2
        end = start + window
        if start < 0:
            end -= start
            start = 0
        if end > frames:
            start = max(0, start - (end - frames))
            end = frames
        result[t] = features[t] - features[start:end].astype(np.float64).mean(axis=0)
    return result


@settings(max_examples=60)
@given(
    frames=st.integers(1, 60),
    window=st.integers(1, 80),
    seed=st.integers(0, 10**6),
    offset=st.sampled_from([0.0, 1000.0]),
)
def test_equals_kaldis_loop(frames, window, seed, offset):
    features = np.random.default_rng(seed).normal(offset, 3, (frames, 4)).astype(np.float32)
    result = subtract_sliding_mean(features, window)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, by_hand(features, window), atol=1e-5)


def test_equals_kaldis_output(kaldi_golden, monkeypatch):
    monkeypatch.chdir(kaldi_golden)
    before = FeatureReader("fbank64.scp")
    after = FeatureReader("fbank64_cmn_center.scp")
    assert {"edge-200ms", "edge-zeros-500ms"} < set(after)
    for utterance in after:
        result = subtract_sliding_mean(before[utterance])
        np.testing.assert_allclose(result, after[utterance], rtol=0, atol=1e-4)


def test_long_recordings_lose_no_digits():
    features = np.full((200_000, 2), 16.1, np.float32)
    assert np.abs(subtract_sliding_mean(features)).max() < 1e-5


def test_a_window_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="window"):
        subtract_sliding_mean(np.zeros((3, 2), np.float32), 0)
