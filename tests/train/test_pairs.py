"""Batches of pairs: who is in them, and which are mined."""

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.train.pair_mining import draw_negatives, hardest_pairs
from speaker_bases.train.pairs import Pairs

SPEAKERS = [2, 0, 1, 2, 0, 2, 2, 0, 3, 2]  # one utterance of 1 and of 3


def pairs_of(batches, epoch=0):
    return batches.epoch(epoch).reshape(batches.steps_per_epoch, -1, 2)


def test_half_is_of_one_speaker_and_half_of_two():
    batches = Pairs(SPEAKERS, 5, 10, seed=0)
    assert (batches.steps_per_epoch, batches.batch_size) == (10, 10)
    pairs, speakers = pairs_of(batches), np.array(SPEAKERS)
    assert pairs.shape == (10, 5, 2)
    same = speakers[pairs[..., 0]] == speakers[pairs[..., 1]]
    assert (same == [True, True, False, False, False]).all()
    twice = pairs[same][pairs[same][:, 0] == pairs[same][:, 1], 0]
    assert set(twice) <= {2, 8} and len(twice)  # who has one utterance is paired with itself
    assert (np.bincount(pairs[..., 0].ravel()) == 5).all()  # all take turns


def test_every_partner_is_as_likely():
    batches = Pairs(SPEAKERS, 2, 10, seed=0)
    rng, every = np.random.default_rng(0), np.repeat(np.arange(10), 3000)
    for draw, wanted in ((batches.of_another, False), (batches.of_own_speaker, True)):
        counts = np.zeros((10, 10))
        np.add.at(counts, (every, draw(every, rng)), 1)
        for a in range(10):
            partners = [b for b in range(10) if (SPEAKERS[a] == SPEAKERS[b]) == wanted and a != b]
            expected = np.zeros(10)
            expected[partners or [a]] = 3000 / len(partners or [a])
            assert (np.abs(counts[a] - expected) <= 5 * np.sqrt(expected)).all()


def test_pairs_of_two_speakers_are_as_likely():
    batches = Pairs(SPEAKERS, 2, 10, seed=0)
    counts = np.zeros((10, 10))
    np.add.at(counts, tuple(draw_negatives(batches, 64_000, np.random.default_rng(0)).T), 1)
    different = np.not_equal.outer(SPEAKERS, SPEAKERS)
    assert different.sum() == 64 and not counts[~different].any()
    assert (np.abs(counts[different] - 1000) < 5 * np.sqrt(1000)).all()


def test_an_epoch_follows_from_seed_and_number():
    batches = [Pairs(SPEAKERS, 2, 10, seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(batches[0].epoch(3), batches[1].epoch(3))
    assert (batches[0].epoch(3) != batches[2].epoch(3)).any()
    assert (batches[0].epoch(3) != batches[0].epoch(4)).any()


def test_mined_pairs_take_the_place_of_drawn_ones():
    batches = Pairs(SPEAKERS, 4, 4, seed=0, mined_share=0.5)
    assert batches.mined_per_batch == 1
    drawn = pairs_of(batches)
    batches.mined[1] = np.full((5, 1, 2), 7)
    np.testing.assert_array_equal(pairs_of(batches), drawn)
    mined = pairs_of(batches, 1)
    assert (mined[:, 3] == 7).all() and not (mined[:, :3] == 7).all(axis=2).any()


def test_the_hardest_are_the_nearest():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(30, 4)).astype(np.float32)
    pairs = rng.integers(0, 30, (10_000, 2))
    distance = {tuple(pair): np.linalg.norm(np.subtract(*embeddings[pair])) for pair in pairs}
    kept, farthest = hardest_pairs(embeddings, pairs, 500)
    expected = sorted(distance[tuple(pair)] for pair in pairs)[:500]
    np.testing.assert_allclose([distance[tuple(pair)] for pair in kept], expected, atol=1e-6)
    assert farthest == pytest.approx(expected[-1], abs=1e-6)


def test_too_few_utterances():
    with pytest.raises(InputError, match=r"10 utterances x 1 .* one batch of 6 pairs; raise crops"):
        Pairs(SPEAKERS, 6, 1, seed=0)
