"""The contrastive loss of Siamese networks."""

import keras
from keras import ops

from .added_loss import LossLayer
from .arguments import check_number, check_reduction, invalid
from .cosines import SMALLEST_NORM, in_float32
from .labels import as_labels


@keras.saving.register_keras_serializable(package="speaker_bases")
def contrastive(embeddings, speakers, margin=1.0):
    """The contrastive loss of each pair.

    The equation and what the arguments are: see `Contrastive`.

    Args:
        embeddings: e, of shape `(batch, dim)`.
        speakers: Labels, any integers, of shape `(batch,)` or `(batch, 1)`.
        margin: m.

    Returns:
        Losses of shape `(batch / 2,)`.

    Example:

    >>> embeddings = np.array([[0, 0], [0.3, 0.4], [0, 0], [0.3, 0.4]], "float32")
    >>> losses = contrastive(embeddings, np.array([3, 3, 3, 8]))
    >>> print([f"{float(loss):.3f}" for loss in losses])  # 0.5^2 / 2, (1 - 0.5)^2 / 2
    ['0.125', '0.125']
    """
    embeddings, speakers = in_float32(embeddings), as_labels(speakers)
    batch, dim = shape = tuple(embeddings.shape)
    if batch is not None and batch % 2:
        raise invalid("embeddings", "an even number of rows, two for each pair", shape)
    pairs = ops.reshape(embeddings, (-1, 2, dim))
    squares = ops.sum(ops.square(pairs[:, 0] - pairs[:, 1]), axis=-1)
    # Two embeddings in one place: no direction to push them in. The inner `where` keeps the root's
    # infinite derivative at 0 out of the gradient.
    apart = squares > SMALLEST_NORM**2
    distances = ops.where(apart, ops.sqrt(ops.where(apart, squares, 1.0)), 0.0)
    labels = ops.reshape(speakers, (-1, 2))
    same = labels[:, 0] == labels[:, 1]
    return ops.where(same, squares, ops.square(ops.relu(margin - distances))) / 2


@keras.saving.register_keras_serializable(package="speaker_bases")
class Contrastive(LossLayer):
    """Pairs of one speaker together, pairs of two at least a margin apart.

    Formula, of the Euclidean distance D of each pair:

    ```
    L = sum over pairs of one speaker   D^2 / 2
      + sum over pairs of two speakers  max(0, m - D)^2 / 2
    ```

    Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR
    2006, Eq. 4; the loss of Nagrani et al.'s Siamese network.

    The layer returns its embeddings as they are and adds the loss. Rows 2k and 2k + 1 of a batch
    are a pair; whoever makes the batch chooses the pairs. The loss is inside the model, where
    `sample_weight` and `class_weight` of `fit` do not come.

    Args:
        margin: m, above 0.
        reduction: `"sum"` over the pairs, or `"mean"` (also `"sum_over_batch_size"`).
        **kwargs: Keras's own, `name`, `trainable`, `dtype` (float32 unless given).

    Call arguments:
        embeddings: e, of shape `(batch, dim)`, batch an even number.
        speakers: Labels, any integers, of shape `(batch,)` or `(batch, 1)`.

    Output shape:
        That of `embeddings`: `(batch, dim)`.

    Raises:
        ValueError: If an argument is none of the above, or a batch has an odd number of rows.

    Example:

    >>> contrastive = Contrastive()
    >>> embeddings = np.array([[0, 0], [0.3, 0.4], [0, 0], [0.3, 0.4]], "float32")
    >>> embeddings_again = contrastive(embeddings, np.array([3, 3, 3, 8]))
    >>> print(float(contrastive.losses[0]))
    0.25
    """

    def __init__(self, margin=1.0, reduction="sum", **kwargs):
        super().__init__(**kwargs)
        self.margin = check_number("margin", margin, above=0)
        self.reduction = check_reduction(reduction, scalar=True)

    def build(self, embeddings_shape, speakers_shape=None):
        self.show_loss("contrastive")

    def call(self, embeddings, speakers):
        losses = contrastive(ops.cast(embeddings, self.variable_dtype), speakers, self.margin)
        mean = self.reduction == "mean"
        self.record_loss("contrastive", ops.mean(losses) if mean else ops.sum(losses))
        return embeddings

    def compute_output_spec(self, embeddings, speakers):
        return keras.KerasTensor(embeddings.shape, embeddings.dtype)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin, "reduction": self.reduction}
