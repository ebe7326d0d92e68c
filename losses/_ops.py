"""What the losses share: labels, norms and products in float32, mining, argument checks."""

from keras import ops

# Below this norm a vector points nowhere: its cosines are 0 and no gradient flows to it. A floor
# under the norm instead (as in `keras.ops.normalize`) would multiply gradients by 1e6 here.
SMALLEST_NORM = 1e-6


def check_reduction(reduction: str) -> str:
    """``reduction`` itself, or a ValueError if it is neither ``"sum"`` nor ``"mean"``."""
    if reduction not in ("sum", "mean"):
        raise ValueError(
            "Invalid value for argument `reduction`. Expected 'sum' or 'mean'. "
            f"Received: reduction={reduction!r}"
        )
    return reduction


def as_labels(speakers):
    """Speaker labels as int32 of shape (batch,), from integers of shape (batch,) or (batch, 1)."""
    return ops.reshape(ops.cast(speakers, "int32"), (-1,))


def inverse_norms(x, axis):
    """1 / norm along ``axis``, kept as a dimension of 1; 0 for vectors of no length."""
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    has_direction = squares > SMALLEST_NORM**2
    # The inner `where` keeps rsqrt's infinite derivative at 0 out of the gradient (0 * inf = NaN).
    return ops.where(has_direction, ops.rsqrt(ops.where(has_direction, squares, 1.0)), 0.0)


def unit(x, axis=-1):
    """Vectors of length 1 along ``axis``; the zero vector stays 0."""
    return x * inverse_norms(x, axis)


def product(x, y):
    """Matrix product."""
    return ops.matmul(x, y)


def hardest_negatives(cosines, speakers, num_negatives: int):
    """The columns of the largest cosines in each row, the row's own speaker left out.

    Args:
        cosines: (batch, num_speakers).
        speakers: int32 (batch,).
        num_negatives: H.

    Returns:
        int32 (batch, H), hardest first. No gradient flows through a choice.
    """
    values, columns = ops.top_k(ops.stop_gradient(cosines), num_negatives + 1)
    is_target = columns == speakers[:, None]
    _, order = ops.top_k(ops.where(is_target, -float("inf"), values), num_negatives)
    return ops.take_along_axis(columns, order, axis=1)
