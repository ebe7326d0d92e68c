"""A trained network in one file, for where Keras and TensorFlow are not wanted."""

import json
import logging
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np

from ..command_line import InputError
from ..evaluate.embedder import load_embedder
from ..files import atomic_write
from ..kaldi_feats.reader import FeatureReader
from ..run_dir import RunDir
from .card import card_of
from .models import CARD

FORMATS = {"onnx": "onnx", "saved_model": "tf_saved_model", "litert": "litert"}
"""What they are called here, and by Keras."""

TOLERANCE = 1e-4
"""The largest difference of a cosine's embedding (at unit length) that is taken for parity."""

LENGTHS = (37, 64, 93, 150, 311)
"""Frames of the noise that is compared where no utterances are given."""

log = logging.getLogger(__name__)


def export(
    run: RunDir,
    path: str | os.PathLike,
    file_format: str = "onnx",
    trial_list: str | None = None,
    data_dir: Path | None = None,
    backend: str | None = None,
) -> dict[int, float]:
    """Write a run's network, and compare what it computes with the run's own.

    The card (settings of the features, calibration, where it comes from) goes into an ONNX file's
    metadata, and beside the others as ``card.json``.

    Args:
        run: a trained run.
        path: the file, or the folder of a SavedModel.
        file_format: one of `FORMATS`.
        trial_list: whose calibration goes along; see `card_of`.
        data_dir: a data directory with features, some of whose utterances are compared; noise of
            several lengths if None.
        backend: what compares the embeddings; see `card_of`.

    Returns:
        The largest difference between the two embeddings at unit length, by number of frames.

    Raises:
        InputError: the run is not complete, a package is missing, the path is taken by something
            else, or the embeddings differ by more than `TOLERANCE`.
    """
    path = Path(path)
    network = load_embedder(run).backbone
    network(np.zeros((1, 32, network.input_shape[-1]), np.float32))  # exporters need a first call
    card = card_of(run, int(network.output_shape[-1]), trial_list, backend)
    samples = _utterances(data_dir) if data_dir else _noise(network.input_shape[-1])
    with tempfile.TemporaryDirectory(dir=_folder(path), prefix=".export.") as folder:
        made = Path(folder) / path.name
        _write(network, made, file_format, card)
        compute = _runner(made, file_format)
        differences = {}
        for features in samples:
            ours = np.asarray(network(features[None]))[0]
            differences[len(features)] = float(np.abs(_unit(ours) - _unit(compute(features))).max())
        worst = max(differences.values())
        if not worst <= TOLERANCE:
            raise InputError(
                f"{path}: the exported network's embeddings differ by {worst:.1e}, more than "
                f"{TOLERANCE:g}; it is not written"
            )
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(made, path)
    if file_format == "litert":
        _write_card(card, path.with_name(f"{path.name}.card.json"))
    return differences


def _folder(path: Path) -> Path:
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if path.is_dir() and not (path / "card.json").is_file():
        raise InputError(f"{path}: a folder that was not exported here; choose another name")
    return folder


def _write_card(card: dict, path: Path) -> None:
    with atomic_write(path) as file:
        json.dump(card, file, indent=1)


def _write(network: keras.Model, path: Path, file_format: str, card: dict) -> None:
    bands = network.input_shape[-1]
    batch = None if file_format == "saved_model" else 1
    signature = [keras.InputSpec(shape=(batch, None, bands), dtype="float32", name="features")]
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    try:
        if file_format == "onnx":
            import onnx
        with warnings.catch_warnings(action="ignore"):  # of NumPy's, to Keras
            network.export(
                os.fspath(path),
                format=FORMATS[file_format],
                input_signature=signature,
                verbose=False,
            )
    except ImportError as error:
        raise InputError(f"{path}: {error}; pip install 'speaker-bases[export]'") from None
    if file_format == "onnx":
        model = onnx.load(path)
        onnx.helper.set_model_props(model, {CARD: json.dumps(card)})
        onnx.save(model, path)
    if file_format == "saved_model":
        _write_card(card, path / "card.json")


def _runner(path: Path, file_format: str):
    """What computes (dim,) from (frames, bands) with the exported network alone."""
    if file_format == "onnx":
        from .models import OnnxModel

        embed = OnnxModel(path).embed
        return lambda features: embed([features])[0]
    if file_format == "saved_model":
        import tensorflow as tf

        loaded = tf.saved_model.load(os.fspath(path))
        return lambda features: loaded.serve(features[None]).numpy()[0]
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(os.fspath(path))

    def compute(features):
        entry = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(entry, (1, *features.shape))
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry, features[None])
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]

    return compute


def _noise(bands: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(size=(n, bands)).astype(np.float32) for n in LENGTHS]


def _utterances(data_dir: Path, most: int = 10) -> list[np.ndarray]:
    """Utterances of a data directory, from the shortest to the longest."""
    reader = FeatureReader(data_dir / "feats.scp")
    some = [reader[name] for name in reader.utterances[:: max(1, len(reader) // 200)]]
    some.sort(key=len)
    return [some[at] for at in sorted({round(i) for i in np.linspace(0, len(some) - 1, most)})]


def _unit(vector: np.ndarray) -> np.ndarray:
    vector = vector.astype(np.float64)
    return vector / np.linalg.norm(vector)
