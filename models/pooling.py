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
class StatisticsPooling(layers.Layer):
    """Mean and standard deviation of each channel over the frames that are not padding.

    The variance is that about the mean, over n, and at least `VARIANCE_FLOOR`, as in Kaldi's
    StatisticsPoolingComponent: a channel that does not vary, as in a single frame, has the
    deviation 1e-5, and no gradient comes through it.

    Call arguments:
        x: tensor of shape `(batch_size, frames, channels)`.
        mask: boolean tensor of shape `(batch_size, frames)`, or `None`. Passed on by Keras.

    Output shape:
        `(batch_size, 2 * channels)`: the means, then the deviations.
    """

    VARIANCE_FLOOR = 1e-10

    def call(self, x, mask=None):
        kept = ops.ones_like(x[:, :, :1], "bool") if mask is None else mask[:, :, None]
        zero = ops.zeros((), x.dtype)
        frames = ops.sum(ops.cast(kept, x.dtype), axis=1)
        mean = ops.sum(ops.where(kept, x, zero), axis=1) / frames
        # Masked before it is squared: what is in the padding must not get into the gradient.
        differences = ops.where(kept, x - mean[:, None], zero)
        variance = ops.sum(ops.square(differences), axis=1) / frames
        deviation = ops.sqrt(ops.maximum(variance, self.VARIANCE_FLOOR))
        return ops.concatenate([mean, deviation], axis=-1)

    def compute_mask(self, x, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 2 * input_shape[-1])


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
