"""The convolutions that the networks are made of."""

import keras
from keras import layers, ops

from .batch_normalization import FusedBatchNormalization


def mask_frames(x, mask):
    """Set the frames that `mask` leaves out to zero.

    Args:
        x: tensor of shape `(batch_size, frames, bands, channels)`.
        mask: boolean tensor of shape `(batch_size, frames)`, or `None` for no padding.
    """
    if mask is None:
        return x
    return ops.where(mask[:, :, None, None], x, ops.zeros((), x.dtype))


def mask_after(mask, lost: int, stride: int):
    """The mask of the frames that a window over frames gives.

    Args:
        mask: boolean tensor of shape `(batch_size, frames)`, or `None` for no padding.
        lost: frames that the window takes beyond those it gives, before the stride.
        stride: of the window.
    """
    if mask is None:
        return None
    if lost:  # of an utterance too short for one output frame, the first is kept
        mask = ops.concatenate([mask[:, :1], mask[:, lost + 1 :]], axis=1)
    return mask[:, ::stride]


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


@keras.saving.register_keras_serializable(package="speaker_bases")
class FrameConvolution(layers.Layer):
    """A convolution over frames and bands, without a bias, that knows of padded frames.

    The input is padded on both sides of both axes whatever its length. (TensorFlow's "same" pads
    an even and an odd length differently under a stride of 2, so an utterance in a padded batch
    would not give what it gives alone.)

    Args:
        filters: number of output channels.
        kernel_size: size of the square kernel, or a pair, over frames and over bands.
        strides: pair of strides, over frames and over bands.
        padding: zeros on each side; `kernel_size // 2`, which under an odd size loses no frame, if
            `None`.
        kernel_initializer: of the kernel.
        kernel_regularizer: of the kernel.

    Call arguments:
        x: tensor of shape `(batch_size, frames, bands, channels)`.
        mask: boolean tensor of shape `(batch_size, frames)`; frames where it is `False` count as
            zeros, as padding does. Passed on by Keras.

    Output shape:
        `(batch_size, ceil(frames / strides[0]), ceil(bands / strides[1]), filters)` under the
        default padding, with the mask taken at every `strides[0]`-th frame.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: tuple[int, int] = (1, 1),
        padding: int | tuple[int, int] | None = None,
        kernel_initializer="he_normal",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = _pair(kernel_size)
        self.strides = tuple(strides)
        keeps_all = tuple(size // 2 for size in self.kernel_size)
        self.padding = keeps_all if padding is None else _pair(padding)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        # Without a stride, "same" is the default padding, and 5 % faster than a layer of its own.
        same = self.strides == (1, 1) and self.padding == keeps_all
        self.pad = None
        if not same and any(self.padding):
            self.pad = layers.ZeroPadding2D(
                self.padding,
                data_format="channels_last",
                dtype=self.dtype_policy,
                name="pad",
            )
        self.conv = layers.Conv2D(
            filters,
            self.kernel_size,
            strides,
            padding="same" if same else "valid",
            data_format="channels_last",
            use_bias=False,  # a batch normalization follows, and its beta is one
            kernel_initializer=kernel_initializer,
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name="conv",
        )

    def build(self, input_shape):
        self.conv.build(input_shape)

    def call(self, x, mask=None):
        x = mask_frames(x, mask)
        return self.conv(x if self.pad is None else self.pad(x))

    def compute_mask(self, x, mask=None):
        lost = self.kernel_size[0] - 1 - 2 * self.padding[0]
        return mask_after(mask, lost, self.strides[0])

    def compute_output_shape(self, input_shape):
        if self.pad is not None:
            input_shape = self.pad.compute_output_shape(input_shape)
        return self.conv.compute_output_shape(input_shape)

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "kernel_initializer": keras.initializers.serialize(self.conv.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


@keras.saving.register_keras_serializable(package="speaker_bases")
class ConvBatchNorm(FrameConvolution):
    """A `FrameConvolution`, then batch normalization, padded frames left out of its statistics.

    Args:
        filters: number of output channels.
        kernel_size: see `FrameConvolution`.
        strides: pair of strides, over frames and over bands.
        momentum: of the batch normalization's moving statistics.
        fused_normalization: see `FusedBatchNormalization`.
        **kwargs: those of `FrameConvolution`; the regularizer is of the kernel alone.

    Example:

    >>> conv = ConvBatchNorm(16, 3, strides=(2, 2))
    >>> tuple(conv(np.zeros((2, 25, 64, 1))).shape)
    (2, 13, 32, 16)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: tuple[int, int] = (1, 1),
        momentum: float = 0.99,
        fused_normalization=None,
        **kwargs,
    ):
        super().__init__(filters, kernel_size, strides, **kwargs)
        self.momentum = momentum
        self.norm = FusedBatchNormalization(
            momentum=momentum,
            fused_normalization=fused_normalization,
            dtype=self.dtype_policy,
            name="norm",
        )

    def build(self, input_shape):
        super().build(input_shape)
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, x, mask=None, training=None):
        x = super().call(x, mask)
        if mask is not None:
            mask = self.compute_mask(x, mask)[:, :, None]
        return self.norm(x, training=training, mask=mask)

    def get_config(self):
        return super().get_config() | {
            "momentum": self.momentum,
            "fused_normalization": self.norm.get_config()["fused_normalization"],
        }
