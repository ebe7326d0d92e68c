"""L_H, Eq. 10."""

import keras
from keras import ops

from ._ops import (
    as_labels,
    check_count,
    check_num_negatives,
    check_reduction,
    hardest_negatives,
    known_labels,
    nan_unless,
)


@keras.saving.register_keras_serializable(package="speaker_bases")
class HardNegativeMining(keras.losses.Loss):
    """Each utterance against the bases of the speakers nearest to it: L_H, Eq. 10.

    Formula:

    ```
    L_H = sum_i sum_{W_h in H_i} log(1 + exp(s (cos(W_h, e_i) - cos(W_{y_i}, e_i))))
    ```

    H_i are the H bases with the largest cos(W_h, e_i), h != y_i, over all speakers and anew for
    every mini-batch. Eq. 10 has no s; the authors' code uses 5.

    Args:
        num_negatives: H.
        scale: s, by which the cosines are multiplied.
        reduction: `"sum"` over batch and H, as Eq. 10 has it, or `"mean"` over both.
        name: Optional name of the loss.
        dtype: Dtype of the computation, float32 whatever Keras's global dtype policy says: labels
            pass through it, and bfloat16 turns 1211 into 1208.

    Call arguments:
        y_true: Labels, integers from 0 to N - 1, of shape `(batch,)` or `(batch, 1)`; a label of
            no speaker makes the loss NaN.
        y_pred: What `SpeakerBases` with `similarity="cosine"` returns: the cosines with all
            speakers, shape `(batch, num_speakers)`, or, if it mined for us, those with the target
            and its H hardest negatives, shape `(batch, 1, 1 + H)`.
        sample_weight: Optional weights of shape `(batch,)`.

    Output shape:
        A scalar.

    Raises:
        ValueError: If `num_negatives` is no positive integer, or larger than the number of other
            speakers; if `reduction` is neither `"sum"` nor `"mean"`.

    Example:

    >>> loss = HardNegativeMining(num_negatives=1)
    >>> cosines = np.array([[0.9, 0.1, -0.2]], "float32")
    >>> print(f"{float(loss(np.array([0]), cosines)):.4f}")  # log(1 + exp(0.1 - 0.9))
    0.3711
    """

    def __init__(
        self,
        num_negatives=100,
        scale=1.0,
        reduction="sum",
        name="hard_negative_mining",
        dtype="float32",
    ):
        super().__init__(name=name, reduction=check_reduction(reduction), dtype=dtype)
        self.num_negatives = check_count("num_negatives", num_negatives)
        self.scale = scale

    def call(self, y_true, y_pred):
        cosines = self._target_then_negatives(y_true, y_pred)
        target, negatives = cosines[:, :1], cosines[:, 1:]
        losses = ops.sum(ops.softplus(self.scale * (negatives - target)), axis=1)
        # Keras divides by the batch size.
        return losses / self.num_negatives if self.reduction == "mean" else losses

    def _target_then_negatives(self, y_true, y_pred):
        """The cosines that Eq. 10 is about, (batch, 1 + H).

        The number of dimensions tells what came; the width cannot, as 1 + H may also be N.
        """
        width = y_pred.shape[-1]
        if len(y_pred.shape) == 3:
            if width != 1 + self.num_negatives:
                raise ValueError(
                    "Invalid value for argument `num_negatives`. Expected the same as in "
                    f"SpeakerBases, {width - 1}. Received: num_negatives={self.num_negatives}"
                )
            return y_pred[:, 0]
        check_num_negatives(self.num_negatives, width)
        speakers, known = known_labels(as_labels(y_true), width)
        negatives = hardest_negatives(y_pred, speakers, self.num_negatives)
        columns = ops.concatenate([speakers[:, None], negatives], axis=1)
        return nan_unless(known, ops.take_along_axis(y_pred, columns, axis=1))

    def get_config(self):
        return {
            **super().get_config(),
            "num_negatives": self.num_negatives,
            "scale": self.scale,
            "dtype": self.dtype,
        }
