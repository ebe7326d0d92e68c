"""TensorFlow's fused batch normalization, for the networks that are trained here."""

import keras


def fused_batch_norm(x, gamma, beta, epsilon):
    """The `fused_normalization` of the networks in `models` on TensorFlow.

    Args:
        x: tensor of shape `(batch_size, height, width, channels)`.
        gamma: scale of each channel, float32.
        beta: shift of each channel, float32.
        epsilon: added to the variance.

    Returns:
        The normalized `x`, and the mean and the variance (over n) of each channel, float32.
    """
    import tensorflow as tf  # not on the other backends

    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon)
    # The operation's variance is the unbiased one, over n - 1; Keras keeps that over n.
    count = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), variance.dtype)
    return outputs, mean, variance * (count - 1) / count


FUSED_NORMALIZATION = None
"""The running backend's fused operation, or `None` where it has none."""

if keras.backend.backend() == "tensorflow":
    FUSED_NORMALIZATION = keras.saving.register_keras_serializable("speaker_bases")(
        fused_batch_norm
    )
