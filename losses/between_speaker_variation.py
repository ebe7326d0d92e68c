"""L_BC, Eq. 9."""

import keras
from keras import ops

from ._ops import check_reduction, inverse_norms, product


@keras.saving.register_keras_serializable(package="speaker_bases")
class BetweenSpeakerVariation(keras.regularizers.Regularizer):
    """The sum of the cosines between all speaker bases: L_BC, Eq. 9.

    Formula:

    ```
    L_BC = sum_i sum_{j != i} cos(W_i, W_j) = ||sum_i w_i||^2 - N,   w_i = W_i / ||W_i||
    ```
    """

    def __init__(self, weight=1.0, scale=1.0, reduction="sum"):
        self.weight = weight
        self.scale = scale
        self.reduction = check_reduction(reduction)

    def __call__(self, bases):
        bases = ops.cast(bases, "float32")
        norms = inverse_norms(bases, axis=0)
        total = product(bases, ops.transpose(norms))
        with_direction = ops.sum(ops.cast(norms > 0, bases.dtype))
        loss = ops.sum(ops.square(total)) - with_direction
        if self.reduction == "mean":
            num_speakers = bases.shape[1]
            loss = loss / max(num_speakers * (num_speakers - 1), 1)
        return self.weight * self.scale * loss

    def get_config(self):
        return {"weight": self.weight, "scale": self.scale, "reduction": self.reduction}
