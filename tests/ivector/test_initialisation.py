"""What EM begins with."""

import numpy as np
import pytest

from speaker_bases.ivector.files import read_diagonal, read_extractor, read_full
from speaker_bases.ivector.initialisation import initial_extractor, initial_mixture, split
from speaker_bases.ivector.mixtures import DiagonalMixture
from speaker_bases.ivector.threads import threads


def likelihood(mixture, frames):
    return np.logaddexp.reduce(mixture.log_likelihoods(frames), axis=1).mean()


def test_a_mixture_is_begun_from_frames():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [20.0, 5.0], [-15.0, 25.0], [10.0, -30.0]])
    frames = (centres[rng.integers(0, 4, 4000)] + rng.normal(size=(4000, 2))).astype(np.float32)
    mixture = initial_mixture(frames, 4, 20, np.random.default_rng(1))
    assert mixture.weights.sum() == pytest.approx(1.0)
    for centre in centres:
        distance = np.linalg.norm(mixture.means - centre, axis=1)
        assert distance.min() < 0.2
    with threads(3) as each:
        again = initial_mixture(frames, 4, 20, np.random.default_rng(1), each)
    np.testing.assert_array_equal(again.means, mixture.means)


def test_a_component_that_dies_is_replaced():
    frames = np.repeat(np.arange(12.0), 10)[:, None] * [[1.0, 2.0]]  # of which only ten differ
    mixture = initial_mixture(frames.astype(np.float32), 12, 20, np.random.default_rng(0))
    assert len(mixture.weights) == 12
    for part in (mixture.weights, mixture.means, mixture.variances):
        assert np.isfinite(part).all()
    assert (mixture.variances > 0).all()


def test_the_heaviest_component_is_split():
    mixture = DiagonalMixture(np.array([0.3, 0.7]), np.zeros((2, 3)), np.full((2, 3), 4.0))
    found = split(mixture, 4, np.random.default_rng(0))
    np.testing.assert_allclose(np.sort(found.weights), [0.175, 0.175, 0.3, 0.35])
    assert np.abs(found.means[0]).max() == 0.0  # not split
    assert 0.0 < np.abs(found.means[2]).max() < 2.0
    np.testing.assert_array_equal(found.variances, np.full((4, 3), 4.0))


def test_kaldis_beginning_of_a_mixture_is_as_likely(kaldi_golden_ivector, golden_features):
    """It is drawn at random: not the same, but as good."""
    frames = np.concatenate(list(golden_features("train").values()))
    kaldis = likelihood(read_diagonal(kaldi_golden_ivector / "0.dubm.txt"), frames)
    with threads(2) as each:
        ours = initial_mixture(frames, 32, 20, np.random.default_rng(0), each)
    assert likelihood(ours, frames) == pytest.approx(kaldis, abs=0.3)


def test_kaldis_beginning_of_an_extractor(kaldi_golden_ivector):
    """All but the random directions."""
    mixture = read_full(kaldi_golden_ivector / "final.ubm")
    kaldis = read_extractor(kaldi_golden_ivector / "0.ie")
    ours = initial_extractor(mixture, 40, np.random.default_rng(0))
    assert ours.offset == kaldis.offset and ours.matrices.shape == kaldis.matrices.shape
    np.testing.assert_allclose(ours.matrices[:, :, 0], kaldis.matrices[:, :, 0], atol=1e-5)
    np.testing.assert_allclose(ours.weights, kaldis.weights, rtol=1e-5)
    np.testing.assert_allclose(ours.precisions, kaldis.precisions, rtol=1e-4, atol=1e-6)
    for random in (ours.matrices[:, :, 1:], kaldis.matrices[:, :, 1:]):
        assert random.mean() == pytest.approx(0.0, abs=0.02)
        assert random.std() == pytest.approx(1.0, abs=0.02)
