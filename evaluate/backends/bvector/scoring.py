"""b-vector scores of trials, by the classifier that training left."""

import json
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from ....command_line import InputError
from ....files import content_digest
from ....models.activation import LEAKY_RELU_SLOPE
from ....models.saving import load_model
from ....progress import progress
from ....run_dir import RunDir
from .network import SAME_SPEAKER

BLOCK = 4096
"""Trials, or utterances, that are worked on at a time."""


def load_bvector(run: RunDir) -> keras.Model:
    """Load ``bvector.keras``.

    Raises:
        InputError: if it is not there, not complete, or was trained on another network's
            embeddings.
    """
    if not run.bvector.is_file() or not run.bvector_done.is_file():
        raise InputError(f"{run.bvector}: no complete b-vector back-end; run stage 4 again")
    trained_on = json.loads(run.bvector_done.read_text(encoding="utf-8"))["embedder"]
    if run.embedder.is_file() and trained_on != content_digest(run.embedder):
        raise InputError(
            f"{run.bvector}: was trained on an earlier network; run stages 3 and 4 again"
        )
    return load_model(run.bvector)


def bvector_scores(
    model: keras.Model, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray, path: Path
) -> np.ndarray:
    """Score every trial: the logit of "same speaker" minus that of "different", both orders' mean.

    The first layer, most of the work, is linear in the sum and the difference of two embeddings:
    W_1 (a + b) + W_2 (a - b) + W_3 (a * b) = (W_1 + W_2) a + (W_1 - W_2) b + W_3 (a * b). So its
    first two parts are computed once an utterance, and the third once for both orders. For 37,720
    trials of 1024 dimensions that takes 0.7 of the time of `predict_on_batch` in both orders on
    TensorFlow, and half of it on JAX (2 cores).

    Args:
        model: the classifier.
        embeddings: (utterances, dim) float32.
        enrol: (trials,) int, the row of each trial's first utterance.
        test: (trials,) int, the row of the second.
        path: the classifier's file, for messages.

    Returns:
        (trials,) float64; the same for (a, b) as for (b, a).

    Raises:
        InputError: if the embeddings are not of the length it was trained on, or a score comes
            out infinite or NaN.
    """
    dim = model.inputs[0].shape[-1]
    if embeddings.shape[1] != dim:
        raise InputError(
            f"{path}: was trained on embeddings of {dim} numbers, and these have "
            f"{embeddings.shape[1]}; train the back-end again"
        )
    normalise, (kernel, bias), rest = _weights(model)
    w_sum, w_difference, w_product = np.split(kernel, 3)
    as_first, as_second = (np.empty((len(embeddings), len(bias)), np.float32) for _ in range(2))
    for rows in _blocks(len(embeddings)):
        vectors = normalise(embeddings[rows])
        np.matmul(vectors, w_sum + w_difference, out=as_first[rows])
        np.matmul(vectors, w_sum - w_difference, out=as_second[rows])
    # Every pair in one order: rounding then is the same for (a, b) and (b, a).
    low, high = np.minimum(enrol, test), np.maximum(enrol, test)
    scores = np.empty(len(enrol))
    with progress(total=len(enrol), desc="b-vector", unit="trial") as bar:
        for rows in _blocks(len(enrol)):
            a, b = low[rows], high[rows]
            product = normalise(embeddings[a]) * normalise(embeddings[b]) @ w_product + bias
            odds = _log_odds(as_first[a] + as_second[b] + product, rest)
            odds += _log_odds(as_first[b] + as_second[a] + product, rest)
            scores[rows] = odds / 2
            bar.update(len(a))
    if not np.isfinite(scores).all():
        raise InputError(f"{path}: gives scores that are not finite; train the back-end again")
    return scores


def _weights(model: keras.Model):
    """The normalisation, kernel and bias of the first layer, and those of the layers after it."""
    norm = model.get_layer("norm")
    mean = np.asarray(norm.mean, np.float32)
    scale = 1 / np.sqrt(np.asarray(norm.variance, np.float32))
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    first, *rest = [[np.asarray(weight) for weight in layer.get_weights()] for layer in layers]

    def normalise(vectors: np.ndarray) -> np.ndarray:
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.maximum(lengths, 1e-12) - mean) * scale

    return normalise, first, rest


def _log_odds(x: np.ndarray, layers: list) -> np.ndarray:
    """From the first layer's outputs (trials, units) to (trials,) float64."""
    for kernel, bias in layers:
        x = np.where(x > 0, x, LEAKY_RELU_SLOPE * x) @ kernel + bias
    return np.subtract(x[:, SAME_SPEAKER], x[:, 1 - SAME_SPEAKER], dtype=np.float64)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))
