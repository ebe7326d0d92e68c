"""What the losses share: labels, norms and products in float32, mining, argument checks."""

import functools
import operator

import keras
from keras import ops

# Below this norm a vector points nowhere: its cosines are 0 and no gradient flows to it. A floor
# under the norm (as in `keras.ops.normalize`) would multiply gradients by its inverse instead,
# which overflows in float16.
SMALLEST_NORM = 1e-6

# Mining first looks at the maximum of each block of this many columns. Any size is exact;
# sqrt(N / H), 30 to 100 for 100,000 to 1,000,000 speakers, leaves the least to sort.
BLOCK = 64


def check_reduction(reduction: str) -> str:
    """``reduction`` itself, or a ValueError if it is neither ``"sum"`` nor ``"mean"``."""
    if reduction not in ("sum", "mean"):
        raise ValueError(
            "Invalid value for argument `reduction`. Expected 'sum' or 'mean'. "
            f"Received: reduction={reduction!r}"
        )
    return reduction


def check_count(name: str, value: int) -> int:
    """``value`` as an int, NumPy's integers too; a ValueError if it is no positive integer."""
    is_count = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_count or operator.index(value) < 1:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a positive integer. "
            f"Received: {name}={value!r}"
        )
    return operator.index(value)


def check_num_negatives(num_negatives: int, num_speakers: int) -> None:
    """Raise a ValueError if there are fewer than ``num_negatives`` other speakers."""
    if num_negatives > num_speakers - 1:
        raise ValueError(
            "Invalid value for argument `num_negatives`. Expected at most num_speakers - 1 = "
            f"{num_speakers - 1}, the number of other speakers. "
            f"Received: num_negatives={num_negatives}"
        )


def as_labels(speakers):
    """Speaker labels as int32 of shape (batch,), from integers of shape (batch,) or (batch, 1).

    Raises:
        ValueError: If they have another shape, as one-hot labels do.
    """
    labels = ops.cast(speakers, "int32")
    # Of a pipeline's labels TensorFlow may know neither the sizes nor how many there are.
    shape = () if getattr(labels.shape, "rank", 1) is None else tuple(labels.shape)
    if len(shape) > 2 or (len(shape) == 2 and shape[1] not in (1, None)):
        raise ValueError(
            "Invalid shape of the speaker labels. Expected integers of shape (batch,) or "
            f"(batch, 1); for one-hot labels take their argmax. Received: shape={shape}"
        )
    return ops.reshape(labels, (-1,))


def known_labels(speakers, num_speakers: int):
    """Labels that index N rows safely, and which of them were between 0 and N - 1: two (batch,).

    No backend but TensorFlow's on CPUs refuses an index out of range; the others read another
    speaker's row. So what is computed for a wrong label is made NaN (by `nan_unless`), as
    cross-entropies do on GPUs: a label too many, or counted from 1, shows in the first loss.
    """
    known = ops.logical_and(speakers >= 0, speakers < num_speakers)
    return ops.where(known, speakers, 0), known


def nan_unless(known, values):
    """Values (batch, ...) with NaN in the rows whose label is not known."""
    known = ops.reshape(known, (-1,) + (1,) * (len(values.shape) - 1))
    return ops.where(known, values, float("nan"))


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
    """The matrix product x @ y, to the precision of float32 on GPUs too.

    A GPU rounds the factors of float32 products to TF32's 11 bits. Keras has no setting for it,
    TensorFlow only one for the whole process. So each factor is split in two parts that TF32
    represents, which costs three products instead of one, on GPUs only.
    """
    return _split_product(x, y) if _has_gpu() else ops.matmul(x, y)


@functools.cache
def _has_gpu() -> bool:
    return any(device.startswith("gpu") for device in keras.distribution.list_devices())


@ops.custom_gradient
def _split_product(x, y):
    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        return (
            _product_of_parts(upstream, ops.transpose(y)),
            _product_of_parts(ops.transpose(x), upstream),
        )

    return _product_of_parts(x, y), gradient


def _product_of_parts(x, y):
    x_high, x_low = _two_parts(x)
    y_high, y_low = _two_parts(y)
    small = ops.matmul(x_high, y_low) + ops.matmul(x_low, y_high)
    return ops.matmul(x_high, y_high) + small


def _two_parts(x):
    """Veltkamp's split: the upper 11 bits of float32's 24, and the rest."""
    shifted = x * 8193.0  # 2**13 + 1
    high = shifted - (shifted - x)
    return high, x - high


def hardest_negatives(cosines, speakers, num_negatives: int):
    """The columns of the largest cosines in each row, the row's own speaker left out.

    Args:
        cosines: (batch, num_speakers).
        speakers: int32 (batch,).
        num_negatives: H, at most num_speakers - 1.

    Returns:
        int32 (batch, H), hardest first. No gradient flows through a choice.
    """
    # The H hardest negatives are among the H + 1 largest; masking the target in those alone
    # spares a pass over all cosines.
    values, columns = _largest(ops.stop_gradient(cosines), num_negatives + 1)
    is_target = columns == speakers[:, None]
    _, order = ops.top_k(ops.where(is_target, -float("inf"), values), num_negatives)
    return ops.take_along_axis(columns, order, axis=1)


def _largest(values, k: int):
    """The k largest of each row and their columns; exact, and faster than a plain top-k.

    The k largest values lie in the k blocks of columns with the largest maxima, so one pass over
    all values (the maxima) is enough; sorting sees only num_columns / BLOCK + k * BLOCK of them.
    """
    num_columns = values.shape[1]
    num_blocks = num_columns // BLOCK
    if num_blocks <= 2 * k:
        return ops.top_k(values, k)
    batch = ops.shape(values)[0]
    in_blocks = num_blocks * BLOCK
    blocks = ops.reshape(values[:, :in_blocks], (-1, BLOCK))
    maxima = ops.reshape(ops.max(blocks, axis=1), (-1, num_blocks))
    _, best = ops.top_k(maxima, k, sorted=False)

    rows = best + num_blocks * ops.arange(batch, dtype="int32")[:, None]
    candidates = ops.reshape(ops.take(blocks, rows, axis=0), (-1, k * BLOCK))
    columns = best[:, :, None] * BLOCK + ops.arange(BLOCK, dtype="int32")
    columns = ops.reshape(columns, (-1, k * BLOCK))
    if in_blocks < num_columns:
        rest = ops.arange(in_blocks, num_columns, dtype="int32")
        rest = ops.broadcast_to(rest, (batch, num_columns - in_blocks))
        candidates = ops.concatenate([candidates, values[:, in_blocks:]], axis=1)
        columns = ops.concatenate([columns, rest], axis=1)

    chosen, order = ops.top_k(candidates, k)
    return chosen, ops.take_along_axis(columns, order, axis=1)
