"""VGG-M on spectrograms, the network of Nagrani, Chung and Zisserman 2017."""

import keras
from keras import layers

from .activation import activation_layer
from .conv_batch_norm import ConvBatchNorm
from .pooling import (
    AddChannel,
    AtLeastFrames,
    FixedLength,
    MaskedGlobalAveragePooling,
    MaskedMaximumPooling,
)
from .resnet import Backbone

NUM_BINS = 512
LEAST_FRAMES = 65
"""What gives one frame after pool5."""

# Filters; kernel, stride (pairs over frames and bands) and padding of a convolution; window and
# stride of the pooling behind it.
CONVOLUTIONS = {
    "conv1": (96, (7, 7), (2, 2), 1, (3, 3), (2, 2)),
    "conv2": (256, (5, 5), (2, 2), 1, (3, 3), (2, 2)),
    "conv3": (384, (3, 3), (1, 1), 1, None, None),
    "conv4": (256, (3, 3), (1, 1), 1, None, None),
    "conv5": (256, (3, 3), (1, 1), 1, (3, 5), (2, 3)),
}


def vgg_m(
    bn_momentum: float = 0.99,
    kernel_regularizer=None,
    fused_normalization=None,
    name: str = "backbone",
    kernel_initializer="he_normal",
    conv_filters: list[int] | None = None,
    fc6_units: int = 4096,
    fc7_units: int = 1024,
    fc8_units: int | None = None,
) -> keras.Model:
    """VGG-M of Nagrani et al. 2017 (Table 4), from magnitude spectrograms to embeddings.

    Five convolutions, fc6 over all nine bands that are left of 512, the mean over time, and fc7;
    each without a bias, with batch normalization and ReLU. For the Siamese network fc8 follows, an
    affine layer on fc7's outputs at unit length, in the place of the classifier's output layer.
    Layers have these names. A mask of the frames works as in `resnet34`; an utterance that is too
    short for one frame after pool5, of less than 65 frames, goes on with zeros up to that.

    Args:
        bn_momentum: momentum of the batch normalizations' moving statistics.
        kernel_regularizer: a Keras regularizer for the kernels of all convolutions and of the
            dense layers.
        fused_normalization: see `FusedBatchNormalization`.
        name: of the model.
        kernel_initializer: of the same kernels.
        conv_filters: of conv1 to conv5, if not 96, 256, 384, 256, 256.
        fc6_units: outputs of fc6.
        fc7_units: outputs of fc7, the embedding unless there is an fc8.
        fc8_units: outputs of fc8, then the embedding; `None`: no fc8.

    Input shape:
        `(batch_size, frames, 512)`, any number of frames.

    Output shape:
        `(batch_size, fc8_units or fc7_units)`, float32 also under a mixed dtype policy.

    Example:

    >>> model = vgg_m(conv_filters=[4, 4, 4, 4, 4], fc6_units=16, fc7_units=8)
    >>> tuple(model(np.zeros((2, 100, 512))).shape)
    (2, 8)
    """
    kernels = {"kernel_initializer": kernel_initializer, "kernel_regularizer": kernel_regularizer}
    normalization = {"momentum": bn_momentum, "fused_normalization": fused_normalization}

    features = keras.Input((None, NUM_BINS), dtype="float32", name="features")
    x = AddChannel(name="channel")(AtLeastFrames(LEAST_FRAMES, name="least")(features))
    for number, (layer, row) in enumerate(CONVOLUTIONS.items()):
        filters, kernel, strides, padding, window, pool_strides = row
        x = ConvBatchNorm(
            conv_filters[number] if conv_filters else filters,
            kernel,
            strides,
            padding=padding,
            name=layer,
            **kernels,
            **normalization,
        )(x)
        x = activation_layer("relu", name=f"{layer}_activation")(x)
        if window:
            x = MaskedMaximumPooling(window, pool_strides, name=layer.replace("conv", "pool"))(x)
    over_bands = (1, x.shape[2])
    x = ConvBatchNorm(fc6_units, over_bands, padding=0, name="fc6", **kernels, **normalization)(x)
    x = activation_layer("relu", name="fc6_activation")(x)
    # From here on float32 whatever the policy, as in the ResNets.
    x = MaskedGlobalAveragePooling(dtype="float32", name="pool6")(x)
    x = layers.Dense(fc7_units, use_bias=False, dtype="float32", name="fc7", **kernels)(x)
    x = layers.BatchNormalization(momentum=bn_momentum, dtype="float32", name="fc7_norm")(x)
    x = layers.ReLU(dtype="float32", name="fc7_activation")(x)
    if fc8_units:
        x = FixedLength(1.0, dtype="float32", name="fc7_length")(x)
        x = layers.Dense(fc8_units, dtype="float32", name="fc8", **kernels)(x)
    return Backbone(features, x, name=name)
