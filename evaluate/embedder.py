"""The network of a trained run."""

from ..losses import SpeakerBases  # noqa: F401  must be registered when a saved model is loaded
from ..models.saving import in_float32, load_model
from ..models.utterance_embedder import UtteranceEmbedder
from ..run_dir import RunDir


def load_embedder(run: RunDir) -> UtteranceEmbedder:
    """Load ``embedder.keras``; it computes in float32, whatever it was trained in.

    Raises:
        InputError: if the system is not completely trained, or the file is not a model.
    """
    run.refuse_no_network()
    return UtteranceEmbedder(in_float32(load_model(run.embedder)))
