"""W, the speaker bases: the weight matrix of the output layer."""

import keras
from keras import ops

from ._added_loss import AddedLoss
from ._ops import as_labels, hardest_negatives, inverse_norms, product, unit


@keras.saving.register_keras_serializable(package="speaker_bases")
class SpeakerBases(keras.layers.Layer):
    """The output layer, whose weight's columns are one basis vector for each speaker."""

    gather_from = 30_000

    def __init__(
        self,
        num_speakers,
        similarity="dot",
        use_bias=None,
        bases_initializer="he_normal",
        bases_regularizer=None,
        between_speaker=None,
        num_negatives=None,
        **kwargs,
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        self.num_speakers = num_speakers
        self.similarity = similarity
        self.use_bias = similarity == "dot" if use_bias is None else use_bias
        self.bases_initializer = keras.initializers.get(bases_initializer)
        self.bases_regularizer = keras.regularizers.get(bases_regularizer)
        self.between_speaker = keras.regularizers.get(between_speaker)
        self.num_negatives = num_negatives

    def build(self, embeddings_shape, speakers_shape=None):
        self.bases = self.add_weight(
            name="bases",
            shape=(embeddings_shape[-1], self.num_speakers),
            initializer=self.bases_initializer,
            regularizer=self.bases_regularizer,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.num_speakers,), initializer="zeros"
            )
        if self.between_speaker is not None:
            self.added_loss = AddedLoss("between_speaker", self)

    def call(self, embeddings, speakers=None):
        embeddings = ops.cast(embeddings, self.variable_dtype)
        if self.between_speaker is not None:
            loss = self.between_speaker(self.bases)
            self.add_loss(loss)
            self.added_loss.update_state(loss)
        if self.similarity == "dot":
            logits = product(embeddings, self.bases)
            return logits + self.bias if self.use_bias else logits
        if speakers is not None and self.mines:
            return self._mined_cosines(unit(embeddings), as_labels(speakers))
        return product(unit(embeddings), self.bases) * inverse_norms(self.bases, axis=0)

    @property
    def mines(self):
        return self.num_negatives is not None and self.num_speakers >= self.gather_from

    def _mined_cosines(self, embeddings, speakers):
        bases = ops.stop_gradient(ops.convert_to_tensor(self.bases))
        cosines = product(ops.stop_gradient(embeddings), bases) * inverse_norms(bases, axis=0)
        negatives = hardest_negatives(cosines, speakers, self.num_negatives)
        columns = ops.concatenate([speakers[:, None], negatives], axis=1)
        chosen = unit(ops.take(self.bases, columns, axis=1), axis=0)
        return ops.expand_dims(ops.einsum("md,dmh->mh", embeddings, chosen), 1)

    def compute_output_shape(self, embeddings_shape, speakers_shape=None):
        if speakers_shape is not None and self.mines:
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
        }
