"""L_H, Eq. 10."""

import keras
from keras import ops

from ._ops import as_labels, check_reduction, hardest_negatives


@keras.saving.register_keras_serializable(package="speaker_bases")
class HardNegativeMining(keras.losses.Loss):
    """Each utterance against the bases of the speakers nearest to it: L_H, Eq. 10."""

    def __init__(
        self,
        num_negatives=100,
        scale=1.0,
        reduction="sum",
        name="hard_negative_mining",
        dtype=None,
    ):
        super().__init__(name=name, reduction=check_reduction(reduction), dtype=dtype or "float32")
        self.num_negatives = num_negatives
        self.scale = scale

    def call(self, y_true, y_pred):
        cosines = self._target_then_negatives(y_true, y_pred)
        target, negatives = cosines[:, :1], cosines[:, 1:]
        losses = ops.sum(ops.softplus(self.scale * (negatives - target)), axis=1)
        return losses / self.num_negatives if self.reduction == "mean" else losses

    def _target_then_negatives(self, y_true, y_pred):
        if len(y_pred.shape) == 3:
            return y_pred[:, 0]
        speakers = as_labels(y_true)
        negatives = hardest_negatives(y_pred, speakers, self.num_negatives)
        columns = ops.concatenate([speakers[:, None], negatives], axis=1)
        return ops.take_along_axis(y_pred, columns, axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "num_negatives": self.num_negatives,
            "scale": self.scale,
            "dtype": self.dtype,
        }
