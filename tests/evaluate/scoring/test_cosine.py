"""Cosine scores against the formula written out."""

import numpy as np
import pytest

from speaker_bases.evaluate.scoring import row_products
from speaker_bases.evaluate.scoring.cosine import cosine_scores


@pytest.fixture
def trials():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(30, 7)).astype(np.float32) + 0.5
    return embeddings, rng.integers(0, 30, 100), rng.integers(0, 30, 100)


def naive(embeddings, enrol, test):
    wide = embeddings.astype(np.float64)
    return [
        wide[a] @ wide[b] / np.sqrt((wide[a] @ wide[a]) * (wide[b] @ wide[b]))
        for a, b in zip(enrol, test, strict=True)
    ]


@pytest.mark.parametrize("block_values", [1, 50, 10_000])
def test_is_the_formula_whatever_the_block(trials, block_values, monkeypatch):
    monkeypatch.setattr(row_products, "BLOCK_VALUES", block_values)
    np.testing.assert_allclose(cosine_scores(*trials), naive(*trials), atol=1e-12)


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_length_does_not_count(trials, factor):
    embeddings, enrol, test = trials
    scaled = embeddings * np.float32(factor)
    np.testing.assert_allclose(cosine_scores(scaled, enrol, test), naive(*trials), atol=1e-6)


def test_symmetric_and_within_one(trials):
    embeddings, enrol, test = trials
    np.testing.assert_array_equal(
        cosine_scores(embeddings, enrol, test), cosine_scores(embeddings, test, enrol)
    )
    with_itself = cosine_scores(embeddings, enrol, enrol)
    np.testing.assert_allclose(with_itself, 1.0, atol=1e-12)
    assert with_itself.max() <= 1.0


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_refuses_an_embedding_without_direction(trials, value):
    embeddings, enrol, test = trials
    embeddings[3] = value
    with pytest.raises(ValueError, match="Embedding 3 "):
        cosine_scores(embeddings, enrol, test)
