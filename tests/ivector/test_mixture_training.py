"""EM of mixtures: the equations written out, and what Kaldi's programs compute."""

import gzip

import numpy as np
import pytest

from speaker_bases.ivector.files import read_diagonal, read_full
from speaker_bases.ivector.mixture_training import DiagonalIteration, FullIteration
from speaker_bases.ivector.mixtures import DiagonalMixture, FullMixture


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [4.0, 1.0], [-3.0, 5.0]])
    return centres[rng.integers(0, 3, 3000)] + rng.normal(size=(3000, 2)) @ [[1, 0.6], [0, 0.7]]


START = DiagonalMixture(
    np.full(3, 1 / 3), np.array([[1.0, 1.0], [3.0, 0.0], [-2.0, 3.0]]), np.full((3, 2), 2.0)
)


def everyone(frames):
    return np.tile(np.arange(3), (len(frames), 1))


def by_the_book(likelihoods, x):
    """Weights, means and covariances (components, dim, dim) of the maximisation."""
    posteriors = np.exp(likelihoods - np.logaddexp.reduce(likelihoods, axis=1, keepdims=True))
    counts = posteriors.sum(axis=0)
    means = posteriors.T @ x / counts[:, None]
    around = x[:, None] - means
    covariances = np.einsum("ti,tia,tib->iab", posteriors, around, around)
    return counts / counts.sum(), means, covariances / counts[:, None, None]


@pytest.mark.parametrize("kind", [DiagonalIteration, FullIteration])
def test_an_iteration_is_that_of_the_equations(frames, kind):
    mixture = START if kind is DiagonalIteration else FullMixture.of(START)
    iteration = kind(mixture)
    for part in np.array_split(frames, 4):
        iteration.add(part, everyone(part))
    weights, means, covariances = by_the_book(START.log_likelihoods(frames), frames)
    found = iteration.updated()
    np.testing.assert_allclose(found.weights, weights)
    np.testing.assert_allclose(found.means, means)
    if kind is DiagonalIteration:
        diagonals = np.diagonal(covariances, axis1=1, axis2=2)
        np.testing.assert_allclose(found.variances, diagonals)
    else:
        np.testing.assert_allclose(np.linalg.inv(found.precisions), covariances)
    assert iteration.frames == 3000
    expected = np.logaddexp.reduce(START.log_likelihoods(frames), axis=1).sum()
    assert iteration.log_likelihood == pytest.approx(expected)


@pytest.mark.parametrize("kind", [DiagonalIteration, FullIteration])
def test_iterations_make_the_frames_likelier(frames, kind):
    mixture = START if kind is DiagonalIteration else FullMixture.of(START)
    likelihoods = []
    for _ in range(8):
        iteration = kind(mixture)
        iteration.add(frames, everyone(frames))
        likelihoods.append(iteration.log_likelihood)
        mixture = iteration.updated()
    assert (np.diff(likelihoods) > 0).all()


@pytest.mark.parametrize("kind", [DiagonalIteration, FullIteration])
def test_a_component_that_dies_keeps_its_place(frames, kind):
    """And what does not vary keeps a variance."""
    far = START.means + np.array([[0.0, 0.0], [0.0, 0.0], [1000.0, 0.0]])
    start = DiagonalMixture(START.weights, far, START.variances)
    frames = np.column_stack([frames[:, 0], np.full(3000, 0.25)])
    mixture = start if kind is DiagonalIteration else FullMixture.of(start)
    iteration = kind(mixture)
    iteration.add(frames, everyone(frames))
    found = iteration.updated()
    assert found.weights[2] == 1e-4
    np.testing.assert_array_equal(found.means[2], far[2])
    diagonal = found if kind is DiagonalIteration else found.diagonal
    np.testing.assert_allclose(diagonal.variances[2], start.variances[2])
    np.testing.assert_allclose(diagonal.variances[:2, 1], 1e-3, rtol=1e-6)


# What Kaldi computes.


class KaldisIteration(DiagonalIteration):
    """With what Kaldi's LogLikelihoodsPreselect does to some frames.

    It takes the selected components for a range of numbers if the last less the first is their
    number less one, though they are in the order of their likelihoods: it then computes those of
    the range. So it is in one of a hundred frames of this system, and its step is not quite that of
    the equations (the likelihood rises by 0.0263 a frame instead of 0.0265).
    """

    def _log_likelihoods(self, x, selected):
        number = selected.shape[1]
        ranges = np.flatnonzero(selected[:, -1] - selected[:, 0] == number - 1)
        taken = selected.copy()
        taken[ranges] = selected[ranges, :1] + np.arange(number)
        return super()._log_likelihoods(x, taken)


def train(kind, mixture, features, selected, iterations):
    for _ in range(iterations):
        iteration = kind(mixture)
        for utterance, matrix in features.items():
            iteration.add(matrix, selected[utterance])
        mixture = iteration.updated()
        yield mixture


def assert_close(ours, kaldis, tolerance):
    """In standard deviations, and ratios of variances."""
    if isinstance(ours, FullMixture):
        ours, kaldis = ours.diagonal, kaldis.diagonal
    np.testing.assert_allclose(ours.weights, kaldis.weights, atol=tolerance)
    deviations = np.sqrt(kaldis.variances)
    np.testing.assert_allclose(ours.means / deviations, kaldis.means / deviations, atol=tolerance)
    np.testing.assert_allclose(ours.variances, kaldis.variances, rtol=tolerance)


def test_kaldis_diagonal_mixtures(kaldi_golden_ivector, golden_features):
    features = golden_features("train")
    start = read_diagonal(kaldi_golden_ivector / "0.dubm.txt")
    selected = {utterance: start.select(each, 20) for utterance, each in features.items()}
    found = list(train(KaldisIteration, start, features, selected, 4))
    assert_close(found[0], read_diagonal(kaldi_golden_ivector / "1.dubm.txt"), 1e-4)
    assert_close(found[3], read_diagonal(kaldi_golden_ivector / "final.dubm"), 1e-3)


def test_kaldis_full_mixtures(kaldi_golden_ivector, golden_features, tmp_path):
    def kaldis(name):
        path = tmp_path / name
        path.write_bytes(gzip.decompress((kaldi_golden_ivector / f"{name}.gz").read_bytes()))
        return read_full(path)

    features = golden_features("train")
    diagonal = read_diagonal(kaldi_golden_ivector / "final.dubm")
    start = FullMixture.of(diagonal)
    assert_close(start, kaldis("0.ubm.txt"), 1e-5)
    selected = {utterance: diagonal.select(each, 20) for utterance, each in features.items()}
    found = list(train(FullIteration, start, features, selected, 4))
    assert_close(found[0], kaldis("1.ubm.txt"), 1e-4)
    assert_close(found[3], read_full(kaldi_golden_ivector / "final.ubm"), 1e-3)
    ours, theirs = (np.linalg.inv(m.precisions) for m in (found[0], kaldis("1.ubm.txt")))
    scale = np.sqrt(np.diagonal(theirs, axis1=1, axis2=2))
    correlations = scale[:, :, None] * scale[:, None]
    np.testing.assert_allclose(ours / correlations, theirs / correlations, atol=1e-4)
