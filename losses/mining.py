"""The hardest negatives of each utterance: a top-k over all speakers."""

from keras import ops

# Mining first looks at the maximum of each block of this many columns. Any size is exact;
# sqrt(N / H), 30 to 100 for 100,000 to 1,000,000 speakers, leaves the least to sort.
BLOCK = 64


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
