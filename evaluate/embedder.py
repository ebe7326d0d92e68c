"""A trained system's network, made ready for whole utterances of different lengths."""

import keras
from keras import ops

from ..command_line import InputError
from ..losses import SpeakerBases  # noqa: F401  must be registered when a saved model is loaded
from ..models.saving import in_float32, load_model
from ..run_dir import RunDir


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


def load_embedder(run: RunDir) -> UtteranceEmbedder:
    """Load ``embedder.keras``; it computes in float32, whatever it was trained in.

    Raises:
        InputError: if the system is not completely trained, or the file is not a model.
    """
    if not run.embedder.is_file():
        raise InputError(f"{run.embedder}: missing; finish the training first (stage 2)")
    return UtteranceEmbedder(in_float32(load_model(run.embedder)))
