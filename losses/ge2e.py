"""L_G, Eq. 6-8."""

import keras
from keras import ops

from ._added_loss import AddedLoss
from ._ops import as_labels, check_reduction, product, unit

SMALLEST_WEIGHT = 1e-6


@keras.saving.register_keras_serializable(package="speaker_bases")
class GE2E(keras.layers.Layer):
    """Generalised end-to-end loss, contrast form, over the speakers of a batch: L_G, Eq. 6-8."""

    def __init__(
        self, init_weight=10.0, init_bias=-5.0, include_self=True, reduction="sum", **kwargs
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
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
        speakers = as_labels(speakers)
        e = ops.cast(embeddings, self.variable_dtype)
        same = speakers[:, None] == speakers[None, :]
        members = ops.cast(same, e.dtype)
        count = ops.sum(members, axis=1, keepdims=True)
        # Row r holds the centroid of utterance r's speaker, Eq. 7.
        sums = product(members, e)
        centroids = unit(sums / count)

        scores = self._score(product(unit(e), ops.transpose(centroids)))
        impostor = ops.max(ops.where(same, 0.0, ops.sigmoid(scores)), axis=1)
        own = centroids
        if not self.include_self:
            own = unit(ops.where(count > 1, sums - e, e))
        target = ops.sigmoid(self._score(ops.sum(unit(e) * own, axis=1)))

        losses = 1.0 - target + impostor
        loss = ops.mean(losses) if self.reduction == "mean" else ops.sum(losses)
        self.add_loss(loss)
        self.added_loss.update_state(loss)
        return embeddings

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
