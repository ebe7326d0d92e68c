"""The network behind a verifier: a run's own, by Keras, or an exported one, by ONNX Runtime."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..command_line import InputError
from .card import card_of, check_card

if TYPE_CHECKING:  # an exported model does without what a run needs
    from ..run_dir import RunDir

CARD = "speaker_bases"
"""The key of the model card in an ONNX file's metadata."""


BATCH_FRAMES = 20_000
"""Padded frames that go through a run's network at a time."""


class Model(Protocol):
    """A network that embeds.

    Attributes:
        card: its model card; see `card.card_of`.
    """

    card: dict

    def embed(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """The embeddings of utterances.

        Args:
            features: of each one, (frames, bands) float32.

        Returns:
            (utterances, dim) float32.
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

    run = RunDir(path)
    run.refuse_no_network()
    return content_digest(run.embedder)


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
        from ..kaldi_feats.batches import plan_batches

        self._plan_batches = plan_batches
        self._embedder = load_embedder(run)
        dim = int(self._embedder.backbone.output_shape[-1])
        self.card = card_of(run, dim, trial_list, backend, calibrated)

    def embed(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """See `Model`; utterances of like lengths go through the network together."""
        embeddings = np.empty((len(features), self.card["dim"]), np.float32)
        num_frames = {number: len(each) for number, each in enumerate(features)}
        for plan in self._plan_batches(num_frames, BATCH_FRAMES):
            padded = np.zeros((plan.rows, plan.frames, features[0].shape[1]), np.float32)
            lengths = np.ones(plan.rows, np.int32)
            for row, number in enumerate(plan.utterances):
                padded[row, : num_frames[number]] = features[number]
                lengths[row] = num_frames[number]
            rows = np.asarray(self._embedder.predict_on_batch([padded, lengths]))
            embeddings[plan.utterances] = rows[: len(plan.utterances)]
        return embeddings


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

    def embed(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """See `Model`; one utterance at a time, as an exported network knows no padding."""
        rows = [self._session.run(None, {self._input: each[None]})[0][0] for each in features]
        return np.stack(rows)
