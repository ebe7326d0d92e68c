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


@keras.saving.register_keras_serializable(package="speaker_bases")
class MaskedGlobalMaximumPooling(MaskedGlobalAveragePooling):
    """The maximum over all bands and over the frames that are not padding.

    Arguments and output are those of `MaskedGlobalAveragePooling`.
    """

    def call(self, x, mask=None):
        x = ops.max(x, axis=2)
        if mask is not None:
            x = ops.where(mask[:, :, None], x, -float("inf"))
        return ops.max(x, axis=1)


@keras.saving.register_keras_serializable(package="speaker_bases")
class FixedLength(layers.Layer):
    """Vectors brought to a length; the zero vector stays 0 and gets no gradient.

    Args:
        length: of the outputs.

    Input shape:
        `(batch_size, dim)`.

    Output shape:
        The same.
    """

    def __init__(self, length: float, **kwargs):
        super().__init__(**kwargs)
        self.length = length

    def call(self, x):
        squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
        # The inner `where` keeps rsqrt's infinite derivative at 0 out of the gradient.
        inverse = ops.rsqrt(ops.where(squares > 1e-12, squares, 1.0))
        return self.length * x * ops.where(squares > 1e-12, inverse, 0.0)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"length": self.length}
