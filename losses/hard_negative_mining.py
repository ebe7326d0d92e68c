"""L_H, Eq. 10."""

import keras
from keras import ops

from .arguments import (
    check_count,
    check_num_negatives,
    check_number,
    check_reduction,
    check_word,
    invalid,
)
from .cosines import in_float32
from .labels import as_labels, known_labels, nan_unless
from .mining import hardest_negatives


@keras.saving.register_keras_serializable(package="speaker_bases")
def hard_negative_mining(y_true, y_pred, num_negatives=100, scale=1.0, form="pairs"):
    """L_H of each utterance, Eq. 10: the sum over its H hardest negatives.

    The equation and what the arguments are: see `HardNegativeMining`.

    Args:
        y_true: Labels, integers of shape `(batch,)` or `(batch, 1)`.
        y_pred: Cosines of shape `(batch, num_speakers)` or `(batch, 1, 1 + H)`.
        num_negatives: H.
        scale: s.
        form: `"pairs"` or `"joint"`.

    Returns:
        Losses of shape `(batch,)`.

    Example:

    >>> cosines = np.array([[0.9, 0.1, -0.2]], "float32")
    >>> losses = hard_negative_mining(np.array([0]), cosines, num_negatives=1)
    >>> print(f"{float(losses[0]):.4f}")  # log(1 + exp(0.1 - 0.9))
    0.3711
    """
    cosines = _target_then_negatives(y_true, in_float32(y_pred), num_negatives)
    target, negatives = cosines[:, :1], cosines[:, 1:]
    if form == "joint":
        terms = ops.relu(scale * negatives) - scale * target
        return ops.logsumexp(ops.concatenate([ops.zeros_like(target), terms], axis=1), axis=1)
    return ops.sum(ops.softplus(scale * (negatives - target)), axis=1)


def _target_then_negatives(y_true, y_pred, num_negatives: int):
    """The cosines that Eq. 10 is about, (batch, 1 + H).

    The number of dimensions tells what came; the width cannot, as 1 + H may also be N.
    """
    width = y_pred.shape[-1]
    if len(y_pred.shape) == 3:
        if width != 1 + num_negatives:
            raise invalid(
                "num_negatives", f"the same as in SpeakerBases, {width - 1}", num_negatives
            )
        return y_pred[:, 0]
    check_num_negatives(num_negatives, width)
    speakers, known = known_labels(as_labels(y_true), width)
    negatives = hardest_negatives(y_pred, speakers, num_negatives)
    columns = ops.concatenate([speakers[:, None], negatives], axis=1)
    return nan_unless(known, ops.take_along_axis(y_pred, columns, axis=1))


@keras.saving.register_keras_serializable(package="speaker_bases")
class HardNegativeMining(keras.losses.Loss):
    """Each utterance against the bases of the speakers nearest to it: L_H, Eq. 10.

    Formula:

    ```
    L_H = sum_i sum_{W_h in H_i} log(1 + exp(s (cos(W_h, e_i) - cos(W_{y_i}, e_i))))
    ```

    H_i are the H bases with the largest cos(W_h, e_i), h != y_i, over all speakers and anew for
    every mini-batch. Eq. 10 has no s; the authors' code uses 5.

    The first author's later code (hsss/speaker_verification_pytorch, 2019), with s = 10, has one
    logarithm for all negatives of an utterance, and none counts less than one at a right angle:

    ```
    L_H = sum_i log(1 + sum_{W_h in H_i} exp(relu(s cos(W_h, e_i)) - s cos(W_{y_i}, e_i)))
    ```

    Args:
        num_negatives: H.
        scale: s, by which the cosines are multiplied, above 0.
        reduction: `"sum"` over batch and H, as Eq. 10 has it; `"mean"` (also
            `"sum_over_batch_size"`) over both; or `None` (also `"none"`) for the loss of each
            utterance, the sum over its H_i: the mean of these is H times `"mean"`. In the joint
            form `"mean"` is over the batch alone.
        form: `"pairs"`, Eq. 10, or `"joint"`, the later code's.
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
        A scalar; `(batch,)` if `reduction` is `None`.

    Raises:
        ValueError: If an argument is none of the above, or `num_negatives` larger than the number
            of other speakers.

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
        form="pairs",
        name="hard_negative_mining",
        dtype="float32",
    ):
        super().__init__(name=name, reduction=check_reduction(reduction), dtype=dtype)
        self.num_negatives = check_count("num_negatives", num_negatives)
        self.scale = check_number("scale", scale, above=0)
        self.form = check_word("form", form, ("pairs", "joint"))

    def call(self, y_true, y_pred):
        losses = hard_negative_mining(y_true, y_pred, self.num_negatives, self.scale, self.form)
        # Keras divides by the batch size.
        over_pairs = self.reduction == "mean" and self.form == "pairs"
        return losses / self.num_negatives if over_pairs else losses

    def get_config(self):
        return {
            **super().get_config(),
            "num_negatives": self.num_negatives,
            "scale": self.scale,
            "form": self.form,
            "dtype": self.dtype,
        }
