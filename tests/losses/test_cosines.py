"""Products to float32's precision on devices that round their factors."""

import numpy as np
from keras import ops

from speaker_bases.losses import cosines

from .calculus import value_and_gradients


def test_split_products_are_exact_where_the_device_rounds_factors(monkeypatch):
    """A GPU's TF32, imitated: factors of matrix products rounded to 11 bits."""
    matmul = ops.matmul

    def rounded(x):
        bits = ops.convert_to_numpy(x).view("uint32")
        return ((bits + 0x1000) & ~np.uint32(0x1FFF)).view("float32")

    monkeypatch.setattr(cosines.ops, "matmul", lambda x, y: matmul(rounded(x), rounded(y)))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 64, 64)).astype("float32")
    exact = x.astype("float64") @ y
    plain = np.abs(ops.convert_to_numpy(cosines.ops.matmul(x, y)) - exact).max()
    split = np.abs(ops.convert_to_numpy(cosines._product_of_parts(x, y)) - exact).max()
    assert plain > 1e-3
    assert split < 2e-5


def test_split_product_has_the_gradient_of_a_product():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4, 4)).astype("float32")
    _, split = value_and_gradients(
        lambda a, b: ops.sum(ops.sin(cosines._split_product(a, b))), [x, y]
    )
    _, plain = value_and_gradients(lambda a, b: ops.sum(ops.sin(ops.matmul(a, b))), [x, y])
    np.testing.assert_allclose(split[0], plain[0], atol=1e-5)
    np.testing.assert_allclose(split[1], plain[1], atol=1e-5)
