"""PLDA: its equations in float64 NumPy, and what Kaldi's programs compute."""

import gzip

import kaldiio
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from speaker_bases.error_rates import eer
from speaker_bases.evaluate.backends.plda.estimation import train_plda
from speaker_bases.evaluate.backends.plda.files import read_plda, write_plda
from speaker_bases.evaluate.backends.plda.lda import train_lda
from speaker_bases.evaluate.backends.plda.statistics import collect
from speaker_bases.evaluate.scoring.plda import PldaScorer
from speaker_bases.evaluate.scoring.projection import Projection, with_length
from speaker_bases.evaluate.scoring.two_covariance import Plda
from speaker_bases.kaldi_feats.objects import read_matrix, read_vector


@pytest.fixture
def plda():
    rng = np.random.default_rng(3)
    return Plda(rng.normal(size=4), rng.normal(size=(4, 4)), np.array([6.0, 2.5, 0.5, 0.0]))


def test_a_score_is_the_ratio_of_two_densities(plda):
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(5, 4)), rng.normal(size=(6, 4))
    counts = np.array([1, 3, 2, 1, 7])
    enrol, test = (axis.ravel() for axis in np.mgrid[:5, :6])
    scores = plda.scores(u, counts, v, enrol, test)
    for score, a, b in zip(scores, enrol, test, strict=True):
        n, psi = counts[a], plda.psi
        # The mean of n vectors of a speaker and another vector of the same: their joint density.
        joint = np.block([[np.diag(psi + 1 / n), np.diag(psi)], [np.diag(psi), np.diag(psi + 1)]])
        same = multivariate_normal(np.zeros(8), joint).logpdf(np.concatenate([u[a], v[b]]))
        apart = multivariate_normal(np.zeros(4), np.diag(psi + 1 / n)).logpdf(u[a])
        apart += multivariate_normal(np.zeros(4), np.diag(psi + 1)).logpdf(v[b])
        assert score == pytest.approx(same - apart, abs=1e-10)


def test_lengths_are_normalised(plda):
    vectors = np.random.default_rng(1).normal(size=(5, 4))
    counts = np.array([1, 2, 3, 4, 9])
    transformed = plda.transformed(vectors, counts)
    expected = (transformed**2 / (plda.psi + 1 / counts[:, None])).sum(axis=1)
    np.testing.assert_allclose(expected, 4.0)
    simple = plda.transformed(vectors, counts, simple=True)
    np.testing.assert_allclose(np.linalg.norm(simple, axis=1), 2.0)
    assert not plda.transformed(plda.mean[None]).any()


def test_smoothing_makes_the_spread_within_speakers_larger(plda):
    smoothed = plda.smoothed(0.5)
    back, again = np.linalg.inv(plda.transform), np.linalg.inv(smoothed.transform)
    np.testing.assert_allclose(again @ again.T, back @ np.diag(1 + 0.5 * plda.psi) @ back.T)
    np.testing.assert_allclose(
        again @ np.diag(smoothed.psi) @ again.T, back @ np.diag(plda.psi) @ back.T
    )


def em_by_the_book(vectors, labels, iterations):
    """The iteration's equations, a speaker at a time, with inverses."""
    dim = vectors.shape[1]
    groups = [vectors[labels == speaker] for speaker in np.unique(labels)]
    overall = np.mean([group.mean(axis=0) for group in groups], axis=0)
    between, within = np.eye(dim), np.eye(dim)
    for _ in range(iterations):
        new_between, new_within = np.zeros((2, dim, dim))
        for group in groups:
            n, m = len(group), group.mean(axis=0) - overall
            v = np.linalg.inv(np.linalg.inv(between) + n * np.linalg.inv(within))
            w = v @ (n * np.linalg.inv(within) @ m)
            new_between += np.outer(w, w) + v
            around = group - group.mean(axis=0)
            new_within += around.T @ around + n * (np.outer(m - w, m - w) + v)
        between, within = new_between / len(groups), new_within / len(vectors)
    return between, within


def test_the_estimate_is_that_of_the_equations():
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(12), rng.integers(1, 7, size=12))
    spread = rng.normal(size=(3, 3))
    vectors = rng.normal(size=(12, 3))[labels] * 2 + rng.normal(size=(len(labels), 3)) @ spread
    between, within = em_by_the_book(vectors, labels, 4)
    plda = train_plda(collect(vectors, labels, lambda rows: rows), iterations=4)
    np.testing.assert_allclose(plda.transform @ within @ plda.transform.T, np.eye(3), atol=1e-9)
    diagonal = plda.transform @ between @ plda.transform.T
    np.testing.assert_allclose(diagonal, np.diag(plda.psi), atol=1e-9)
    assert (np.diff(plda.psi) <= 0).all()


def test_statistics_do_not_depend_on_the_blocks(monkeypatch):
    rng = np.random.default_rng(6)
    labels, rows = rng.permutation(np.repeat(np.arange(5), 4)), rng.normal(size=(20, 3))
    whole = collect(rows, labels, lambda block: block)
    monkeypatch.setattr("speaker_bases.evaluate.backends.plda.statistics.BLOCK", 7)
    parts = collect(rows, labels, lambda block: block)
    np.testing.assert_allclose(whole.means, parts.means)
    np.testing.assert_allclose(whole.second_moment, parts.second_moment)
    np.testing.assert_allclose(whole.means[2], rows[labels == 2].mean(axis=0))


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0])
def test_lda_makes_its_covariance_unit_and_that_between_speakers_diagonal(factor):
    rng = np.random.default_rng(7)
    labels = np.repeat(np.arange(9), 5)
    rows = rng.normal(size=(9, 6))[labels] + 0.5 * rng.normal(size=(45, 6)) @ rng.normal(
        size=(6, 6)
    )
    rows -= rows.mean(axis=0)
    lda = train_lda(collect(rows, labels, lambda block: block), 4, factor)
    assert lda.shape == (4, 7) and not lda[:, -1].any()
    projected = rows @ lda[:, :-1].T
    means = np.stack([projected[labels == each].mean(axis=0) for each in range(9)])[labels]
    total, between = projected.T @ projected / 45, means.T @ means / 45
    mixed = factor * total + (1 - factor) * (total - between)
    np.testing.assert_allclose(mixed, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(between, np.diag(np.diag(between)), atol=1e-9)
    assert (np.diff(np.diag(between)) < 0).all()


def test_lda_may_shift():
    lda = np.array([[1.0, 0.0, 0.5], [0.0, 2.0, 0.0]])
    projected = Projection(np.array([1.0, 1.0]), lda)(np.array([[2.0, 3.0]], np.float32))
    np.testing.assert_allclose(projected, with_length(np.array([[1.5, 4.0]])))
    np.testing.assert_allclose(np.linalg.norm(projected), np.sqrt(2))


# What Kaldi computes.


def read_ark(path):
    vectors = dict(kaldiio.load_ark(str(path)))
    return {name: row for row, name in enumerate(vectors)}, np.stack(list(vectors.values()))


def read_lines(path):
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [line.split() for line in text.splitlines()]


def speakers_of(utterances, utt2spk):
    speaker = dict(read_lines(utt2spk))
    return np.unique([speaker[utterance] for utterance in utterances], return_inverse=True)[1]


def assert_kaldis_scores(scores, wanted):
    wanted = np.array([float(line[2]) for line in wanted])
    assert (np.abs(scores - wanted) <= 1e-4 + 1e-6 * np.abs(wanted)).all()


@pytest.mark.parametrize(("name", "simple"), [("scores.txt", False), ("scores_simple.txt", True)])
@pytest.mark.parametrize("model", ["plda", "plda.txt"])
def test_kaldis_scores_with_kaldis_model(kaldi_golden_ivector, name, simple, model):
    row, vectors = read_ark(kaldi_golden_ivector / "lda_test.ark")
    wanted = read_lines(kaldi_golden_ivector / name)
    enrol, test = ([row[line[side]] for line in wanted] for side in (0, 1))
    scorer = PldaScorer(Projection(None, None), read_plda(kaldi_golden_ivector / model), simple)
    assert_kaldis_scores(scorer.scores(vectors, np.array(enrol), np.array(test)), wanted)


def test_kaldis_plda_from_kaldis_vectors(kaldi_golden_ivector):
    row, vectors = read_ark(kaldi_golden_ivector / "lda_train.ark")
    labels = speakers_of(row, kaldi_golden_ivector / "train.utt2spk")
    ours = train_plda(collect(vectors, labels, lambda rows: rows.astype(np.float64)))
    kaldis = read_plda(kaldi_golden_ivector / "plda")
    np.testing.assert_allclose(ours.mean, kaldis.mean, atol=1e-12)
    np.testing.assert_allclose(ours.psi, kaldis.psi, rtol=1e-9)
    assert_same_but_for_signs(ours.transform, kaldis.transform, 1e-9)


def assert_same_but_for_signs(ours, kaldis, tolerance):
    signs = np.sign((ours * kaldis).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(signs * ours, kaldis, atol=tolerance)


def test_kaldis_lda_of_i_vectors(kaldi_golden_ivector):
    row, vectors = read_ark(kaldi_golden_ivector / "ivector_train.ark")
    labels = speakers_of(row, kaldi_golden_ivector / "train.utt2spk")
    centred = Projection(vectors.mean(axis=0, dtype=np.float64), None).centred
    lda = train_lda(collect(vectors, labels, centred), 15)
    assert_same_but_for_signs(lda, read_matrix(kaldi_golden_ivector / "lda.mat"), 1e-5)


@pytest.fixture(scope="module")
def network(kaldi_golden_ivector):
    """The folder, its test vectors, trials as rows, and whether they are target trials."""
    folder = kaldi_golden_ivector / "plda-embeddings"
    row, vectors = read_ark(folder / "vec_test.ark")
    lines = read_lines(folder / "trials.gz")
    enrol, test = (np.array([row[line[side]] for line in lines]) for side in (0, 1))
    return folder, vectors, enrol, test, np.array([line[2] == "target" for line in lines])


def test_kaldis_scores_of_a_networks_embeddings(network):
    folder, vectors, enrol, test, is_target = network
    projection = Projection(read_vector(folder / "mean.vec"), read_matrix(folder / "lda.mat"))
    scores = PldaScorer(projection, read_plda(folder / "plda.txt")).scores(vectors, enrol, test)
    assert_kaldis_scores(scores, read_lines(folder / "scores.txt.gz"))
    assert 100 * eer(scores, is_target) == pytest.approx(9.608, abs=0.001)


def test_trained_here_it_is_kaldis_model_and_kaldis_error_rate(network, tmp_path):
    folder, vectors, enrol, test, is_target = network
    row, train = read_ark(folder / "vec_train.ark")
    labels = speakers_of(row, folder / "train.utt2spk")
    mean = Projection(train.mean(axis=0, dtype=np.float64), None)
    np.testing.assert_allclose(mean.mean, read_vector(folder / "mean.vec"), atol=1e-6)
    lda = train_lda(collect(train, labels, mean.centred), 64)
    assert_same_but_for_signs(lda, read_matrix(folder / "lda.mat"), 2e-5)
    projection = Projection(mean.mean, lda)
    ours, kaldis = train_plda(collect(train, labels, projection)), read_plda(folder / "plda.txt")
    np.testing.assert_allclose(ours.psi, kaldis.psi, rtol=1e-6)
    scores = PldaScorer(projection, ours).scores(vectors, enrol, test)
    assert_kaldis_scores(scores, read_lines(folder / "scores.txt.gz"))
    assert 100 * eer(scores, is_target) == pytest.approx(9.608, abs=0.02)
    write_plda(tmp_path / "plda", ours, binary=False)
    np.testing.assert_array_equal(read_plda(tmp_path / "plda").transform, ours.transform)
