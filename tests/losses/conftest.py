"""What the tests of several losses share."""

import keras
import numpy as np
import pytest

from speaker_bases.losses import SpeakerBases

from .calculus import WAYS, Check
from .problems import BATCH, DIM, SPEAKERS


@pytest.fixture(autouse=True)
def seeded():
    """The same initial values in every run, whichever tests came before."""
    keras.utils.set_random_seed(0)


@pytest.fixture(params=WAYS, ids=str)
def check(request):
    """Compares a function of (embeddings, *weights) with its equation, values and gradients."""
    return Check(*request.param)


@pytest.fixture
def data():
    """Embeddings, of the utterances of `LABELS`, and bases."""
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(BATCH, DIM)).astype("float32")
    bases = rng.normal(size=(DIM, SPEAKERS)).astype("float32")
    return embeddings, bases


@pytest.fixture
def mined(monkeypatch):
    """SpeakerBases mines by itself, however few speakers there are."""
    monkeypatch.setattr(SpeakerBases, "mine_from", 2)
