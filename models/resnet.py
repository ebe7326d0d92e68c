"""The paper's two networks: the ResNet-34s of Table 1 and of Table 3, one builder, two rows."""

from dataclasses import dataclass

import keras
from keras import layers

from .conv_batch_norm import ConvBatchNorm
from .pooling import AddChannel, MaskedGlobalAveragePooling

NUM_MEL_BINS = 64
LEAKY_RELU_SLOPE = 0.3


@dataclass(frozen=True)
class ResNetTable:
    """One of the paper's network tables, top to bottom."""

    conv1_filters: int
    conv1_strides: tuple[int, int]  # over frames, over mel bands
    stage_filters: tuple[int, ...]  # Res1 .. Res4
    stage_blocks: tuple[int, ...]
    stage_strides: tuple[tuple[int, int], ...]
    dense_units: int | None  # None: the pooled vector is the embedding


TABLES = {
    "table1": ResNetTable(
        conv1_filters=16,
        conv1_strides=(1, 1),
        stage_filters=(16, 32, 64, 128),
        stage_blocks=(3, 4, 6, 3),
        stage_strides=((1, 1), (2, 2), (2, 2), (2, 2)),
        dense_units=None,
    ),
    "table3": ResNetTable(
        conv1_filters=64,
        conv1_strides=(1, 2),
        stage_filters=(64, 128, 256, 512),
        stage_blocks=(3, 4, 6, 3),
        stage_strides=((1, 1), (2, 2), (2, 2), (2, 2)),
        dense_units=1024,
    ),
}


@keras.saving.register_keras_serializable(package="speaker_bases")
class Backbone(keras.Model):
    """A functional model from frames to one embedding: a mask of the frames ends in it."""

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def save(self, filepath, *args, **kwargs):
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                "Invalid value for argument `filepath`. Expected a `.keras` file: Keras cannot "
                f"load this class from HDF5. Received: filepath={filepath}"
            )
        super().save(filepath, *args, **kwargs)


def resnet34(
    table: str | ResNetTable = "table1",
    bn_momentum: float = 0.99,
    kernel_regularizer=None,
    fused_normalization=None,
    name: str = "backbone",
) -> keras.Model:
    """The modified ResNet-34 of Heo et al. 2019, from features to embeddings.

    The layers whose outputs are the table's rows have their names: `conv1`, `res1` .. `res4`,
    `pool` and, in Table 3, `dense`. Utterances of different lengths go through in one batch with
    a Keras mask, and each then has the embedding that it would have alone::

        embeddings = resnet34()(features, mask=num_frames[:, None] > ops.arange(frames))

    Args:
        table: `"table1"` (VoxCeleb1, embeddings of 128), `"table3"` (VoxCeleb2, 1024), or the
            numbers of a network of your own.
        bn_momentum: momentum of the batch normalizations' moving statistics. Keras's default of
            0.99 needs many hundreds of steps; take 0.9 for a short training.
        kernel_regularizer: a Keras regularizer for the kernels of all convolutions and of the
            dense layer; biases and normalizations have none.
        fused_normalization: what computes the batch normalizations while training, instead of
            Keras's own; see `FusedBatchNormalization`.
        name: of the model.

    Input shape:
        `(batch_size, frames, 64)`, any number of frames.

    Output shape:
        `(batch_size, 128)` or `(batch_size, 1024)`, float32 also under a mixed dtype policy.

    Raises:
        ValueError: if there is no such table.

    Example:

    >>> model = resnet34("table1")
    >>> tuple(model(np.zeros((2, 24, 64))).shape)
    (2, 128)
    """
    if isinstance(table, str):
        if table not in TABLES:
            raise ValueError(
                "Invalid value for argument `table`. "
                f"Expected one of {sorted(TABLES)}. Received: table={table!r}"
            )
        table = TABLES[table]
    options = {
        "momentum": bn_momentum,
        "kernel_regularizer": kernel_regularizer,
        "fused_normalization": fused_normalization,
    }

    features = keras.Input((None, NUM_MEL_BINS), dtype="float32", name="features")
    x = AddChannel(name="channel")(features)
    x = ConvBatchNorm(table.conv1_filters, 7, table.conv1_strides, **options, name="conv1")(x)
    x = layers.LeakyReLU(LEAKY_RELU_SLOPE, name="conv1_activation")(x)
    rows = zip(table.stage_filters, table.stage_blocks, table.stage_strides, strict=True)
    for number, (filters, blocks, strides) in enumerate(rows, start=1):
        x = residual_stage(x, filters, blocks, strides, f"res{number}", **options)
    # From here on float32 whatever the policy: the sum over hundreds of frames, and the embedding,
    # from which cosines and losses are computed.
    x = MaskedGlobalAveragePooling(dtype="float32", name="pool")(x)
    if table.dense_units:
        x = layers.Dense(
            table.dense_units,
            kernel_initializer="he_normal",
            kernel_regularizer=kernel_regularizer,
            dtype="float32",
            name="dense",
        )(x)
    return Backbone(features, x, name=name)


def residual_stage(x, filters: int, blocks: int, strides: tuple[int, int], name: str, **options):
    """`blocks` residual blocks of two 3x3 convolutions: one `Res` row of Table 1 or Table 3.

    A block is convolution, batch normalization, LeakyReLU(0.3), convolution, batch
    normalization; its input is added, and a LeakyReLU(0.3) comes last (He et al. 2016a,
    "post-activation"). The first block has the stage's stride, and where that or the number of
    channels changes the shape, its input goes through a strided 1x1 convolution and batch
    normalization before the addition.

    Args:
        x: Keras tensor `(batch_size, frames, bands, channels)`.
        filters: number of output channels.
        blocks: number of blocks.
        strides: pair of strides of the first block, over frames and over bands.
        name: of the layer that the stage ends in, and what the others' names begin with.
        **options: further arguments of every `ConvBatchNorm`.

    Returns:
        Keras tensor `(batch_size, ceil(frames / strides[0]), ceil(bands / strides[1]), filters)`.
    """
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
        y = layers.LeakyReLU(LEAKY_RELU_SLOPE, name=f"{name}_activation{block}")(conv_a(x))
        if block == 0 and shortcut is not None:
            x = shortcut(x)
        x = layers.Add(name=f"{name}_add{block}")([x, conv_b(y)])
        last = block == blocks - 1
        x = layers.LeakyReLU(LEAKY_RELU_SLOPE, name=name if last else f"{name}_block{block}")(x)
    return x
