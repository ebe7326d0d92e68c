"""The b-vector classifier: do two embeddings belong to the same speaker?"""

import keras
import numpy as np
from keras import layers, ops

from ....models.activation import LEAKY_RELU_SLOPE

SAME_SPEAKER = 1
"""The output node that stands for "same speaker"; node 0 stands for "different"."""


@keras.saving.register_keras_serializable(package="speaker_bases")
class PairFeatures(layers.Layer):
    """The b-vector of two embeddings: their sum, difference and product, concatenated.

    Call arguments:
        first: embeddings `(batch_size, dim)`.
        second: embeddings `(batch_size, dim)`.

    Output shape:
        `(batch_size, 3 * dim)`

    Example:

    >>> PairFeatures()(np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]]))
    [[4., 7., -2., -3., 3., 10.]]
    """

    def call(self, first, second):
        return ops.concatenate([first + second, first - second, first * second], axis=-1)

    def compute_output_shape(self, first_shape, second_shape):
        return (*first_shape[:-1], 3 * first_shape[-1])


def bvector(
    mean: np.ndarray,
    variance: np.ndarray,
    units: int = 512,
    hidden_layers: int = 3,
    embedding_dropout: float = 0.0,
    input_dropout: float = 0.2,
    dropout: float = 0.5,
    name: str = "bvector",
) -> keras.Model:
    """The b-vector back-end of Heo et al. 2019: 3 x dim inputs, three layers of 512, two nodes.

    Embeddings are brought to unit length, and then normalised by the given statistics, which are
    saved with the model. The statistics, dropout between the layers, LeakyReLU with slope 0.3 and
    no batch normalization are as in the authors' later public code; the paper has only the sizes.
    That code drops out 0.2 of each embedding before their sum, difference and product
    (`embedding_dropout`); by default the b-vector is dropped out instead, as in all our results.
    The unit length is ours: losses on cosines leave the length of an embedding free, and the few
    speakers whose embeddings come out many times longer than the others' would rule the
    statistics.

    Args:
        mean: `(dim,)`, of the training set's embeddings at unit length.
        variance: `(dim,)`, of the same, all above zero.
        units: nodes of each hidden layer.
        hidden_layers: how many there are.
        embedding_dropout: share of each embedding's values dropped in training, of the two of a
            pair independently.
        input_dropout: share of the b-vector's values dropped in training.
        dropout: share of each hidden layer's outputs dropped in training.
        name: of the model.

    Inputs:
        `first` and `second`, embeddings `(batch_size, dim)` each.

    Output shape:
        `(batch_size, 2)`, logits of "different speakers" and "same speaker", float32. As the
        difference is not symmetric, neither are they: average over both orders.

    Raises:
        ValueError: if the statistics are not two vectors of one length, or a variance is not
            above zero.

    Example:

    >>> model = bvector(np.zeros(1024), np.ones(1024))
    >>> model([np.ones((4, 1024)), np.ones((4, 1024))]).shape
    (4, 2)
    """
    mean, variance = np.asarray(mean), np.asarray(variance)
    if mean.ndim != 1 or mean.shape != variance.shape or not (variance > 0).all():
        raise ValueError(
            "Invalid value for arguments `mean` and `variance`. Expected two vectors of one "
            f"length, variances above zero. Received: shapes {mean.shape} and {variance.shape}, "
            f"smallest variance {variance.min(initial=np.inf)}"
        )
    first = keras.Input(mean.shape, name="first")
    second = keras.Input(mean.shape, name="second")
    normalise = layers.Normalization(mean=mean, variance=variance, dtype="float32", name="norm")
    unit = layers.UnitNormalization(dtype="float32", name="unit_length")
    pair = [normalise(unit(first)), normalise(unit(second))]
    if embedding_dropout:  # no layer without it: a seed's other draws follow the number of them
        drop = layers.Dropout(embedding_dropout, name="embedding_dropout")
        pair = [drop(each) for each in pair]
    x = PairFeatures(name="pair")(*pair)
    x = layers.Dropout(input_dropout, name="input_dropout")(x)
    for number in range(1, hidden_layers + 1):
        x = layers.Dense(units, kernel_initializer="he_normal", name=f"dense{number}")(x)
        x = layers.LeakyReLU(LEAKY_RELU_SLOPE, name=f"activation{number}")(x)
        x = layers.Dropout(dropout, name=f"dropout{number}")(x)
    logits = layers.Dense(2, dtype="float32", name="logits")(x)
    return keras.Model([first, second], logits, name=name)
