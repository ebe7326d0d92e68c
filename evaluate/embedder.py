"""The network of a trained run."""

from ..command_line import InputError
from ..losses import SpeakerBases  # noqa: F401  must be registered when a saved model is loaded
from ..models.saving import in_float32, load_model
from ..models.utterance_embedder import UtteranceEmbedder
from ..run_dir import RunDir


def load_embedder(run: RunDir) -> UtteranceEmbedder:
    """Load ``embedder.keras``; it computes in float32, whatever it was trained in.

    Raises:
        InputError: if the system is not completely trained, or the file is not a model.
    """
    if not run.embedder.is_file():
        raise InputError(f"{run.embedder}: missing; finish the training first (stage 2)")
    return UtteranceEmbedder(in_float32(load_model(run.embedder)))
