"""The x-vector network (Snyder et al. 2018), which the paper names as the next to try."""

import keras
from keras import layers, ops

from .batch_normalization import FusedBatchNormalization
from .pooling import StatisticsPooling
from .resnet import NUM_MEL_BINS, Backbone

FRAME_LAYERS = (  # units, frames that each sees of the layer below, how far those are apart
    (512, 5, 1),  # t - 2 .. t + 2
    (512, 3, 2),  # t - 2, t, t + 2
    (512, 3, 3),  # t - 3, t, t + 3
    (512, 1, 1),
    (1500, 1, 1),
)
SEGMENT_UNITS = 512


@keras.saving.register_keras_serializable(package="speaker_bases")
class TimeDelay(layers.Layer):
    """An affine layer over each frame in its context, ReLU, then batch normalization.

    Kaldi's `relu-batchnorm-layer` with `input=Append(...)`. Frames are neither lost nor made: a
    frame beyond either end counts as zeros.

    Args:
        units: number of output channels.
        num_frames: how many frames an output sees, an odd number, its own in the middle.
        dilation: how far they are apart.
        momentum: of the batch normalization's moving statistics.
        kernel_regularizer: of the kernel.
        fused_normalization: see `FusedBatchNormalization`.

    Call arguments:
        x: tensor of shape `(batch_size, frames, channels)`.
        mask: boolean tensor of shape `(batch_size, frames)`; frames where it is `False` count as
            zeros, as those beyond the ends do, and are not in the statistics. Passed on by Keras.

    Output shape:
        `(batch_size, frames, units)`.

    Example:

    >>> layer = TimeDelay(512, 3, dilation=3)
    >>> tuple(layer(np.zeros((2, 25, 64))).shape)
    (2, 25, 512)
    """

    def __init__(
        self,
        units: int,
        num_frames: int,
        dilation: int = 1,
        momentum: float = 0.99,
        kernel_regularizer=None,
        fused_normalization=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.affine = layers.Conv1D(
            units,
            num_frames,
            padding="same",
            data_format="channels_last",
            dilation_rate=dilation,
            activation="relu",
            kernel_initializer="he_normal",
            kernel_regularizer=kernel_regularizer,
            dtype=self.dtype_policy,
            name="affine",
        )
        self.norm = FusedBatchNormalization(
            momentum=momentum,
            fused_normalization=fused_normalization,
            dtype=self.dtype_policy,
            name="norm",
        )

    def build(self, input_shape):
        self.affine.build(input_shape)
        self.norm.build((*input_shape[:-1], 1, self.affine.filters))

    def call(self, x, mask=None, training=None):
        if mask is not None:
            mask = mask[:, :, None]
            x = ops.where(mask, x, ops.zeros((), x.dtype))
        # As images of one band: the fused operations take images.
        x = self.affine(x)[:, :, None]
        return self.norm(x, training=training, mask=mask)[:, :, 0]

    def compute_mask(self, x, mask=None):
        return mask

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.affine.filters)

    def get_config(self):
        return super().get_config() | {
            "units": self.affine.filters,
            "num_frames": self.affine.kernel_size[0],
            "dilation": self.affine.dilation_rate[0],
            "momentum": self.norm.momentum,
            "kernel_regularizer": keras.regularizers.serialize(self.affine.kernel_regularizer),
            "fused_normalization": self.norm.get_config()["fused_normalization"],
        }


def xvector(
    bn_momentum: float = 0.99,
    kernel_regularizer=None,
    fused_normalization=None,
    name: str = "backbone",
) -> keras.Model:
    """The x-vector network (Snyder et al. 2018, Table 1) from features to embeddings.

    Five layers over frames, `frame1` .. `frame5`; mean and standard deviation over the frames,
    `pool`; and the first segment layer before its non-linearity, `segment1`, whose outputs are the
    embeddings. What follows it in training is `xvector_head`. Masks are as in `resnet34`.

    Args:
        bn_momentum: momentum of the batch normalizations' moving statistics.
        kernel_regularizer: a Keras regularizer for the kernels.
        fused_normalization: see `FusedBatchNormalization`.
        name: of the model.

    Input shape:
        `(batch_size, frames, 64)`, any number of frames.

    Output shape:
        `(batch_size, 512)`, float32 also under a mixed dtype policy.

    Example:

    >>> tuple(xvector()(np.zeros((2, 24, 64))).shape)
    (2, 512)
    """
    features = keras.Input((None, NUM_MEL_BINS), dtype="float32", name="features")
    x = features
    for number, (units, num_frames, dilation) in enumerate(FRAME_LAYERS, start=1):
        x = TimeDelay(
            units,
            num_frames,
            dilation,
            momentum=bn_momentum,
            kernel_regularizer=kernel_regularizer,
            fused_normalization=fused_normalization,
            name=f"frame{number}",
        )(x)
    x = StatisticsPooling(dtype="float32", name="pool")(x)
    return Backbone(features, _segment_layer("segment1", kernel_regularizer)(x), name=name)


def xvector_head(
    bn_momentum: float = 0.99, kernel_regularizer=None, name: str = "head"
) -> keras.Model:
    """What stands between the embeddings and the speaker bases while an x-vector network trains.

    The first segment layer's ReLU and batch normalization, then the second segment layer whole.

    Args:
        bn_momentum, kernel_regularizer: as in `xvector`.
        name: of the model.

    Input shape:
        `(batch_size, 512)`.

    Output shape:
        `(batch_size, 512)`.
    """
    embeddings = x = keras.Input((SEGMENT_UNITS,), dtype="float32", name="embeddings")
    for number in (1, 2):
        if number == 2:
            x = _segment_layer("segment2", kernel_regularizer)(x)
        x = layers.ReLU(dtype="float32", name=f"segment{number}_relu")(x)
        x = layers.BatchNormalization(
            momentum=bn_momentum, dtype="float32", name=f"segment{number}_norm"
        )(x)
    return keras.Model(embeddings, x, name=name)


def _segment_layer(name: str, kernel_regularizer) -> layers.Dense:
    return layers.Dense(
        SEGMENT_UNITS,
        kernel_initializer="he_normal",
        kernel_regularizer=kernel_regularizer,
        dtype="float32",
        name=name,
    )
