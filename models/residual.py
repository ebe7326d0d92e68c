"""The residual stages, each a `Res` row of a table, as both of He et al.'s papers have them.

Both take the input `(batch_size, frames, bands, channels)`, the number of output channels, that of
the blocks, the pair of strides (over frames and bands) of the first block, the name of the layer
that the stage ends in and what the others' names begin with, the activation, and the arguments of
every convolution and of every batch normalization. They return a Keras tensor `(batch_size,
ceil(frames / strides[0]), ceil(bands / strides[1]), filters)`.
"""

from keras import layers

from .activation import activation_layer
from .batch_normalization import FrameNormalization
from .conv_batch_norm import ConvBatchNorm, FrameConvolution


def post_activation_stage(
    x,
    filters: int,
    blocks: int,
    strides: tuple[int, int],
    name: str,
    activation: str,
    convolution: dict,
    normalization: dict,
):
    """Residual blocks of two 3x3 convolutions with the activation last (He et al. 2016a).

    A block is convolution, batch normalization, activation, convolution, batch normalization; its
    input is added, and an activation comes last. The first block has the stage's stride, and where
    that or the number of channels changes the shape, its input goes through a strided 1x1
    convolution and batch normalization before the addition.
    """
    options = {**convolution, **normalization}
    pairs = [
        (
            ConvBatchNorm(
                filters,
                3,
                strides if block == 0 else (1, 1),
                **options,
                name=f"{name}_conv{block}a",
            ),
            ConvBatchNorm(filters, 3, **options, name=f"{name}_conv{block}b"),
        )
        for block in range(blocks)
    ]
    shortcut = None
    if strides != (1, 1) or x.shape[-1] != filters:
        # After the stage's other convolutions: a seed's initial weights follow this order.
        shortcut = ConvBatchNorm(filters, 1, strides, **options, name=f"{name}_shortcut")
    for block, (conv_a, conv_b) in enumerate(pairs):
        y = activation_layer(activation, name=f"{name}_activation{block}")(conv_a(x))
        if block == 0 and shortcut is not None:
            x = shortcut(x)
        x = layers.Add(name=f"{name}_add{block}")([x, conv_b(y)])
        last = block == blocks - 1
        x = activation_layer(activation, name=name if last else f"{name}_block{block}")(x)
    return x


def pre_activation_stage(
    x,
    filters: int,
    blocks: int,
    strides: tuple[int, int],
    name: str,
    activation: str,
    convolution: dict,
    normalization: dict,
):
    """Residual blocks of two 3x3 convolutions with the activations first (He et al. 2016b).

    A block is batch normalization, activation, convolution, twice, and its input is added. The
    first block, which has the stage's stride, adds its input after the first batch normalization
    and activation, and where the shape changes after a strided 1x1 convolution too. What follows
    the last stage has to begin with batch normalization and activation.
    """
    for block in range(blocks):
        first = block == 0
        y = FrameNormalization(**normalization, name=f"{name}_norm{block}")(x)
        y = activation_layer(activation, name=f"{name}_activation{block}a")(y)
        if first:
            x = y
        if first and (strides != (1, 1) or x.shape[-1] != filters):
            x = FrameConvolution(filters, 1, strides, **convolution, name=f"{name}_shortcut")(y)
        y = ConvBatchNorm(
            filters,
            3,
            strides if first else (1, 1),
            **convolution,
            **normalization,
            name=f"{name}_conv{block}a",
        )(y)
        y = activation_layer(activation, name=f"{name}_activation{block}b")(y)
        y = FrameConvolution(filters, 3, **convolution, name=f"{name}_conv{block}b")(y)
        x = layers.Add(name=name if block == blocks - 1 else f"{name}_add{block}")([x, y])
    return x
