"""The paper's two networks: the ResNet-34s of Table 1 and of Table 3, one builder, two rows."""

from dataclasses import dataclass, replace

import keras
from keras import layers

from .activation import activation_layer
from .batch_normalization import FrameNormalization
from .conv_batch_norm import ConvBatchNorm, FrameConvolution
from .pooling import (
    AddChannel,
    FixedLength,
    MaskedGlobalAveragePooling,
    MaskedGlobalMaximumPooling,
)
from .residual import post_activation_stage, pre_activation_stage

NUM_MEL_BINS = 64


STAGES = {"post_activation": post_activation_stage, "pre_activation": pre_activation_stage}
POOLINGS = {
    "average": (MaskedGlobalAveragePooling,),
    "average_plus_maximum": (MaskedGlobalAveragePooling, MaskedGlobalMaximumPooling),
}


@dataclass(frozen=True)
class ResNetTable:
    """One of the paper's network tables, top to bottom.

    What the tables leave open has the paper's words, or our choice, as its default.

    Attributes:
        conv1_padding: of Conv1; 3 keeps all frames and bands, 1 makes 30 of 64 bands under
            Table 3's stride and takes 4 frames.
        blocks: "post_activation" or "pre_activation"; see `residual`.
        activation: "leaky_relu", the paper's, or "relu".
        pooling: "average", or "average_plus_maximum", the sum of both over frames and bands.
        embedding_length: what each embedding is brought to, in training and test; free if `None`.
    """

    conv1_filters: int
    conv1_strides: tuple[int, int]  # over frames, over mel bands
    stage_filters: tuple[int, ...]  # Res1 .. Res4
    stage_blocks: tuple[int, ...]
    stage_strides: tuple[tuple[int, int], ...]
    dense_units: int | None  # None: the pooled vector is the embedding
    conv1_padding: int = 3
    blocks: str = "post_activation"
    activation: str = "leaky_relu"
    pooling: str = "average"
    embedding_length: float | None = None

    def __post_init__(self):
        for name, known in (("blocks", STAGES), ("pooling", POOLINGS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"Invalid value for argument `{name}`. Expected one of {sorted(known)}. "
                    f"Received: {name}={getattr(self, name)!r}"
                )


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
    kernel_initializer="he_normal",
    bias_regularizer=None,
    **changes,
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
            dense layer; normalizations have none.
        fused_normalization: what computes the batch normalizations while training, instead of
            Keras's own; see `FusedBatchNormalization`.
        name: of the model.
        kernel_initializer: of the same kernels; a name or a configuration, of which each layer
            makes its own.
        bias_regularizer: a Keras regularizer for the dense layer's bias.
        **changes: what is otherwise than in the table, such as `activation="relu"`: the names are
            those of `ResNetTable`.

    Input shape:
        `(batch_size, frames, 64)`, any number of frames (5 or more if Conv1 takes 4).

    Output shape:
        `(batch_size, 128)` or `(batch_size, 1024)`, float32 also under a mixed dtype policy.

    Raises:
        ValueError: if there is no such table, or a change has a value that is none of its own.
        TypeError: if a change is none of those named.

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
    table = replace(table, **changes)
    convolution = {
        "kernel_initializer": kernel_initializer,
        "kernel_regularizer": kernel_regularizer,
    }
    normalization = {"momentum": bn_momentum, "fused_normalization": fused_normalization}
    conv1 = {
        "filters": table.conv1_filters,
        "kernel_size": 7,
        "strides": table.conv1_strides,
        "padding": table.conv1_padding,
        "name": "conv1",
        **convolution,
    }

    features = keras.Input((None, NUM_MEL_BINS), dtype="float32", name="features")
    x = AddChannel(name="channel")(features)
    if table.blocks == "post_activation":
        x = ConvBatchNorm(**conv1, **normalization)(x)
        x = activation_layer(table.activation, name="conv1_activation")(x)
    else:  # the first block begins with the two
        x = FrameConvolution(**conv1)(x)
    rows = list(zip(table.stage_filters, table.stage_blocks, table.stage_strides, strict=True))
    for number, (filters, blocks, strides) in enumerate(rows, start=1):
        x = STAGES[table.blocks](
            x,
            filters,
            blocks,
            strides,
            f"res{number}",
            table.activation,
            convolution,
            normalization,
        )
    if table.blocks == "pre_activation":
        x = FrameNormalization(**normalization, name="last_norm")(x)
        x = activation_layer(table.activation, name="last_activation")(x)
    # From here on float32 whatever the policy: the sum over hundreds of frames, and the embedding,
    # from which cosines and losses are computed.
    poolings = POOLINGS[table.pooling]
    if len(poolings) == 1:
        x = poolings[0](dtype="float32", name="pool")(x)
    else:
        pooled = [pooling(dtype="float32")(x) for pooling in poolings]
        x = layers.Add(dtype="float32", name="pool")(pooled)
    if table.dense_units:
        x = layers.Dense(
            table.dense_units,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            dtype="float32",
            name="dense",
        )(x)
    if table.embedding_length:
        x = FixedLength(table.embedding_length, dtype="float32", name="length")(x)
    return Backbone(features, x, name=name)
