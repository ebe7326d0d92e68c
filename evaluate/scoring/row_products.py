"""Inner products of pairs of rows, the work that a trial costs."""

import numpy as np

BLOCK_VALUES = 65_536
"""Values taken from each side at a time: in float64 half a megabyte, which caches hold."""


def row_products(
    left: np.ndarray, left_rows: np.ndarray, right: np.ndarray, right_rows: np.ndarray
) -> np.ndarray:
    """The inner product of a row of one matrix and a row of another, pair by pair, in float64.

    Pairs go through in small blocks, so that beside the matrices themselves hardly any memory is
    needed, however many there are.

    Args:
        left: (n, dim) float32 or float64.
        left_rows: (pairs,) int.
        right: (m, dim) float32 or float64.
        right_rows: (pairs,) int.

    Returns:
        (pairs,) float64.
    """
    products = np.empty(len(left_rows))
    block = max(1, BLOCK_VALUES // left.shape[1])
    for start in range(0, len(left_rows), block):
        pairs = slice(start, start + block)
        a = left[left_rows[pairs]].astype(np.float64, copy=False)
        b = right[right_rows[pairs]].astype(np.float64, copy=False)
        np.vecdot(a, b, out=products[pairs])
    return products
