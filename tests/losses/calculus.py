"""Values and gradients on whichever backend Keras runs on, beside those of the equations.

Values agree within 1e-5 (of the value; for L_BC of N), gradients within 1e-4 of the largest.
Half-precision embeddings change neither: the reference gets the same rounded embeddings. Only
the gradient for the embeddings is itself handed back in half precision, within 1e-2.
"""

import keras
import numpy as np
from keras import ops

# (dtype of the embeddings, jit)
WAYS = [("float32", False), ("float32", True), ("bfloat16", True), ("float16", False)]


def finite_differences(function, arrays, step=1e-5):
    gradients = []
    for k, array in enumerate(arrays):
        gradient = np.zeros(array.shape)
        for index in np.ndindex(*array.shape):
            values = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * step
                values.append(function(*arrays[:k], moved, *arrays[k + 1 :]))
            gradient[index] = (values[0] - values[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def value_and_gradients(function, arrays, jit=False):
    """The value of ``function`` and its gradients for ``arrays``, as NumPy."""
    arrays = [ops.convert_to_tensor(array) for array in arrays]
    if keras.backend.backend() == "jax":
        import jax

        run = jax.value_and_grad(function, argnums=tuple(range(len(arrays))))
        run = jax.jit(run) if jit else run
    else:
        import tensorflow as tf

        def run(*tensors):
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                value = function(*tensors)
            zero = tf.UnconnectedGradients.ZERO
            return value, tape.gradient(value, tensors, unconnected_gradients=zero)

        run = tf.function(run, jit_compile=True) if jit else run
    value, gradients = run(*arrays)
    as_numpy = [ops.convert_to_numpy(ops.cast(g, "float32")) for g in gradients]
    return float(value), as_numpy


def call(layer, weights, *inputs, **kwargs):
    """The layer as a function of its weights: outputs and the sum of what it adds as losses."""
    fixed = [v.value for v in layer.non_trainable_variables]
    outputs, _, losses = layer.stateless_call(
        list(weights), fixed, *inputs, return_losses=True, **kwargs
    )
    return outputs, sum(losses)


def half(array, dtype):
    """The array rounded to ``dtype``, as float32."""
    rounded = ops.cast(ops.cast(ops.convert_to_tensor(array), dtype), "float32")
    return ops.convert_to_numpy(rounded)


class Check:
    """Compares a function of (embeddings, *weights) with a float64 reference of the same."""

    def __init__(self, dtype, jit):
        self.dtype, self.jit = dtype, jit

    def __call__(self, function, reference, embeddings, *weights, scale=None):
        embeddings = half(embeddings, self.dtype)
        value, gradients = value_and_gradients(
            lambda e, *w: function(ops.cast(e, self.dtype), *w), [embeddings, *weights], self.jit
        )
        exact = [np.asarray(x, "float64") for x in (embeddings, *weights)]
        expected = reference(*exact)
        assert abs(value - expected) <= 1e-5 * (scale or abs(expected))
        differences = finite_differences(reference, exact)
        for k, (gradient, difference) in enumerate(zip(gradients, differences, strict=True)):
            bound = 1e-2 if k == 0 and self.dtype != "float32" else 1e-4
            largest = max(np.abs(difference).max(), 1e-6)
            assert np.abs(gradient - difference).max() <= bound * largest


def built(layer, *inputs):
    layer.build(*[x.shape for x in inputs])
    return layer
