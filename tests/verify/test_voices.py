"""The nearest of the enrolled voices, by every back-end, and what other processes write."""

import numpy as np
import pytest

from speaker_bases.evaluate.scoring.as_norm import AsNormScorer, as_norm
from speaker_bases.evaluate.scoring.cosine import CosineScorer, cosine_scores
from speaker_bases.evaluate.scoring.enrolment import Enrolment, unit
from speaker_bases.evaluate.scoring.plda import PldaScorer
from speaker_bases.evaluate.scoring.projection import Projection
from speaker_bases.evaluate.scoring.two_covariance import Plda
from speaker_bases.verify.store import VoiceStore
from speaker_bases.verify.voices import EnrolledVoices

DIM = 8


def cosine():
    return CosineScorer()


def normalised():
    return AsNormScorer(unit(np.random.default_rng(1).normal(size=(30, DIM))), 7)


def plda(simple=False):
    random = np.random.default_rng(2)
    model = Plda(random.normal(size=5), random.normal(size=(5, 5)), np.array([9.0, 4, 2, 1, 0]))
    lda = random.normal(size=(5, DIM + 1))
    return PldaScorer(Projection(random.normal(size=DIM), lda), model, simple)


def simple_plda():
    return plda(simple=True)


def stage_4(scorer, embeddings, models, probe):
    """The scores of the models against one more embedding, as stage 4 makes them."""
    everything = np.concatenate([embeddings, probe[None]])
    test = np.full(len(models), len(embeddings))
    enrolment = Enrolment.of(models, np.arange(len(models)), {u: u for u in range(len(everything))})
    if isinstance(scorer, PldaScorer):
        return scorer.model_scores(everything, enrolment, test)
    everything = np.concatenate([everything, enrolment.means(unit(everything))])
    enrol = len(embeddings) + 1 + np.arange(len(models))
    if isinstance(scorer, AsNormScorer):
        return as_norm(everything, enrol, test, scorer.cohort, scorer.top)
    return cosine_scores(everything, enrol, test)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "voices.sqlite"


@pytest.mark.parametrize("make", [cosine, normalised, plda, simple_plda])
def test_the_scores_are_those_of_stage_4(make, path):
    """Speakers of one to three utterances, of different lengths."""
    random = np.random.default_rng(0)
    embeddings = (random.normal(size=(40, DIM)) * 7).astype(np.float32)
    models, row = {}, 0
    while row < 40:
        models[f"speaker {len(models):02d}"] = list(range(row, min(row + 1 + len(models) % 3, 40)))
        row = models[f"speaker {len(models) - 1:02d}"][-1] + 1
    store = VoiceStore(path, "model 1", DIM, create=True)
    for name, rows in models.items():
        store.enrol(name, embeddings[rows])
    probe, scorer = random.normal(size=DIM).astype(np.float32), make()
    expected = dict(zip(models, stage_4(scorer, embeddings, models, probe), strict=True))
    voices = EnrolledVoices(store, scorer)
    assert len(voices) == len(models)
    found = voices.nearest(probe, 4)
    assert [name for name, _ in found] == sorted(models, key=expected.get, reverse=True)[:4]
    found = voices.nearest(probe, 100)
    assert len(found) == len(models)
    for name, score in found:
        assert score == pytest.approx(expected[name], abs=1e-9)


def test_what_another_process_writes_is_seen(path):
    rows = np.random.default_rng(0).normal(size=(3, DIM))
    store = VoiceStore(path, "model 1", DIM, create=True)
    voices = EnrolledVoices(store, CosineScorer())
    assert voices.nearest(rows[0]) == [] and len(voices) == 0
    store.enrol("ann", rows[:1])
    assert len(voices) == 1
    VoiceStore(path, "model 1", DIM).enrol("bob", rows[1:2])
    assert [name for name, _ in voices.nearest(rows[1])] == ["bob", "ann"]
    VoiceStore(path, "model 1", DIM).remove("ann")
    assert [name for name, _ in voices.nearest(rows[2])] == ["bob"]
    store.remove("bob")
    assert voices.nearest(rows[2]) == []
