"""L_BC of the first author's later code: the bases towards right angles."""

import math

from keras import ops

from .cosines import inverse_norms, product

BLOCK = 2**22
"""Cosines that are worked on at a time: 16 MB in float32, whatever N."""


def log_mean_exp_of_squares(bases, scale):
    """log of the mean over all i and j of exp((s cos(W_i, W_j))^2), with cos(W_i, W_i) set to 0.

    As in hsss/speaker_verification_pytorch (2019), by the first author of the paper. It has no
    closed form: its N^2 cosines are made a block of rows at a time, and so is the gradient.

    Args:
        bases: Shape `(dim, num_speakers)`, float32 or float64. A column of zeros has no cosines:
            they count as 0 and it gets no gradient.
        scale: s.

    Returns:
        A scalar.
    """

    # Differentiated by hand: automatically, every block would be kept.
    @ops.custom_gradient
    def loss_of(bases):
        inverse = inverse_norms(bases, axis=0)
        units = bases * inverse
        num_speakers = bases.shape[1]
        per_block = min(num_speakers, max(1, BLOCK // num_speakers))
        num_blocks = math.ceil(num_speakers / per_block)
        padding = num_blocks * per_block - num_speakers
        rows = ops.pad(ops.transpose(units), ((0, padding), (0, 0)))
        numbers = ops.arange(num_blocks * per_block, dtype="int32")

        def block(rows_and_numbers):
            """The log of a block's sum, and its part of the gradient, in shares of that sum."""
            rows, numbers = rows_and_numbers
            own = numbers[:, None] == ops.arange(num_speakers, dtype="int32")
            cosines = ops.where(own, 0.0, product(rows, units))
            exponents = ops.square(scale * cosines)
            exponents = ops.where(numbers[:, None] < num_speakers, exponents, -float("inf"))
            total = ops.logsumexp(exponents)
            return total, product(ops.exp(exponents - total) * cosines, ops.transpose(units))

        shape = (num_blocks, per_block)
        totals, along = ops.map(
            block, (ops.reshape(rows, (*shape, -1)), ops.reshape(numbers, shape))
        )
        total = ops.logsumexp(totals)

        def gradient(*args, upstream=None):
            """(d_j - (d_j . w_j) w_j) / ||W_j||, d_j = 4 s^2 sum_i share_ij cos_ij w_i."""
            upstream = args[0] if upstream is None else upstream
            by_row = ops.reshape(along * ops.exp(totals - total)[:, None, None], rows.shape)
            by_unit = 4.0 * scale**2 * ops.transpose(by_row[:num_speakers])
            radial = ops.sum(by_unit * units, axis=0, keepdims=True)
            return upstream * inverse * (by_unit - radial * units)

        return total - 2.0 * math.log(num_speakers), gradient

    return loss_of(bases)
