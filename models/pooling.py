"""The layers at both ends of the network that have to know about padded frames."""

import keras
from keras import layers, ops

from .conv_batch_norm import mask_after, mask_frames


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
class AtLeastFrames(layers.Layer):
    """Features with zeros behind them up to a number of frames, which the mask leaves out.

    Args:
        frames: what a network needs for one frame of its output.

    Call arguments:
        x: tensor of shape `(batch_size, frames, bands)`.
        mask: boolean tensor of shape `(batch_size, frames)`, or `None`, under which the zeros
            count as frames. Passed on by Keras.

    Output shape:
        `(batch_size, max(frames, least), bands)`.
    """

    def __init__(self, frames: int, **kwargs):
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, x, mask=None):
        return self._filled(x, ((0, 0), (0, self.frames), (0, 0)))

    def compute_mask(self, x, mask=None):
        return None if mask is None else self._filled(mask, ((0, 0), (0, self.frames)))

    def _filled(self, x, padding):
        there = ops.shape(x)[1]
        # A number where the shape is known when the graph is made: JAX slices by nothing else.
        known = isinstance(there, int)
        wanted = max(there, self.frames) if known else ops.maximum(there, self.frames)
        return ops.pad(x, padding, constant_values=0)[:, :wanted]

    def compute_output_shape(self, input_shape):
        frames = input_shape[1] and max(input_shape[1], self.frames)
        return (input_shape[0], frames, *input_shape[2:])

    def get_config(self):
        return super().get_config() | {"frames": self.frames}


@keras.saving.register_keras_serializable(package="speaker_bases")
class MaskedMaximumPooling(layers.Layer):
    """The largest of each window over frames and bands, of activations that are not negative.

    Args:
        size: frames and bands of a window.
        strides: over frames and over bands.

    Call arguments:
        x: tensor of shape `(batch_size, frames, bands, channels)`, after a ReLU.
        mask: boolean tensor of shape `(batch_size, frames)`, or `None`. Passed on by Keras.

    Output shape:
        `(batch_size, 1 + (frames - size[0]) // strides[0], 1 + (bands - size[1]) // strides[1],
        channels)`, with a mask of the windows that hold no padded frame.
    """

    def __init__(self, size: tuple[int, int], strides: tuple[int, int], **kwargs):
        super().__init__(**kwargs)
        self.size, self.strides = tuple(size), tuple(strides)

    def call(self, x, mask=None):
        # Only of an utterance too short for one window is a padded frame in a window that counts,
        # and its zeros are no larger than what a ReLU gives.
        x = mask_frames(x, mask)
        return ops.max_pool(x, self.size, self.strides, data_format="channels_last")

    def compute_mask(self, x, mask=None):
        return mask_after(mask, self.size[0] - 1, self.strides[0])

    def compute_output_shape(self, input_shape):
        frames, bands = (
            length and 1 + (length - size) // stride
            for length, size, stride in zip(input_shape[1:3], self.size, self.strides, strict=True)
        )
        return (input_shape[0], frames, bands, input_shape[3])

    def get_config(self):
        return super().get_config() | {"size": self.size, "strides": self.strides}


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
