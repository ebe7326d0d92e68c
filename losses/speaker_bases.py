"""W, the speaker bases: the weight matrix of the output layer."""

import keras
from keras import ops

from .added_loss import LossLayer
from .arguments import check_bool, check_count, check_num_negatives, check_word, invalid
from .between_speaker_variation import BetweenSpeakerVariation
from .cosines import inverse_norms, product, unit
from .labels import as_labels, known_labels, nan_unless
from .mining import hardest_negatives


@keras.saving.register_keras_serializable(package="speaker_bases")
class SpeakerBases(LossLayer):
    """The output layer; column j of its weight, W_j, is the basis of speaker j.

    Formula:

    ```
    outputs[i, j] = W_j . e_i + b_j      (similarity="dot", the logits of Eq. 1)
    outputs[i, j] = cos(W_j, e_i)        (similarity="cosine", Eq. 4 and 10)
    ```

    For `HardNegativeMining`, give `num_negatives` and call the layer with the speakers too. Then
    many speakers cost no more than they must: from `mine_from` speakers on the layer mines by
    itself, without a gradient, and computes with a gradient only the cosines that Eq. 10 needs.
    The loss and `SpeakerAccuracy` understand both outputs and their values are the same; Keras's
    own `metrics=["accuracy"]` understands only all cosines.

    With `softmax`, the two similarities stand on the same W: the layer returns the cosines and
    adds a loss on the logits, as the first author's later code adds L_S to L_H.

    Everything is computed in float32, under mixed precision too.

    Args:
        num_speakers: N.
        similarity: `"dot"` or `"cosine"`.
        use_bias: Whether there is a b. Defaults to `True` for `"dot"` and with `softmax`; cosines
            alone have none.
        bases_initializer: Initializer of W.
        bases_regularizer: Regularizer of W, e.g. `keras.regularizers.L2(1e-4)` for weight decay.
        between_speaker: Optional `BetweenSpeakerVariation` on W, which the layer adds as a loss
            and shows as a metric, `between_speaker`.
        num_negatives: H of `HardNegativeMining`, if that is the loss.
        softmax: Optional Keras loss on the labels and the logits, beside cosines, which the layer
            adds and shows as a metric, `softmax`.
        bias_regularizer: Regularizer of b.
        **kwargs: Keras's own, `name`, `trainable`, `dtype` (float32 unless given).

    Call arguments:
        embeddings: e, of shape `(batch, dim)`.
        speakers: Labels, integers from 0 to N - 1, of shape `(batch,)` or `(batch, 1)`. Only
            needed, and only used, for mining, where a label of no speaker makes its cosines NaN,
            and for `softmax`, which is left out without them.

    Output shape:
        `(batch, num_speakers)`; if mined, `(batch, 1, 1 + num_negatives)`, the target first. It
        is the extra axis that tells the two apart: 1 + H may be N.

    Raises:
        ValueError: If an argument is none of the above; if `num_negatives` is larger than
            `num_speakers - 1`; if a bias or `num_negatives` is asked for without need.

    Example:

    >>> bases = SpeakerBases(num_speakers=1211, similarity="cosine", num_negatives=100)
    >>> embeddings = np.ones((8, 128), "float32")
    >>> ops.shape(bases(embeddings, np.arange(8)))
    (8, 1211)
    >>> ops.shape(bases.bases)
    (128, 1211)
    """

    # By benchmarks/losses.py: below, the plain form is faster; from here on mining takes less
    # memory and no more time, at 1,000,000 speakers a quarter of the time.
    mine_from = 100_000

    def __init__(
        self,
        num_speakers,
        similarity="dot",
        use_bias=None,
        bases_initializer="he_normal",
        bases_regularizer=None,
        between_speaker=None,
        num_negatives=None,
        softmax=None,
        bias_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_word("similarity", similarity, ("dot", "cosine"))
        if similarity == "cosine" and use_bias and softmax is None:
            raise invalid("use_bias", "None or False, as cosines have no bias", use_bias)
        if similarity == "dot" and softmax is not None:
            raise invalid("softmax", "None unless similarity='cosine'", softmax)
        self.num_speakers = check_count("num_speakers", num_speakers)
        self.similarity = similarity
        if use_bias is None:
            use_bias = similarity == "dot" or softmax is not None
        self.use_bias = check_bool("use_bias", use_bias)
        self.bases_initializer = keras.initializers.get(bases_initializer)
        self.bases_regularizer = keras.regularizers.get(bases_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.between_speaker = keras.regularizers.get(between_speaker)
        self.softmax = keras.losses.get(softmax)
        self.num_negatives = None
        if not isinstance(self.between_speaker, BetweenSpeakerVariation | None):
            raise invalid("between_speaker", "a BetweenSpeakerVariation", between_speaker)
        if num_negatives is not None:
            self.num_negatives = check_count("num_negatives", num_negatives)
            check_num_negatives(self.num_negatives, self.num_speakers)
            if similarity != "cosine":
                raise invalid("num_negatives", "None unless similarity='cosine'", num_negatives)

    def build(self, embeddings_shape, speakers_shape=None):
        self.bases = self.add_weight(
            name="bases",
            shape=(embeddings_shape[-1], self.num_speakers),
            initializer=self.bases_initializer,
            regularizer=self.bases_regularizer,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.num_speakers,),
                initializer="zeros",
                regularizer=self.bias_regularizer,
            )
        if self.between_speaker is not None:
            self.show_loss("between_speaker")
        if self.softmax is not None:
            self.show_loss("softmax")

    def call(self, embeddings, speakers=None):
        embeddings = ops.cast(embeddings, self.variable_dtype)
        bases = ops.convert_to_tensor(self.bases)
        if self.between_speaker is not None:
            self.record_loss("between_speaker", self.between_speaker(bases))
        if self.similarity == "dot":
            return self._logits(embeddings, bases)
        if self.softmax is not None and speakers is not None:
            logits = self._logits(embeddings, bases)
            self.record_loss("softmax", self.softmax(as_labels(speakers), logits))
        if self._mines(speakers):
            return self._mined_cosines(unit(embeddings), bases, as_labels(speakers))
        return product(unit(embeddings), bases) * inverse_norms(bases, axis=0)

    def _logits(self, embeddings, bases):
        logits = product(embeddings, bases)
        return logits + self.bias if self.use_bias else logits

    def _mines(self, speakers) -> bool:
        return (
            speakers is not None
            and self.num_negatives is not None
            and self.num_speakers >= self.mine_from
        )

    def _mined_cosines(self, embeddings, bases, speakers):
        """The cosines with the target and its hardest negatives, (batch, 1, 1 + H).

        The choice is made in the device's own precision (TF32 on GPUs: among cosines within 1e-3
        of each other it may err); the cosines and their gradient have float32's.
        """
        speakers, known = known_labels(speakers, self.num_speakers)
        fixed = ops.stop_gradient(bases)
        all_cosines = ops.matmul(ops.stop_gradient(embeddings), fixed) * inverse_norms(fixed, 0)
        negatives = hardest_negatives(all_cosines, speakers, self.num_negatives)
        columns = ops.concatenate([speakers[:, None], negatives], axis=1)
        chosen = unit(_columns(bases, columns), axis=0)  # (dim, batch, 1 + H)
        cosines = ops.sum(ops.transpose(embeddings)[:, :, None] * chosen, axis=0)
        return nan_unless(known, cosines[:, None, :])

    def compute_output_shape(self, embeddings_shape, speakers_shape=None):
        if self._mines(speakers_shape):
            return (embeddings_shape[0], 1, 1 + self.num_negatives)
        return (embeddings_shape[0], self.num_speakers)

    def get_config(self):
        return {
            **super().get_config(),
            "num_speakers": self.num_speakers,
            "similarity": self.similarity,
            "use_bias": self.use_bias,
            "bases_initializer": keras.initializers.serialize(self.bases_initializer),
            "bases_regularizer": keras.regularizers.serialize(self.bases_regularizer),
            "between_speaker": keras.regularizers.serialize(self.between_speaker),
            "num_negatives": self.num_negatives,
            "softmax": keras.losses.serialize(self.softmax) if self.softmax else None,
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }


def _columns(matrix, columns):
    """``ops.take(matrix, columns, axis=1)`` with a gradient that is not made transposed first."""
    rows, width = matrix.shape
    if rows * width >= 2**31:  # too many for int32
        return ops.take(matrix, columns, axis=1)
    starts = ops.reshape(width * ops.arange(rows, dtype="int32"), (rows, 1, 1))
    return ops.take(ops.reshape(matrix, (-1,)), starts + columns, axis=0)
