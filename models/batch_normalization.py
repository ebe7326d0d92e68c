"""Batch normalization that can train in fewer passes over memory."""

from collections.abc import Callable

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="speaker_bases")
class FusedBatchNormalization(layers.BatchNormalization):
    """Keras's `BatchNormalization`, over the last axis, by one fused operation where one is known.

    Keras computes moments, scaling and shift one after the other, under a mixed policy in a copy
    cast to float32; on CPUs these passes over memory take longer than the small convolutions
    between them. While training, this layer calls `fused_operation` instead, if it is set, as
    `train/fused_normalization.py` does for TensorFlow; else, at inference, and with a mask, which
    the fused operations do not know, it is Keras's own.

    Attributes:
        fused_operation: of the class; `(x, gamma, beta, epsilon)` to the normalized `x`, of its
            shape and type, and the mean and the variance (over n) of each channel in float32.

    Call arguments:
        inputs: tensor of shape `(batch_size, height, width, channels)`.
        mask: boolean tensor that can be broadcast to `(batch_size, height, width)`; what it leaves
            out is not in the statistics. It is not passed on.

    Output shape:
        That of the input.
    """

    fused_operation: Callable | None = None

    def call(self, inputs, training=None, mask=None):
        fused = self.fused_operation is not None and mask is None
        if not (fused and training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        gamma, beta = ops.convert_to_tensor(self.gamma), ops.convert_to_tensor(self.beta)
        outputs, mean, variance = self.fused_operation(inputs, gamma, beta, self.epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs

    def compute_mask(self, inputs, mask=None):
        return None
