"""Norms, unit vectors and matrix products, in float32."""

import functools

import keras
from keras import ops

# Below this norm a vector points nowhere: its cosines are 0 and no gradient flows to it. A floor
# under the norm (as in `keras.ops.normalize`) would multiply gradients by its inverse instead,
# which overflows in float16.
SMALLEST_NORM = 1e-6


def in_float32(x):
    """A tensor of at least float32's precision: half precision is cast, float64 stays."""
    x = ops.convert_to_tensor(x)
    is_double = keras.backend.standardize_dtype(x.dtype) == "float64"
    return x if is_double else ops.cast(x, "float32")


def inverse_norms(x, axis):
    """1 / norm along ``axis``, kept as a dimension of 1; 0 for vectors of no length."""
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    has_direction = squares > SMALLEST_NORM**2
    # The inner `where` keeps rsqrt's infinite derivative at 0 out of the gradient (0 * inf = NaN).
    return ops.where(has_direction, ops.rsqrt(ops.where(has_direction, squares, 1.0)), 0.0)


def unit(x, axis=-1):
    """Vectors of length 1 along ``axis``; the zero vector stays 0."""
    return x * inverse_norms(x, axis)


def product(x, y):
    """The matrix product x @ y, to the precision of float32 on GPUs too.

    A GPU rounds the factors of float32 products to TF32's 11 bits. Keras has no setting for it,
    TensorFlow only one for the whole process. So each factor is split in two parts that TF32
    represents, which costs three products instead of one, on GPUs only.
    """
    return _split_product(x, y) if _rounds_factors() else ops.matmul(x, y)


@functools.cache
def _rounds_factors() -> bool:
    # PyTorch rounds only if it is asked to, and Keras lists no devices for it.
    if keras.backend.backend() not in ("tensorflow", "jax"):
        return False
    return any(device.startswith("gpu") for device in keras.distribution.list_devices())


@ops.custom_gradient
def _split_product(x, y):
    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        return (
            _product_of_parts(upstream, ops.transpose(y)),
            _product_of_parts(ops.transpose(x), upstream),
        )

    return _product_of_parts(x, y), gradient


def _product_of_parts(x, y):
    x_high, x_low = _two_parts(x)
    y_high, y_low = _two_parts(y)
    small = ops.matmul(x_high, y_low) + ops.matmul(x_low, y_high)
    return ops.matmul(x_high, y_high) + small


def _two_parts(x):
    """Veltkamp's split: the upper 11 bits of float32's 24, and the rest."""
    shifted = x * 8193.0  # 2**13 + 1
    high = shifted - (shifted - x)
    return high, x - high
