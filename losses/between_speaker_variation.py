"""L_BC, Eq. 9."""

import keras
from keras import ops

from .arguments import check_number, check_reduction, check_word
from .cosines import in_float32, inverse_norms, product
from .squared_cosines import log_mean_exp_of_squares


@keras.saving.register_keras_serializable(package="speaker_bases")
def between_speaker_variation(bases):
    """L_BC, Eq. 9: the sum of the cosines between all pairs of bases, in closed form.

    The equation: see `BetweenSpeakerVariation`.

    Args:
        bases: Shape `(dim, num_speakers)`, one column a speaker.

    Returns:
        A scalar, the sum over the N (N - 1) ordered pairs.

    Example:

    >>> bases = np.array([[1.0, 0.0, 3.0], [0.0, 2.0, 3.0]], "float32")
    >>> print(f"{float(between_speaker_variation(bases)):.4f}")  # 2 (0 + 0.7071 + 0.7071)
    2.8284
    """
    return _sum_of_cosines(in_float32(bases))


@keras.saving.register_keras_serializable(package="speaker_bases")
class BetweenSpeakerVariation(keras.regularizers.Regularizer):
    """The sum of the cosines between all speaker bases: L_BC, Eq. 9.

    Formula:

    ```
    L_BC = sum_i sum_{j != i} cos(W_i, W_j) = ||sum_i w_i||^2 - N,   w_i = W_i / ||W_i||
    ```

    The second form is what is computed: time and memory grow with N, no N x N matrix is made. It
    is the difference of two numbers that may both be near N, so its error is a fraction of N
    (about 1e-6 N), not of its value.

    Its minimum asks only that the unit bases sum to zero. The first author's later code
    (hsss/speaker_verification_pytorch, 2019) asks for right angles, with s = 5 and a weight of 0.1:

    ```
    L_BC = log [ 1/N^2 sum_i sum_j exp((s cos(W_i, W_j))^2) ],   cos(W_i, W_i) set to 0
    ```

    That takes time N^2, but no N x N matrix in memory either.

    Given to `SpeakerBases(between_speaker=...)` it is a loss and a metric of its own, beside the
    weight decay. It is a regularizer too, so it also works on the kernel of any layer whose kernel
    has one column a speaker: `Dense(1211, kernel_regularizer=BetweenSpeakerVariation())`.

    Args:
        weight: By which the loss is multiplied, at least 0.
        scale: By which each cosine is multiplied, above 0.
        reduction: `"sum"` over the N (N - 1) pairs, as Eq. 9 has it, or `"mean"` (also
            `"sum_over_batch_size"`). At N = 1,211 they differ by a factor of 1.5 million. The
            logarithm has neither.
        form: `"sum_of_cosines"`, Eq. 9, or `"log_mean_exp"`, the later code's.

    Call arguments:
        bases: Shape `(dim, num_speakers)`, one column a speaker. A column of zeros has no
            cosines: its pairs count as 0 and it gets no gradient.

    Output shape:
        A scalar.

    Raises:
        ValueError: If an argument is none of the above.

    Example:

    >>> bases = np.array([[1.0, 0.0, 3.0], [0.0, 2.0, 3.0]], "float32")
    >>> print(f"{float(BetweenSpeakerVariation()(bases)):.4f}")  # 2 (0 + 0.7071 + 0.7071)
    2.8284
    """

    def __init__(self, weight=1.0, scale=1.0, reduction="sum", form="sum_of_cosines"):
        self.weight = check_number("weight", weight, least=0)
        self.scale = check_number("scale", scale, above=0)
        self.reduction = check_reduction(reduction, scalar=True)
        self.form = check_word("form", form, ("sum_of_cosines", "log_mean_exp"))

    def __call__(self, bases):
        if self.form == "log_mean_exp":
            return self.weight * log_mean_exp_of_squares(in_float32(bases), self.scale)
        loss = between_speaker_variation(bases)
        if self.reduction == "mean":
            num_speakers = bases.shape[1]
            loss = loss / max(num_speakers * (num_speakers - 1), 1)
        return self.weight * self.scale * loss

    def get_config(self):
        return {
            "weight": self.weight,
            "scale": self.scale,
            "reduction": self.reduction,
            "form": self.form,
        }


# Differentiated by hand: automatically, without XLA, it would hold several times the bases.
@ops.custom_gradient
def _sum_of_cosines(bases):
    inverse = inverse_norms(bases, axis=0)
    total = product(bases, ops.transpose(inverse))  # sum_i w_i
    # N, without the columns of zeros: their cosine with themselves is not in the square.
    with_direction = ops.sum(ops.cast(inverse > 0, bases.dtype))

    def gradient(*args, upstream=None):
        """2 (t - (t . w_j) w_j) / ||W_j|| in column j, with t the total."""
        upstream = args[0] if upstream is None else upstream
        along = product(ops.transpose(total), bases) * ops.square(inverse)
        return (total - along * bases) * (2.0 * upstream * inverse)

    return ops.sum(ops.square(total)) - with_direction, gradient
