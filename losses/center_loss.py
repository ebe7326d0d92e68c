"""L_C, Eq. 2, and its centres, Eq. 3."""

import keras
from keras import ops

from .added_loss import LossLayer
from .arguments import check_count, check_number, check_reduction
from .cosines import in_float32
from .labels import as_labels, known_labels, nan_unless

ALPHA = "center_loss_alpha"  # the name of the weight, by which CenterUpdate finds it


@keras.saving.register_keras_serializable(package="speaker_bases")
def center_loss(embeddings, speakers, centers, weight=0.001):
    """L_C of each utterance, Eq. 2: half the squared distance to the centre of its speaker.

    The equation and what the arguments are: see `CenterLoss`. No gradient reaches the centres.

    Args:
        embeddings: e, of shape `(batch, dim)`.
        speakers: Labels, integers of shape `(batch,)` or `(batch, 1)`.
        centers: c, of shape `(num_speakers, dim)`.
        weight: lambda.

    Returns:
        Losses of shape `(batch,)`.

    Example:

    >>> embeddings, centers = np.ones((2, 128), "float32"), np.zeros((1211, 128), "float32")
    >>> losses = center_loss(embeddings, np.array([7, 42]), centers)
    >>> print(f"{float(losses[0]):.4f}")  # 0.001 / 2 * 128
    0.0640
    """
    rows, known = known_labels(as_labels(speakers), centers.shape[0])
    away = in_float32(embeddings) - ops.stop_gradient(_rows(centers, rows))
    return nan_unless(known, weight / 2 * ops.sum(ops.square(away), axis=-1))


@keras.saving.register_keras_serializable(package="speaker_bases")
class CenterLoss(LossLayer):
    """Pulls each embedding to the centre of its speaker: L_C, Eq. 2, with the centres of Eq. 3.

    Formula:

    ```
    L_C       = (lambda / 2) sum_i ||e_i - c_{y_i}||^2
    Delta c_k = [ sum_i 1(y_i = k) (c_k - e_i) ] / [ 1 + sum_i 1(y_i = k) ]
    c_k       <- c_k - alpha Delta c_k
    ```

    The layer returns its embeddings as they are and adds L_C as a loss, to be used beside another
    one, e.g. the softmax of Eq. 1. The loss is that of the centres before the update, and no
    gradient reaches the centres. They move only in training, once per mini-batch, and only while
    `alpha` is not 0: the callback `CenterUpdate` sets it for the time of `fit`; without it they
    stay where they began, at random. Nothing of the size of the centres is made beside them.

    All of this is inside the model, where `sample_weight` and `class_weight` of `fit` do not
    come: an utterance of weight 0 counts in L_C and moves its centre like any other. Leave out of
    the batch what is not to be learned from.

    Args:
        num_speakers: N.
        weight: lambda, at least 0.
        reduction: `"sum"` over the batch, as Eq. 2 has it, or `"mean"` (also
            `"sum_over_batch_size"`).
        centers_initializer: Initializer of the centres, uniform in +-0.05 as in the authors' code.
        **kwargs: Keras's own, `name`, `dtype` (float32 unless given).

    Call arguments:
        embeddings: e, of shape `(batch, dim)`.
        speakers: Labels, integers from 0 to N - 1, of shape `(batch,)` or `(batch, 1)`; a label of
            no speaker makes the loss NaN.
        training: Whether the centres move.

    Output shape:
        That of `embeddings`: `(batch, dim)`.

    Raises:
        ValueError: If an argument is none of the above.

    Example:

    >>> center = CenterLoss(num_speakers=1211, centers_initializer="zeros")
    >>> embeddings = np.ones((2, 128), "float32")
    >>> embeddings_again = center(embeddings, np.array([7, 42]))
    >>> print(f"{float(center.losses[0]):.4f}")  # 0.001 / 2 * (128 + 128)
    0.1280
    """

    def __init__(
        self, num_speakers, weight=0.001, reduction="sum", centers_initializer="uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.num_speakers = check_count("num_speakers", num_speakers)
        self.weight = check_number("weight", weight, least=0)
        self.reduction = check_reduction(reduction, scalar=True)
        self.centers_initializer = keras.initializers.get(centers_initializer)
        # Not in `build`: CenterUpdate may come before it.
        self.alpha = self.add_weight(name=ALPHA, shape=(), initializer="zeros", trainable=False)

    def build(self, embeddings_shape, speakers_shape=None):
        self.centers = self.add_weight(
            name="centers",
            shape=(self.num_speakers, embeddings_shape[-1]),
            initializer=self.centers_initializer,
            trainable=False,
        )
        self.show_loss("center")

    def call(self, embeddings, speakers, training=None):
        exact = ops.cast(embeddings, self.variable_dtype)
        losses = center_loss(exact, speakers, self.centers, self.weight)
        self.record_loss(
            "center", ops.mean(losses) if self.reduction == "mean" else ops.sum(losses)
        )
        if training:
            self._update_centers(ops.stop_gradient(exact), as_labels(speakers))
        return embeddings

    def _update_centers(self, embeddings, speakers):
        """Eq. 3: every utterance moves its centre by its share, so that repetitions add up."""
        rows, known = known_labels(speakers, self.num_speakers)
        away = ops.where(known[:, None], embeddings - _rows(self.centers, rows), 0.0)
        same = ops.cast(speakers[:, None] == speakers[None, :], away.dtype)
        count = ops.sum(same, axis=1, keepdims=True)
        _add_to_rows(self.centers, rows, self.alpha * away / (1.0 + count))

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.alpha.assign(0.0)  # a file saved while training: what is loaded is not being trained

    def compute_output_spec(self, embeddings, speakers, training=None):
        return keras.KerasTensor(embeddings.shape, embeddings.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "num_speakers": self.num_speakers,
            "weight": self.weight,
            "reduction": self.reduction,
            "centers_initializer": keras.initializers.serialize(self.centers_initializer),
        }


# A TensorFlow variable reads and adds to single rows in place; through `ops` both would copy all
# of it. JAX needs no such help: there the state of a jitted step is donated, and XLA updates it
# in place.
def _rows(matrix, rows):
    value = matrix.value if isinstance(matrix, keras.Variable) else matrix
    return value.sparse_read(rows) if hasattr(value, "sparse_read") else ops.take(value, rows, 0)


def _add_to_rows(variable, rows, updates):
    value = variable.value
    if hasattr(value, "scatter_nd_add"):
        value.scatter_nd_add(rows[:, None], updates)
    else:
        variable.assign(ops.scatter_update(value, rows[:, None], updates, reduction="add"))
