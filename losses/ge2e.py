"""L_G, Eq. 6-8."""

import keras
from keras import ops

from ._added_loss import AddedLoss
from ._ops import as_labels, check_reduction, product, unit

# Wan et al. keep the score weight positive, so that a larger cosine is a larger score.
SMALLEST_WEIGHT = 1e-6


@keras.saving.register_keras_serializable(package="speaker_bases")
class GE2E(keras.layers.Layer):
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

    Args:
        init_weight: Initial w_score.
        init_bias: Initial b_score.
        include_self: Whether an utterance is part of its own speaker's centroid, as Eq. 7 has it.
            `False` leaves it out of the target's score, as Wan et al. 2018 do; a speaker's only
            utterance then stays in.
        reduction: `"sum"` over the batch, as Eq. 8 has it, or `"mean"`.
        **kwargs: Keras's own, `name`, `trainable`, `dtype` (float32 unless given).

    Call arguments:
        embeddings: e, of shape `(batch, dim)`.
        speakers: Labels, any integers, of shape `(batch,)` or `(batch, 1)`.

    Output shape:
        That of `embeddings`: `(batch, dim)`.

    Raises:
        ValueError: If `init_weight` is not positive, or `reduction` neither `"sum"` nor `"mean"`.

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
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        if init_weight <= 0:
            raise ValueError(
                "Invalid value for argument `init_weight`. Expected a positive number. "
                f"Received: init_weight={init_weight}"
            )
        self.init_weight = init_weight
        self.init_bias = init_bias
        self.include_self = include_self
        self.reduction = check_reduction(reduction)

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
        self.added_loss = AddedLoss("ge2e", self)

    def call(self, embeddings, speakers):
        losses = self._contrast(ops.cast(embeddings, self.variable_dtype), as_labels(speakers))
        loss = ops.mean(losses) if self.reduction == "mean" else ops.sum(losses)
        self.add_loss(loss)
        self.added_loss.update_state(loss)
        return embeddings

    def _contrast(self, embeddings, speakers):
        """Eq. 8, (batch,). Shapes do not depend on who is in the batch: column r is the centroid
        of utterance r's speaker, so a centroid stands there once for each of its utterances."""
        same = speakers[:, None] == speakers[None, :]
        count = ops.sum(ops.cast(same, embeddings.dtype), axis=1, keepdims=True)
        sums = product(ops.cast(same, embeddings.dtype), embeddings)
        centroids = unit(sums / count)
        units = unit(embeddings)

        scores = self._score(product(units, ops.transpose(centroids)))
        impostor = ops.max(ops.where(same, 0.0, ops.sigmoid(scores)), axis=1)
        if not self.include_self:
            centroids = unit(ops.where(count > 1, sums - embeddings, embeddings))
        target = ops.sigmoid(self._score(ops.sum(units * centroids, axis=1)))
        return 1.0 - target + impostor

    def _score(self, cosines):
        return self.score_weight * cosines + self.score_bias

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
