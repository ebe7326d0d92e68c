"""TensorFlow's fused batch normalization, for the networks that are trained here."""

import keras

from ..models.batch_normalization import FusedBatchNormalization


def use_fused_normalization() -> None:
    """Let the networks train through TensorFlow's fused operation, if that is the backend."""
    if keras.backend.backend() == "tensorflow":
        FusedBatchNormalization.fused_operation = staticmethod(_fused_batch_norm)


def _fused_batch_norm(x, gamma, beta, epsilon):
    """See `FusedBatchNormalization.fused_operation`."""
    import tensorflow as tf  # not on the other backends

    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon)
    # The operation's variance is the unbiased one, over n - 1; Keras keeps that over n.
    count = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), variance.dtype)
    return outputs, mean, variance * (count - 1) / count
