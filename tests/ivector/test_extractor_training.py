"""EM of the total-variability matrix: the equations, and what Kaldi's programs compute."""

import numpy as np
import pytest
from scipy import sparse

from speaker_bases.ivector.extractor import Extractor, Statistics
from speaker_bases.ivector.extractor_training import (
    ExtractorIteration,
    floored,
    second_moments,
    towards,
    well_conditioned,
)
from speaker_bases.ivector.files import read_extractor


@pytest.fixture
def recordings():
    """Pairs of features and posteriors of recordings that differ in two ways."""
    rng = np.random.default_rng(0)
    mixing, found = rng.normal(size=(3, 4, 2)), []
    for _ in range(150):
        means = 3.0 + mixing @ rng.normal(size=2)
        component = rng.integers(0, 3, size=30)
        posteriors = 0.9 * np.eye(3)[component] + 0.1 / 3
        found.append((means[component] + rng.normal(size=(30, 4)), sparse.csr_array(posteriors)))
    return found


@pytest.fixture
def extractor():
    rng = np.random.default_rng(1)
    matrices = rng.normal(size=(3, 4, 3))
    matrices[:, :, 0] = 0.3
    return Extractor(np.full(3, 1 / 3), matrices, np.stack([np.eye(4)] * 3), 10.0)


def add_all(extractor, recordings, at_a_time=7):
    iteration = ExtractorIteration(extractor, sum(second_moments(*each) for each in recordings))
    for begin in range(0, len(recordings), at_a_time):
        iteration.add(statistics_of(recordings[begin : begin + at_a_time]))
    return iteration


def statistics_of(recordings):
    return Statistics.joined([Statistics.of(*each) for each in recordings])


def test_an_iteration_is_that_of_the_equations(recordings, extractor):
    products, moments, counts = np.zeros((3, 4, 3)), np.zeros((3, 3, 3)), np.zeros(3)
    scatters = np.zeros((3, 4, 4))
    for features, posteriors in recordings:
        precision, linear = np.eye(3), np.array([10.0, 0.0, 0.0])
        g, sums = posteriors.sum(axis=0), posteriors.T @ features
        for i, (m, p) in enumerate(zip(extractor.matrices, extractor.precisions, strict=True)):
            precision += g[i] * m.T @ p @ m
            linear += m.T @ p @ sums[i]
        covariance = np.linalg.inv(precision)
        mean = covariance @ linear
        for i in range(3):
            products[i] += np.outer(sums[i], mean)
            moments[i] += g[i] * (np.outer(mean, mean) + covariance)
            weighted = posteriors.toarray()[:, i, None] * features
            scatters[i] += weighted.T @ features
        counts += g
    new = add_all(extractor, recordings).updated()
    for i in range(3):
        matrix = products[i] @ np.linalg.inv(moments[i])
        cross = products[i] @ matrix.T
        expected = (scatters[i] - cross - cross.T + matrix @ moments[i] @ matrix.T) / counts[i]
        np.testing.assert_allclose(np.linalg.inv(new.precisions[i]), expected, rtol=1e-6)
        turn, *_ = np.linalg.lstsq(new.matrices[i], matrix, rcond=None)
        np.testing.assert_allclose(new.matrices[i] @ turn, matrix, atol=1e-8)


def test_iterations_make_the_recordings_likelier(recordings, extractor):
    found = []
    for _ in range(6):
        iteration = add_all(extractor, recordings)
        found.append(iteration.objective())
        extractor = iteration.updated()
    assert (np.diff(found) > 0).all()
    vectors = extractor.ivectors(statistics_of(recordings))
    # The prior's: its offset is taken off, and the vectors have about the prior's covariance.
    np.testing.assert_allclose(vectors.mean(axis=0), 0.0, atol=0.05)
    assert np.linalg.eigvalsh(np.cov(vectors.T)).max() < 1.05


def test_a_component_of_few_frames_keeps_its_parameters(recordings, extractor):
    few = []
    for features, posteriors in recordings:
        dense = posteriors.toarray()
        dense[:, 1] += dense[:, 2] - 1e-3
        dense[:, 2] = 1e-3
        few.append((features, sparse.csr_array(dense)))
    new = add_all(extractor, few).updated()
    np.testing.assert_array_equal(new.precisions[2], extractor.precisions[2])
    assert np.isfinite(new.matrices).all()


def test_a_covariance_is_below_its_floor_in_no_direction():
    rng = np.random.default_rng(2)
    roots = rng.normal(size=(2, 5, 5))
    covariance, floor = roots @ roots.mT
    found = floored(covariance, floor)
    assert np.linalg.eigvalsh(found - floor).min() > -1e-9
    np.testing.assert_allclose(floored(covariance, 1e-6 * np.eye(5)), covariance, atol=1e-9)
    values = np.linalg.eigvalsh(well_conditioned(np.diag([1e9, 3e5, 1.0])))
    np.testing.assert_allclose(values, [1e5, 3e5, 1e9])


def test_a_matrix_stays_where_the_moment_says_nothing():
    matrix = np.array([[1.0, 2.0]])
    np.testing.assert_allclose(
        towards(matrix, np.array([[8.0, 3.0]]), np.diag([4.0, 1.0])), [[2, 3]]
    )
    along, none = np.array([1.0, 1.0]), np.array([1.0, -1.0])
    moment = 100 * np.outer(along, along) + 1e-9 * np.eye(2)
    found = towards(matrix, 5.0 * (moment @ along)[None], moment)
    assert found @ along == pytest.approx(10.0)
    assert found @ none == pytest.approx(matrix @ none, abs=1e-6)


def test_kaldis_iterations(kaldi_golden_ivector, golden_features, golden_posteriors):
    """The auxiliary functions that ivector-extractor-est printed, and 1.ie's i-vectors."""
    features = golden_features("train")
    posteriors = {u: sparse.csr_array(each) for u, each in golden_posteriors("train").items()}
    recordings = [(each, posteriors[utterance]) for utterance, each in features.items()]
    extractor = read_extractor(kaldi_golden_ivector / "0.ie")
    for number, printed in enumerate((-123.358, -117.168)):
        iteration = add_all(extractor, recordings)
        assert iteration.frames == pytest.approx(27_029)
        assert iteration.objective() == pytest.approx(printed, abs=1e-3)
        extractor = iteration.updated()
        if number:
            continue
        kaldis = read_extractor(kaldi_golden_ivector / "1.ie")
        assert extractor.offset == pytest.approx(kaldis.offset, abs=1e-5)
        statistics = statistics_of(recordings)
        ours, theirs = (model.ivectors(statistics) for model in (extractor, kaldis))
        signs = np.sign((ours * theirs).sum(axis=0))  # an axis may point the other way
        assert signs[0] == 1
        np.testing.assert_allclose(signs * ours, theirs, atol=1e-3)
