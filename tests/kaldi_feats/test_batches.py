"""Utterances of all lengths in batches of a handful of shapes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats import batches
from speaker_bases.kaldi_feats.batches import padded_length, plan_batches, read_batches
from speaker_bases.kaldi_feats.reader import FeatureReader, read_num_frames


@given(st.integers(1, 1_000_000))
def test_padded_length_holds_the_utterance_and_wastes_little(num_frames):
    length = padded_length(num_frames)
    assert length >= num_frames
    assert length % 8 == 0
    assert length <= max(64, 1.5 * num_frames)
    assert padded_length(length) == length


def test_two_lengths_an_octave():
    assert len({padded_length(n) for n in range(65, 64 * 2**5 + 1)}) == 10


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=60), st.integers(64, 20_000))
def test_plans_hold_everything_once_within_bounds(lengths, batch_frames):
    num_frames = {f"utt{i}": n for i, n in enumerate(lengths)}
    plans = list(plan_batches(num_frames, batch_frames))
    assert sorted(u for plan in plans for u in plan.utterances) == sorted(num_frames)
    for plan in plans:
        assert len(plan.utterances) <= plan.rows
        assert max(num_frames[u] for u in plan.utterances) <= plan.frames
        assert plan.rows == 1 or plan.rows * plan.frames <= batch_frames


def test_a_large_set_needs_few_shapes():
    rng = np.random.default_rng(0)
    num_frames = {f"utt{i}": int(n) for i, n in enumerate(rng.integers(400, 3200, 20_000))}
    plans = list(plan_batches(num_frames, 20_000))
    assert len({(plan.rows, plan.frames) for plan in plans}) <= 10
    computed = sum(plan.rows * plan.frames for plan in plans)
    assert computed < 1.3 * sum(num_frames.values())


@pytest.fixture
def features(make_data):
    """A data directory with twelve utterances of 20 to 200 frames."""
    return make_data(frames=(20, 200), bands=8)


def test_batches_hold_the_features_padded_with_zeros(features, monkeypatch):
    monkeypatch.setattr(batches, "_WINDOW", 5)
    reader = FeatureReader(features / "feats.scp")
    alone = FeatureReader(features / "feats.scp")
    seen = []
    for batch in read_batches(reader, read_num_frames(features), batch_frames=300):
        assert batch.features.dtype == np.float32
        assert batch.num_frames.dtype == np.int32
        assert (batch.num_frames >= 1).all()
        for utterance, matrix, length in zip(*batch, strict=False):
            np.testing.assert_array_equal(matrix[:length], alone[utterance])
            assert not matrix[length:].any()
            seen.append(utterance)
    assert sorted(seen) == alone.utterances


def test_stops_reading_when_nobody_listens(features):
    reader = FeatureReader(features / "feats.scp")
    loop = read_batches(reader, read_num_frames(features), batch_frames=64)
    next(loop)
    loop.close()


def test_refuses_counts_that_are_not_the_features(features):
    reader = FeatureReader(features / "feats.scp")
    counts = read_num_frames(features)
    with pytest.raises(
        InputError, match=r"spk01-01: its features are \d+ frames of 8 values, and should be 7 of 8"
    ):
        list(read_batches(reader, counts | {"spk01-01": 7}, batch_frames=1000))
    del counts["spk01-01"]
    with pytest.raises(InputError, match=r"feats.scp:5: spk01-01 is not in utt2num_frames"):
        list(read_batches(reader, counts, batch_frames=1000))
