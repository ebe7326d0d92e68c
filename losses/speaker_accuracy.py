"""The share of utterances whose own speaker comes first."""

import keras
from keras import ops

from .cosines import in_float32
from .labels import as_labels, known_labels


@keras.saving.register_keras_serializable(package="speaker_bases")
def speaker_accuracy(y_true, y_pred):
    """Whether no other speaker's output is as large as the target's, of each utterance.

    Args:
        y_true: Labels, integers of shape `(batch,)` or `(batch, 1)`.
        y_pred: What `SpeakerBases` returns: the cosines or logits with all speakers, shape
            `(batch, num_speakers)`, or the mined cosines, shape `(batch, 1, 1 + H)`.

    Returns:
        1 or 0 for each utterance, of shape `(batch,)`.

    Example:

    >>> cosines = np.array([[0.9, 0.1, -0.2], [0.3, 0.1, 0.3]], "float32")
    >>> print(ops.convert_to_numpy(speaker_accuracy(np.array([0, 0]), cosines)))
    [1. 0.]
    """
    y_pred = in_float32(y_pred)
    if len(y_pred.shape) == 3:
        target, others = y_pred[:, 0, 0], y_pred[:, 0, 1:]
        return ops.cast(target > ops.max(others, axis=1), "float32")
    width = y_pred.shape[-1]
    speakers, known = known_labels(as_labels(y_true), width)
    target = ops.take_along_axis(y_pred, speakers[:, None], axis=1)[:, 0]
    is_target = speakers[:, None] == ops.arange(width, dtype="int32")
    others = ops.where(is_target, -float("inf"), y_pred)
    return ops.cast(ops.logical_and(known, target > ops.max(others, axis=1)), "float32")


@keras.saving.register_keras_serializable(package="speaker_bases")
class SpeakerAccuracy(keras.metrics.MeanMetricWrapper):
    """How often the speaker's own output is the largest, of all cosines and of mined ones alike.

    Of the mined cosines of `SpeakerBases`, shape `(batch, 1, 1 + H)`, the target comes first
    whoever it is; Keras's `metrics=["accuracy"]` takes it for a place in the list, gives a wrong
    number and does not say so. This metric understands both.

    An utterance whose target ties with another speaker is wrong, so that a model that gives all
    speakers the same has accuracy 0. So is one with a label of no speaker, or with NaN.

    Args:
        name: Optional name of the metric.
        dtype: Dtype of the mean, Keras's floatx unless given.

    Example:

    >>> accuracy = SpeakerAccuracy()
    >>> cosines = np.array([[0.9, 0.1, -0.2], [0.3, 0.1, 0.4]], "float32")
    >>> print(float(accuracy(np.array([0, 1]), cosines)))
    0.5
    """

    def __init__(self, name="speaker_accuracy", dtype=None):
        super().__init__(speaker_accuracy, name=name, dtype=dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}
