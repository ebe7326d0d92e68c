"""A network, made ready for whole utterances of different lengths."""

import keras
from keras import ops


class UtteranceEmbedder(keras.Model):
    """Embeddings of padded utterances, each what it would be alone.

    Args:
        backbone: a model from (batch, frames, bins) to (batch, dim) that honours a Keras mask
            (batch, frames).

    Call arguments:
        inputs: a pair of features (batch, frames, bins) float32, padded at the end, and numbers
            of frames (batch,) int32.

    Output shape:
        `(batch, dim)`
    """

    def __init__(self, backbone: keras.Model, **kwargs):
        super().__init__(**kwargs)
        self.backbone = backbone

    def call(self, inputs):
        features, num_frames = inputs
        mask = ops.arange(ops.shape(features)[1], dtype="int32") < num_frames[:, None]
        return self.backbone(features, mask=mask)
