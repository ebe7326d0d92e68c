"""Euclidean scores against the formula written out."""

import numpy as np
import pytest

from speaker_bases.evaluate.backends import BACKENDS, euclidean


@pytest.mark.parametrize("block_values", [1, 50, 10_000])
def test_is_the_formula_whatever_the_block(block_values, monkeypatch):
    monkeypatch.setattr(euclidean, "BLOCK_VALUES", block_values)
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(30, 7)).astype(np.float32)
    enrol, test = rng.integers(0, 30, (2, 100))
    wide = embeddings.astype(np.float64)
    expected = [
        -(sum((x - y) ** 2 for x, y in zip(wide[a], wide[b], strict=True)) ** 0.5)
        for a, b in zip(enrol, test, strict=True)
    ]
    scores = BACKENDS["euclidean"].scores(None, embeddings, enrol, test)
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    assert {repr(float(score)) for score in scores[enrol == test]} == {"0.0"}
