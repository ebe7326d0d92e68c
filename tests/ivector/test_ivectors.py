"""From features to i-vectors: the equations written out, and what Kaldi's programs compute."""

import kaldiio
import numpy as np
import pytest
from scipy import sparse
from scipy.stats import multivariate_normal

from speaker_bases.ivector.extractor import Extractor, Statistics
from speaker_bases.ivector.files import read_extractor, read_full
from speaker_bases.ivector.mixtures import DiagonalMixture, FullMixture, pruned_posteriors

WEIGHTS = np.array([0.2, 0.3, 0.5])


@pytest.fixture
def mixture():
    rng = np.random.default_rng(1)
    roots = rng.normal(size=(3, 4, 4))
    return FullMixture(WEIGHTS, rng.normal(size=(3, 4)), roots @ roots.mT + np.eye(4))


def test_likelihoods_are_those_of_the_densities(mixture):
    x = np.random.default_rng(2).normal(size=(6, 4))
    covariances = np.linalg.inv(mixture.precisions)
    selected = np.array([[2, 0]] * 3 + [[1, 2]] * 3)
    for found, frame, some in zip(mixture.log_likelihoods(x, selected), x, selected, strict=True):
        for value, i in zip(found, some, strict=True):
            density = multivariate_normal(mixture.means[i], covariances[i])
            assert value == pytest.approx(np.log(WEIGHTS[i]) + density.logpdf(frame))
    diagonal = mixture.diagonal
    for found, frame in zip(diagonal.log_likelihoods(x), x, strict=True):
        for i, value in enumerate(found):
            density = multivariate_normal(diagonal.means[i], np.diag(np.diag(covariances[i])))
            assert value == pytest.approx(np.log(WEIGHTS[i]) + density.logpdf(frame))


def test_a_mixture_is_the_same_with_full_covariances(mixture):
    x = np.random.default_rng(3).normal(size=(5, 4))
    diagonal = mixture.diagonal
    everyone = np.tile(np.arange(3), (5, 1))
    full = FullMixture.of(diagonal)
    np.testing.assert_allclose(full.log_likelihoods(x, everyone), diagonal.log_likelihoods(x))
    np.testing.assert_allclose(full.diagonal.variances, diagonal.variances)


def test_selection_is_from_the_likeliest(mixture):
    x, diagonal = np.random.default_rng(4).normal(size=(9, 4)), mixture.diagonal
    order = np.argsort(-diagonal.log_likelihoods(x), axis=1)
    np.testing.assert_array_equal(diagonal.select(x, 2), order[:, :2])
    np.testing.assert_array_equal(diagonal.select(x, 20), order)


def test_posteriors_are_pruned():
    means = np.array([[-0.2], [0.0], [0.3]])
    full = FullMixture.of(DiagonalMixture(WEIGHTS, means, np.ones((3, 1))))
    x, everyone = np.array([[0.0], [9.0]]), np.tile(np.arange(3), (2, 1))
    whole = pruned_posteriors(full, x, everyone, 0.0).toarray()
    np.testing.assert_allclose(whole.sum(axis=1), 1.0)
    pruned = pruned_posteriors(full, x, everyone, 0.25).toarray()
    assert (pruned[0] > 0).tolist() == [False, True, True]
    assert pruned[0, 1] / pruned[0, 2] == pytest.approx(whole[0, 1] / whole[0, 2])
    np.testing.assert_allclose(pruned.sum(axis=1), 1.0)
    one = pruned_posteriors(full, x[:1], everyone[:1], 0.9).toarray()
    np.testing.assert_array_equal(one, [[0.0, 0.0, 1.0]])


def test_an_i_vector_is_the_mean_given_the_frames():
    rng = np.random.default_rng(5)
    matrices, roots = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 4, 4))
    extractor = Extractor(WEIGHTS, matrices, roots @ roots.mT + np.eye(4), 7.0)
    posteriors = sparse.csr_array(rng.dirichlet([1, 1, 1], size=11))
    features = rng.normal(size=(11, 4))
    precision, linear = np.eye(2), np.array([7.0, 0.0])
    for frame, row in zip(features, posteriors.toarray(), strict=True):
        for g, m, p in zip(row, matrices, extractor.precisions, strict=True):
            precision += g * m.T @ p @ m
            linear += g * m.T @ p @ frame
    expected = np.linalg.solve(precision, linear) - [7.0, 0.0]
    (found,) = extractor.ivectors(Statistics.of(features, posteriors))
    np.testing.assert_allclose(found, expected)


# What Kaldi computes.


def test_kaldis_selection(kaldi_golden_ivector):
    diagonal = read_full(kaldi_golden_ivector / "final.ubm").diagonal
    features = dict(kaldiio.load_ark(str(kaldi_golden_ivector / "ubm_features_three.ark")))
    lines = (kaldi_golden_ivector / "gselect_three.txt").read_text().splitlines()
    assert len(lines) == 3
    for line in lines:
        utterance, text = line.split(None, 1)
        wanted = [frame.split() for frame in text.split(";") if frame.strip()]
        np.testing.assert_array_equal(diagonal.select(features[utterance], 20), np.int64(wanted))


@pytest.mark.parametrize("name", ["train", "test"])
def test_kaldis_posteriors_and_i_vectors(
    kaldi_golden_ivector, golden_features, golden_posteriors, name
):
    mixture = read_full(kaldi_golden_ivector / "final.ubm")
    diagonal, posteriors = mixture.diagonal, golden_posteriors(name)
    extractors = {f"ivector_{name}.ark": read_extractor(kaldi_golden_ivector / "final.ie")}
    if name == "test":
        extractors["ivector_test_0.ark"] = read_extractor(kaldi_golden_ivector / "0.ie")
    wanted = {ark: dict(kaldiio.load_ark(str(kaldi_golden_ivector / ark))) for ark in extractors}
    for utterance, features in golden_features(name).items():
        ours = pruned_posteriors(mixture, features, diagonal.select(features, 20))
        np.testing.assert_allclose(ours.toarray(), posteriors[utterance], atol=1e-4)
        statistics = Statistics.of(features, ours)
        for ark, extractor in extractors.items():
            (found,) = extractor.ivectors(statistics)
            np.testing.assert_allclose(found, wanted[ark][utterance], atol=1e-4)
