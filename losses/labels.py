"""Speaker labels: their shape, and what comes of one that is no speaker's."""

from keras import ops


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
