"""Pairs of embeddings: balanced, right, seeded, and all rows in turn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.backends.bvector.pairs import PairDraws, PairStream


def flat(draws, epoch):
    """The rows of an epoch's target pairs and of its impostor pairs, (2, pairs) each."""
    first, second = draws.epoch(epoch)
    return (np.stack([first[:, kind].ravel(), second[:, kind].ravel()]) for kind in (0, 1))


@given(
    st.lists(st.integers(0, 5), min_size=3, max_size=40).filter(
        lambda s: len(set(s)) > 1 and len(set(s)) < len(s)
    ),
    st.integers(1, 6),
    st.integers(0, 3),
    st.sampled_from(["utterances", "speakers"]),
)
def test_target_pairs_are_of_one_speaker_and_impostor_pairs_of_two(speakers, half, epoch, by):
    speakers = np.array(speakers)
    draws = PairDraws(speakers, 2 * half, seed=1, by=by)
    target, impostor = flat(draws, epoch)
    assert target.shape == impostor.shape == (2, draws.steps_per_epoch * half)
    assert (speakers[target[0]] == speakers[target[1]]).all()
    assert (target[0] != target[1]).all()
    assert (speakers[impostor[0]] != speakers[impostor[1]]).all()


def test_every_row_that_has_a_partner_is_used_once_an_epoch():
    speakers = np.array([3, 1, 1, 0, 1, 3, 2, 3])
    draws = PairDraws(speakers, batch_size=2, seed=0)
    target, impostor = flat(draws, 4)
    assert sorted(target[0]) == [0, 1, 2, 4, 5, 7]  # not rows 3 and 6, alone with their speakers
    assert len(set(impostor[0])) == 6


def test_all_partners_are_drawn_equally_often():
    speakers = np.array([0, 0, 0, 1, 1, 2])
    draws = PairDraws(speakers, batch_size=2, seed=0)
    partners = {row: [] for row in range(6)}
    others = {row: [] for row in range(6)}
    for epoch in range(3000):
        target, impostor = flat(draws, epoch)
        for into, pairs in ((partners, target), (others, impostor)):
            for first, second in pairs.T:
                into[first].append(second)
    counts = np.bincount(partners[0], minlength=6)
    assert counts[1] == pytest.approx(counts[2], rel=0.15) and counts.sum() == counts[[1, 2]].sum()
    counts = np.bincount(others[3], minlength=6)
    np.testing.assert_allclose(counts[[0, 1, 2, 5]] / counts.sum(), 0.25, atol=0.03)


def test_by_speakers_every_speaker_is_drawn_alike_and_then_their_rows():
    speakers = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3])
    draws = PairDraws(speakers, batch_size=22, seed=0, by="speakers")
    found = np.zeros((2, 12, 12))
    for epoch in range(4000):
        for kind, pairs in enumerate(flat(draws, epoch)):
            np.add.at(found[kind], tuple(pairs), 1)
    expected = np.zeros((2, 12, 12))
    for a in range(12):
        for b in range(12):
            own, other = (np.sum(speakers == speakers[row]) for row in (a, b))
            if speakers[a] == speakers[b] and a != b:
                expected[0, a, b] = 1 / (3 * own * (own - 1))  # of the three who have two rows
            elif speakers[a] != speakers[b]:
                expected[1, a, b] = 1 / (4 * 3 * own * other)
    for kind in (0, 1):
        number = found[kind].sum()
        noise = 5 * np.sqrt(expected[kind] / number)
        assert (abs(found[kind] / number - expected[kind]) <= noise).all()


def test_pairs_follow_from_seed_and_epoch():
    speakers = np.repeat(np.arange(10), 4)
    same, again = (PairDraws(speakers, 8, seed=3).epoch(5) for _ in range(2))
    np.testing.assert_array_equal(same, again)
    assert not np.array_equal(same, PairDraws(speakers, 8, seed=3).epoch(6))
    assert not np.array_equal(same, PairDraws(speakers, 8, seed=4).epoch(5))


def test_batches_are_half_target_half_impostor():
    speakers = np.repeat(np.arange(5), 3)
    embeddings = np.arange(15, dtype=np.float32)[:, None]
    stream = PairStream(embeddings, PairDraws(speakers, 6, seed=0))
    for index in (0, 4, 5, 11):  # 5 steps an epoch
        pairs, same = stream[index]
        first, second = (pairs[name][:, 0].astype(int) for name in ("first", "second"))
        assert same.tolist() == [1, 1, 1, 0, 0, 0]
        assert ((speakers[first] == speakers[second]) == same).all()
    np.testing.assert_array_equal(stream[2][0]["first"], stream[2][0]["first"])


@pytest.mark.parametrize("speakers", [[0, 0, 0], [0, 1, 2]])
def test_speakers_that_give_no_pairs_are_refused(speakers):
    with pytest.raises(InputError, match="no target or no impostor pairs"):
        PairDraws(np.array(speakers), 4, seed=0)
