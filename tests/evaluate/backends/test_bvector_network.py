"""The b-vector classifier against the paper's sizes and a NumPy reference."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from speaker_bases.evaluate.backends.bvector.network import PairFeatures, bvector


@pytest.fixture
def statistics():
    draws = np.random.default_rng(0)
    return draws.normal(size=6), draws.uniform(0.5, 2.0, 6)


def test_sizes_are_the_papers():
    model = bvector(np.zeros(1024), np.ones(1024))
    shapes = [layer.kernel.shape for layer in model.layers if hasattr(layer, "kernel")]
    assert shapes == [(3072, 512), (512, 512), (512, 512), (512, 2)]
    assert model.output_shape == (None, 2)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.2, 0.5, 0.5, 0.5]


def test_pair_features_are_sum_difference_and_product():
    first, second = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])
    expected = [[4.0, 7.0, -2.0, -3.0, 3.0, 10.0]]
    np.testing.assert_array_equal(PairFeatures()(first, second), expected)


def test_logits_are_those_of_the_formula(statistics):
    mean, variance = statistics
    model = bvector(mean, variance, units=5, hidden_layers=2)
    draws = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(draws.normal(size=weight.shape))
    first, second = draws.normal(size=(2, 4, 6))
    lengths = (np.linalg.norm(x, axis=1, keepdims=True) for x in (first, second))
    a, b = (
        (x / length - mean) / np.sqrt(variance)
        for x, length in zip((first, second), lengths, strict=True)
    )
    x = np.concatenate([a + b, a - b, a * b], axis=1)
    weights = [np.asarray(w, np.float64) for w in model.trainable_variables]
    for kernel, bias in zip(weights[0:4:2], weights[1:4:2], strict=True):
        x = x @ kernel + bias
        x = np.where(x > 0, x, 0.3 * x)
    expected = x @ weights[4] + weights[5]
    np.testing.assert_allclose(model.predict([first, second], verbose=0), expected, rtol=1e-4)


def test_each_embedding_is_dropped_out_before_sum_difference_and_product():
    model = bvector(np.zeros(500), np.ones(500), embedding_dropout=0.2, input_dropout=0.0)
    inner = keras.Model(model.inputs, model.get_layer("pair").output)
    pair = np.random.default_rng(1).normal(size=(2, 8, 500))
    units = pair / np.linalg.norm(pair, axis=2, keepdims=True)
    np.testing.assert_allclose(  # when scoring nothing is dropped
        inner(list(pair)),
        np.concatenate([units[0] + units[1], units[0] - units[1], units[0] * units[1]], axis=1),
        atol=1e-6,
    )
    total, difference, product = np.split(np.asarray(inner(list(pair), training=True)), 3, axis=1)
    kept = np.empty((2, 8, 500), bool)
    for side, dropped in enumerate([(total + difference) / 2, (total - difference) / 2]):
        for row in range(8):
            for k in range(500):
                kept[side, row, k] = abs(dropped[row, k]) > abs(units[side, row, k])
                expected = units[side, row, k] / 0.8 if kept[side, row, k] else 0.0
                assert dropped[row, k] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(product, units[0] * units[1] * kept.all(axis=0) / 0.64, atol=1e-6)
    assert kept.mean(axis=(1, 2)) == pytest.approx(0.8, abs=0.03)
    assert kept.all(axis=0).mean() == pytest.approx(0.64, abs=0.03)  # independently


def test_the_length_of_an_embedding_does_not_matter(statistics):
    model = bvector(*statistics)
    first, second = np.random.default_rng(3).normal(size=(2, 4, 6))
    expected = model.predict([first, second], verbose=0)
    longer = model.predict([7.0 * first, 0.1 * second], verbose=0)
    np.testing.assert_allclose(longer, expected, rtol=1e-4, atol=1e-5)


def test_statistics_are_saved_with_the_model(statistics, tmp_path):
    model = bvector(*statistics)
    model.save(tmp_path / "bvector.keras")
    pair = [np.random.default_rng(2).normal(size=(3, 6)) for _ in range(2)]
    np.save(tmp_path / "pair.npy", np.array(pair))
    program = (
        "import keras, numpy as np, speaker_bases.evaluate.backends.bvector.network\n"
        f"model = keras.saving.load_model({str(tmp_path / 'bvector.keras')!r})\n"
        f"pair = np.load({str(tmp_path / 'pair.npy')!r})\n"
        f"np.save({str(tmp_path / 'out.npy')!r}, model.predict(list(pair), verbose=0))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    expected = model.predict(pair, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "mean, variance",
    [(np.zeros(3), np.ones(4)), (np.zeros((2, 2)), np.ones((2, 2))), (np.zeros(2), [1.0, 0.0])],
)
def test_bad_statistics_are_refused(mean, variance):
    with pytest.raises(ValueError, match="Invalid value for arguments `mean` and `variance`"):
        bvector(mean, variance)
