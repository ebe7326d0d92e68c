"""L_G, Eq. 6-8."""

import keras
from keras import ops

from .added_loss import LossLayer
from .arguments import check_bool, check_number, check_reduction
from .cosines import in_float32, product, unit
from .labels import as_labels

# Wan et al. keep the score weight positive, so that a larger cosine is a larger score.
SMALLEST_WEIGHT = 1e-6


@keras.saving.register_keras_serializable(package="speaker_bases")
def ge2e(embeddings, speakers, score_weight=10.0, score_bias=-5.0, include_self=True):
    """L_G of each utterance, Eq. 6-8: its own speaker's centroid against the nearest other one.

    The equation and what the arguments are: see `GE2E`, which trains w_score and b_score.

    Args:
        embeddings: e, of shape `(batch, dim)`.
        speakers: Labels, any integers, of shape `(batch,)` or `(batch, 1)`.
        score_weight: w_score, a number or a scalar tensor.
        score_bias: b_score, a number or a scalar tensor.
        include_self: Whether an utterance is part of its own speaker's centroid.

    Returns:
        Losses of shape `(batch,)`.

    Example:

    >>> embeddings = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], "float32")
    >>> losses = ge2e(embeddings, np.array([3, 3, 8, 8]))
    >>> print(f"{float(losses[0]):.4f}")  # 1 - sigmoid(5) + sigmoid(-5)
    0.0134
    """
    embeddings, speakers = in_float32(embeddings), as_labels(speakers)
    # Shapes do not depend on who is in the batch: column r is the centroid of utterance r's
    # speaker, so a centroid stands there once for each of its utterances.
    same = speakers[:, None] == speakers[None, :]
    count = ops.sum(ops.cast(same, embeddings.dtype), axis=1, keepdims=True)
    sums = product(ops.cast(same, embeddings.dtype), embeddings)
    centroids = unit(sums / count)  # Eq. 7
    units = unit(embeddings)

    scores = score_weight * product(units, ops.transpose(centroids)) + score_bias  # Eq. 6
    impostor = ops.max(ops.where(same, 0.0, ops.sigmoid(scores)), axis=1)
    if not include_self:
        centroids = unit(ops.where(count > 1, sums - embeddings, embeddings))
    score = score_weight * ops.sum(units * centroids, axis=1) + score_bias
    return 1.0 - ops.sigmoid(score) + impostor  # Eq. 8


@keras.saving.register_keras_serializable(package="speaker_bases")
class GE2E(LossLayer):
    """Generalised end-to-end loss over the speakers of a mini-batch: L_G, Eq. 6-8.

    Formula:

    ```
    S_{j,i,k} = w_score cos(e_{j,i}, c_k) + b_score
    c_k       = (1 / M_k) sum_i e_{k,i}      (the mean of the speaker's embeddings in the batch)
    L_G       = sum_{j,i} [ 1 - sigmoid(S_{j,i,j}) + max_{k != j} sigmoid(S_{j,i,k}) ]
    ```

    The layer returns its embeddings as they are and adds L_G as a loss; w_score (kept positive)
    and b_score are its trainable weights. It takes batches of any number of speakers, of
    utterances a speaker, and in any order. Where no other speaker is in the batch, the maximum
    over none is 0.

    The loss is inside the model, where `sample_weight` and `class_weight` of `fit` do not come.

    Args:
        init_weight: Initial w_score, above 0.
        init_bias: Initial b_score.
        include_self: Whether an utterance is part of its own speaker's centroid, as Eq. 7 has it.
            `False` leaves it out of the target's score, as Wan et al. 2018 do; a speaker's only
            utterance then stays in.
        reduction: `"sum"` over the batch, as Eq. 8 has it, or `"mean"` (also
            `"sum_over_batch_size"`).
        **kwargs: Keras's own, `name`, `trainable`, `dtype` (float32 unless given).

    Call arguments:
        embeddings: e, of shape `(batch, dim)`.
        speakers: Labels, any integers, of shape `(batch,)` or `(batch, 1)`.

    Output shape:
        That of `embeddings`: `(batch, dim)`.

    Raises:
        ValueError: If an argument is none of the above.

    Example:

    >>> ge2e = GE2E()
    >>> embeddings = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], "float32")
    >>> embeddings_again = ge2e(embeddings, np.array([3, 3, 8, 8]))
    >>> print(f"{float(ge2e.losses[0]):.4f}")  # 4 (1 - sigmoid(5) + sigmoid(-5))
    0.0535
    """

    def __init__(
        self, init_weight=10.0, init_bias=-5.0, include_self=True, reduction="sum", **kwargs
    ):
        super().__init__(**kwargs)
        self.init_weight = check_number("init_weight", init_weight, above=0)
        self.init_bias = check_number("init_bias", init_bias)
        self.include_self = check_bool("include_self", include_self)
        self.reduction = check_reduction(reduction, scalar=True)

    def build(self, embeddings_shape, speakers_shape=None):
        self.score_weight = self.add_weight(
            name="score_weight",
            shape=(),
            initializer=keras.initializers.Constant(self.init_weight),
            constraint=lambda weight: ops.maximum(weight, SMALLEST_WEIGHT),
        )
        self.score_bias = self.add_weight(
            name="score_bias", shape=(), initializer=keras.initializers.Constant(self.init_bias)
        )
        self.show_loss("ge2e")

    def call(self, embeddings, speakers):
        exact = ops.cast(embeddings, self.variable_dtype)
        losses = ge2e(exact, speakers, self.score_weight, self.score_bias, self.include_self)
        self.record_loss("ge2e", ops.mean(losses) if self.reduction == "mean" else ops.sum(losses))
        return embeddings

    def compute_output_spec(self, embeddings, speakers):
        return keras.KerasTensor(embeddings.shape, embeddings.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "init_weight": self.init_weight,
            "init_bias": self.init_bias,
            "include_self": self.include_self,
            "reduction": self.reduction,
        }
