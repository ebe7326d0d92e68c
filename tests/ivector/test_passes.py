"""Passes over recordings: sums are those of the recordings one by one, in any number of threads."""

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.ivector.extractor import Extractor, Statistics
from speaker_bases.ivector.extractor_training import ExtractorIteration, second_moments
from speaker_bases.ivector.mixture_training import FullIteration
from speaker_bases.ivector.mixtures import DiagonalMixture, FullMixture, pruned_posteriors
from speaker_bases.ivector.passes import Passes
from speaker_bases.ivector.recordings import Recordings
from speaker_bases.ivector.settings import Settings
from speaker_bases.ivector.threads import threads
from speaker_bases.kaldi_feats.mfcc.frames import ivector_features

SETTINGS = Settings(components=8, dim=5, subsample=2, selected=3, initial_frames=400)


@pytest.fixture
def recordings(make_cepstra):
    return Recordings(make_cepstra(num_speakers=12, utterances=6), SETTINGS)


@pytest.fixture
def mixture():
    rng = np.random.default_rng(0)
    variances = np.exp(rng.normal(size=(8, 6)))
    return FullMixture.of(DiagonalMixture(np.full(8, 1 / 8), rng.normal(size=(8, 6)), variances))


@pytest.fixture
def extractor(mixture):
    matrices = np.random.default_rng(1).normal(size=(8, 6, 5))
    return Extractor(mixture.weights, matrices, mixture.precisions, 3.0)


def test_features_are_those_of_the_voiced_frames(recordings):
    for name in recordings.utterances[::20]:
        voiced = recordings.vad[name] == 1
        found = recordings.features(name)
        np.testing.assert_array_equal(found, ivector_features(recordings.cepstra[name], voiced))
        assert found.shape == (voiced.sum(), 6) and recordings.dim == 6


def test_frames_are_drawn_from_all_recordings(recordings):
    with threads(2) as each:
        passes = Passes(recordings, recordings.utterances, SETTINGS, each)
        voiced = passes.voiced()
        drawn = passes.drawn_frames(voiced, np.random.default_rng(0))
    every = np.concatenate([recordings.features(name) for name in recordings.utterances])
    assert voiced.sum() == len(every) and drawn.shape == (400, 6)
    places = np.array([np.flatnonzero((every == frame).all(axis=1))[0] for frame in drawn])
    assert (np.diff(places) > 0).all() and places[0] < 200 and places[-1] > len(every) - 200


def test_a_mixtures_iteration(recordings, mixture):
    one_by_one = FullIteration(mixture)
    for name in recordings.utterances:
        frames = recordings.features(name)[::2]
        one_by_one.add(frames, mixture.diagonal.select(frames, 3))
    found = []
    for jobs in (1, 3):
        with threads(jobs) as each:
            passes = Passes(recordings, recordings.utterances, SETTINGS, each)
            found.append(passes.mixture_iteration(FullIteration, mixture, mixture.diagonal, ""))
    first, second = (iteration.updated() for iteration in found)
    np.testing.assert_array_equal(first.precisions, second.precisions)
    np.testing.assert_allclose(first.means, one_by_one.updated().means)
    assert found[0].objective() == pytest.approx(one_by_one.objective())


def test_an_extractors_iteration_and_i_vectors(recordings, mixture, extractor, tmp_path):
    moments, expected, one_by_one = 0.0, [], []
    for name in recordings.utterances:
        frames = recordings.features(name)
        posteriors = pruned_posteriors(mixture, frames, mixture.diagonal.select(frames, 3))
        moments = moments + second_moments(frames, posteriors)
        one_by_one.append(Statistics.of(frames, posteriors))
        expected.append(extractor.ivectors(one_by_one[-1])[0])
    plain = ExtractorIteration(extractor, moments)
    plain.add(Statistics.joined(one_by_one))
    found = []
    for jobs in (1, 3):
        folder = tmp_path / str(jobs)
        with threads(jobs) as each:
            passes = Passes(recordings, recordings.utterances, SETTINGS, each)
            of_files = passes.posteriors(mixture, folder)
            iteration = passes.extractor_iteration(extractor, of_files, folder, "")
            rows = [row for _, some in passes.ivectors(mixture, extractor) for row in some]
        found.append((iteration.updated(), np.stack(rows)))
        assert iteration.objective() == pytest.approx(plain.objective(), rel=1e-5)
    (one, ivectors), (other, same) = found
    np.testing.assert_array_equal(one.matrices, other.matrices)
    np.testing.assert_array_equal(ivectors, same)
    np.testing.assert_allclose(ivectors, np.stack(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "vad.scp").unlink(), r"vad\.scp: missing; i-vectors are of"),
        (lambda folder: cut(folder / "vad.scp"), r"vad\.scp: not the utterances of .*feats\.scp"),
    ],
)
def test_tables_that_do_not_belong_together(make_cepstra, damage, message):
    folder = make_cepstra()
    damage(folder)
    with pytest.raises(InputError, match=message):
        Recordings(folder, SETTINGS)


def cut(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
