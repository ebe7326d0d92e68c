"""Batch normalization that can train in fewer passes over memory."""

from collections.abc import Callable

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="speaker_bases")
class FusedBatchNormalization(layers.BatchNormalization):
    """Keras's `BatchNormalization`, over the last axis, by one fused operation where one is given.

    Keras computes moments, scaling and shift one after the other, under a mixed policy in a copy
    cast to float32; on CPUs these passes over memory take longer than the small convolutions
    between them. While training, this layer calls `fused_normalization` instead, if it has one;
    else, at inference, and with a mask, which the fused operations do not know, it is Keras's own.

    Args:
        fused_normalization: function of `(x, gamma, beta, epsilon)` to the normalized `x`, of its
            shape and type, and the mean and the variance (over n) of each channel in float32; or
            the name under which such a function is registered with
            `keras.saving.register_keras_serializable`. Only training needs it: a saved layer
            holds the name alone, and one that the running program has not registered stands for
            `None`.
        **kwargs: those of `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: tensor of shape `(batch_size, height, width, channels)`.
        mask: boolean tensor that can be broadcast to `(batch_size, height, width)`; what it leaves
            out is not in the statistics. It is not passed on.

    Output shape:
        That of the input.
    """

    def __init__(self, *, fused_normalization: Callable | str | None = None, **kwargs):
        super().__init__(**kwargs)
        if isinstance(fused_normalization, str):
            fused_normalization = keras.saving.get_registered_object(fused_normalization)
        self.fused_normalization = fused_normalization

    def call(self, inputs, training=None, mask=None):
        fused = self.fused_normalization is not None and mask is None
        if not (fused and training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        gamma, beta = ops.convert_to_tensor(self.gamma), ops.convert_to_tensor(self.beta)
        outputs, mean, variance = self.fused_normalization(inputs, gamma, beta, self.epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs

    def compute_mask(self, inputs, mask=None):
        return None

    def get_config(self):
        name = None
        if self.fused_normalization is not None:
            name = keras.saving.get_registered_name(self.fused_normalization)
        return super().get_config() | {"fused_normalization": name}


@keras.saving.register_keras_serializable(package="speaker_bases")
class FrameNormalization(FusedBatchNormalization):
    """`FusedBatchNormalization` with a mask of the frames, which it passes on.

    Call arguments:
        inputs: tensor of shape `(batch_size, frames, bands, channels)`.
        mask: boolean tensor of shape `(batch_size, frames)`; frames where it is `False` are not in
            the statistics. Passed on by Keras.

    Output shape:
        That of the input.
    """

    def call(self, inputs, training=None, mask=None):
        mask = None if mask is None else mask[:, :, None]
        return super().call(inputs, training=training, mask=mask)

    def compute_mask(self, inputs, mask=None):
        return mask
