"""The layers at both ends of the network that have to know about padded frames."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="speaker_bases")
class AddChannel(layers.Layer):
    """Features as an image of one channel, keeping the mask of the frames.

    Input shape:
        `(batch_size, frames, bands)`.

    Output shape:
        `(batch_size, frames, bands, 1)`.
    """

    def call(self, x):
        return ops.expand_dims(x, -1)

    def compute_mask(self, x, mask=None):
        return mask

    def compute_output_shape(self, input_shape):
        return (*input_shape, 1)


@keras.saving.register_keras_serializable(package="speaker_bases")
class MaskedGlobalAveragePooling(layers.Layer):
    """The mean over all bands and over the frames that are not padding ("Pool" of Table 1).

    Call arguments:
        x: tensor of shape `(batch_size, frames, bands, channels)`.
        mask: boolean tensor of shape `(batch_size, frames)`, or `None`. Passed on by Keras.

    Output shape:
        `(batch_size, channels)`.
    """

    def call(self, x, mask=None):
        x = ops.mean(x, axis=2)
        if mask is None:
            return ops.mean(x, axis=1)
        mask = mask[:, :, None]
        total = ops.sum(ops.where(mask, x, ops.zeros((), x.dtype)), axis=1)
        return total / ops.sum(ops.cast(mask, x.dtype), axis=1)

    def compute_mask(self, x, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])
