"""Batch normalization that trains in fewer passes over memory."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="speaker_bases")
class FusedBatchNormalization(layers.BatchNormalization):
    """Keras's `BatchNormalization`, over the last of four axes, by TensorFlow's fused operation.

    Keras computes moments, scaling and shift one after the other, under a mixed policy in a copy
    cast to float32; on CPUs these passes over memory take longer than the small convolutions
    between them. While training on the TensorFlow backend this layer makes one fused operation
    of them, with the same statistics; on other backends and at inference it is Keras's own.

    Call arguments:
        inputs: tensor of shape `(batch_size, height, width, channels)`.

    Output shape:
        That of the input.
    """

    def call(self, inputs, training=None):
        if keras.backend.backend() != "tensorflow" or not (training and self.trainable):
            return super().call(inputs, training=training)
        import tensorflow as tf

        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            ops.convert_to_tensor(self.gamma),
            ops.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
        )
        # The operation's variance is the unbiased one, over n - 1; Keras keeps that over n.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype)
        variance *= (count - 1) / count
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs
