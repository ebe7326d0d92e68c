"""The network behind a verifier: a run's own, by Keras, or an exported one, by ONNX Runtime."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..command_line import InputError
from .card import card_of, check_card

if TYPE_CHECKING:  # an exported model does without what a run needs
    from ..run_dir import RunDir

CARD = "speaker_bases"
"""The key of the model card in an ONNX file's metadata."""


class Model(Protocol):
    """A network that embeds.

    Attributes:
        card: its model card; see `card.card_of`.
    """

    card: dict

    def embed(self, features: np.ndarray) -> np.ndarray:
        """The embedding of one utterance.

        Args:
            features: (frames, bands) float32.

        Returns:
            (dim,) float32.
        """


def load(
    path: str | os.PathLike,
    trial_list: str | None = None,
    backend: str | None = None,
    calibrated: bool = True,
) -> Model:
    """Load a run's folder, or an exported ``.onnx`` file.

    Args:
        path: the folder or file.
        trial_list: of a run, the list whose calibration is taken; see `card_of`.
        backend: of a run, what compares its embeddings; see `card_of`.
        calibrated: of a run, whether a calibration is looked for.

    Raises:
        InputError: it is neither, or not complete, or damaged; or a list or back-end is named for
            an exported model, which has its own.
    """
    path = Path(path)
    if path.is_dir():
        from ..run_dir import RunDir

        return KerasModel(RunDir(path), trial_list, backend, calibrated)
    if path.suffix != ".onnx":
        raise InputError(f"{path}: neither a run's folder nor an .onnx file")
    if trial_list or backend:
        raise InputError(
            f"{path}: an exported model has one back-end and one list's calibration inside; name "
            "them when it is exported"
        )
    return OnnxModel(path)


def fingerprint(path: str | os.PathLike) -> str:
    """Of a run's network or an exported one, without loading Keras.

    Raises:
        InputError: as `load`.
    """
    path = Path(path)
    if not path.is_dir():
        return load(path).card["fingerprint"]
    from ..files import content_digest
    from ..run_dir import RunDir

    embedder = RunDir(path).embedder
    if not embedder.is_file():
        raise InputError(f"{embedder}: missing; finish the training first (stage 2)")
    return content_digest(embedder)


class KerasModel:
    """The network of a trained run; see `Model`."""

    def __init__(
        self,
        run: "RunDir",
        trial_list: str | None = None,
        backend: str | None = None,
        calibrated: bool = True,
    ):
        from ..backend import check_backend, load_keras

        check_backend()
        load_keras()
        from ..evaluate.embedder import load_embedder
        from ..kaldi_feats.batches import padded_length

        self._embedder = load_embedder(run)
        self._padded_length = padded_length
        dim = int(self._embedder.backbone.output_shape[-1])
        self.card = card_of(run, dim, trial_list, backend, calibrated)

    def embed(self, features: np.ndarray) -> np.ndarray:
        frames = len(features)
        padded = np.zeros((1, self._padded_length(frames), features.shape[1]), np.float32)
        padded[0, :frames] = features
        lengths = np.array([frames], np.int32)
        return np.asarray(self._embedder.predict_on_batch([padded, lengths]))[0]


class OnnxModel:
    """An exported network; see `Model`. Needs onnxruntime, and neither Keras nor TensorFlow."""

    def __init__(self, path: Path):
        try:
            import onnxruntime
        except ImportError:
            raise InputError(f"{path}: needs ONNX Runtime; pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            if not path.is_file():
                raise InputError(f"{path}: no such file")
            self._session = onnxruntime.InferenceSession(
                os.fspath(path), options, providers=["CPUExecutionProvider"]
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
            card = json.loads(metadata.get(CARD, "null"))
        except InputError:
            raise
        except Exception as error:  # ONNX Runtime has its own for each way of being damaged
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"{path}: cannot be loaded: {reason}") from error
        self.card = check_card(card, path)
        self._input = self._session.get_inputs()[0].name

    def embed(self, features: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input: features[None].astype(np.float32)})[0][0]
