"""L_C, Eq. 2, and its centres, Eq. 3."""

import keras
from keras import ops

from ._added_loss import AddedLoss
from ._ops import as_labels, check_reduction


@keras.saving.register_keras_serializable(package="speaker_bases")
class CenterLoss(keras.layers.Layer):
    """Pulls each embedding to its speaker's centre: L_C, Eq. 2, with the centres of Eq. 3."""

    def __init__(
        self, num_speakers, weight=0.001, reduction="sum", centers_initializer="uniform", **kwargs
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        self.num_speakers = num_speakers
        self.weight = weight
        self.reduction = check_reduction(reduction)
        self.centers_initializer = keras.initializers.get(centers_initializer)

    def build(self, embeddings_shape, speakers_shape=None):
        self.centers = self.add_weight(
            name="centers",
            shape=(self.num_speakers, embeddings_shape[-1]),
            initializer=self.centers_initializer,
            trainable=False,
        )
        self.alpha = self.add_weight(name="alpha", shape=(), initializer="zeros", trainable=False)
        self.added_loss = AddedLoss("center", self)

    def call(self, embeddings, speakers, training=None):
        speakers = as_labels(speakers)
        centers = ops.stop_gradient(ops.take(self.centers, speakers, axis=0))
        away = ops.cast(embeddings, self.variable_dtype) - centers

        loss = ops.sum(ops.square(away), axis=-1)
        loss = ops.mean(loss) if self.reduction == "mean" else ops.sum(loss)
        loss = self.weight / 2 * loss
        self.add_loss(loss)
        self.added_loss.update_state(loss)

        if training:
            self._update(speakers, ops.stop_gradient(away))
        return embeddings

    def _update(self, speakers, away):
        count = ops.sum(ops.cast(speakers[:, None] == speakers[None, :], away.dtype), axis=1)
        step = self.alpha * away / (1.0 + count)[:, None]
        self.centers.assign(
            ops.scatter_update(
                ops.convert_to_tensor(self.centers), speakers[:, None], step, reduction="add"
            )
        )

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
