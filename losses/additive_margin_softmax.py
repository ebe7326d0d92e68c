"""L_AMS, Eq. 4-5."""

import keras
from keras import ops

from .arguments import check_number, check_reduction
from .cosines import in_float32
from .labels import as_labels, known_labels, nan_unless


@keras.saving.register_keras_serializable(package="speaker_bases")
def additive_margin_softmax(y_true, y_pred, scale=5.0, margin=0.35):
    """L_AMS of each utterance, Eq. 4 and 5: the softmax of the target, its cosine lowered by m.

    The equation and what the arguments are: see `AdditiveMarginSoftmax`.

    Args:
        y_true: Labels, integers of shape `(batch,)` or `(batch, 1)`.
        y_pred: Cosines of shape `(batch, num_speakers)`.
        scale: s.
        margin: m.

    Returns:
        Losses of shape `(batch,)`.

    Example:

    >>> cosines = np.array([[0.9, 0.1, -0.2]], "float32")
    >>> losses = additive_margin_softmax(np.array([0]), cosines)
    >>> print(f"{float(losses[0]):.4f}")
    0.1213
    """
    cosines = in_float32(y_pred)
    speakers, known = known_labels(as_labels(y_true), cosines.shape[-1])
    is_target = ops.one_hot(speakers, cosines.shape[-1], dtype=cosines.dtype)
    logits = scale * (cosines - margin * is_target)
    losses = ops.sparse_categorical_crossentropy(speakers, logits, from_logits=True)
    return nan_unless(known, losses)


@keras.saving.register_keras_serializable(package="speaker_bases")
class AdditiveMarginSoftmax(keras.losses.Loss):
    """Softmax over scaled cosines, the target's lowered by a margin: L_AMS, Eq. 4 and 5.

    Formula:

    ```
    L_AMS = -sum_i log [ exp(s (cos(W_{y_i}, e_i) - m)) /
                         (exp(s (cos(W_{y_i}, e_i) - m)) + R_i) ]
    R_i   = sum_{j != y_i} exp(s cos(W_j, e_i))
    ```

    Args:
        scale: s, by which the cosines are multiplied, above 0.
        margin: m, by which the target's cosine has to be larger, at least 0.
        reduction: `"sum"` over the batch, as Eq. 4 has it, `"mean"` (also
            `"sum_over_batch_size"`), or `None` (also `"none"`) for the loss of each utterance.
        name: Optional name of the loss.
        dtype: Dtype of the computation, float32 whatever Keras's global dtype policy says: labels
            pass through it, and bfloat16 turns 1211 into 1208.

    Call arguments:
        y_true: Labels, integers from 0 to N - 1, of shape `(batch,)` or `(batch, 1)`; a label of
            no speaker makes the loss NaN.
        y_pred: Cosines of shape `(batch, num_speakers)`, as `SpeakerBases` with
            `similarity="cosine"` computes them.
        sample_weight: Optional weights of shape `(batch,)`.

    Output shape:
        A scalar; `(batch,)` if `reduction` is `None`.

    Raises:
        ValueError: If an argument is none of the above.

    Example:

    >>> loss = AdditiveMarginSoftmax(scale=5.0, margin=0.35)
    >>> cosines = np.array([[0.9, 0.1, -0.2]], "float32")
    >>> print(f"{float(loss(np.array([0]), cosines)):.4f}")
    0.1213
    """

    def __init__(
        self,
        scale=5.0,
        margin=0.35,
        reduction="sum",
        name="additive_margin_softmax",
        dtype="float32",
    ):
        super().__init__(name=name, reduction=check_reduction(reduction), dtype=dtype)
        self.scale = check_number("scale", scale, above=0)
        self.margin = check_number("margin", margin, least=0)

    def call(self, y_true, y_pred):
        return additive_margin_softmax(y_true, y_pred, self.scale, self.margin)

    def get_config(self):
        return {
            **super().get_config(),
            "scale": self.scale,
            "margin": self.margin,
            "dtype": self.dtype,
        }
