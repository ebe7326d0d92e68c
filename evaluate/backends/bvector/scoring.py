"""b-vector scores of trials, by the classifier that training left."""

import json
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from ....command_line import InputError
from ....files import content_digest
from ....models.saving import load_model
from ....run_dir import RunDir
from .network import SAME_SPEAKER

BLOCK = 4096
"""Trials that go through the classifier at a time."""


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
    # Every pair in one order: rounding then is the same for (a, b) and (b, a).
    low, high = np.minimum(enrol, test), np.maximum(enrol, test)
    scores = np.empty(len(enrol))
    with tqdm(total=len(enrol), desc="b-vector", unit="trial", disable=None) as progress:
        for start in range(0, len(enrol), BLOCK):
            pairs = slice(start, start + BLOCK)
            a, b = embeddings[low[pairs]], embeddings[high[pairs]]
            odds = [_log_odds(model, first, second) for first, second in ((a, b), (b, a))]
            scores[pairs] = np.mean(odds, axis=0)
            progress.update(len(a))
    if not np.isfinite(scores).all():
        raise InputError(f"{path}: gives scores that are not finite; train the back-end again")
    return scores


def _log_odds(model: keras.Model, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of "same speaker" against "different", (trials,) float64."""
    missing = BLOCK - len(first)  # the last block: padded, so that one shape is compiled
    first, second = (np.pad(rows, ((0, missing), (0, 0))) for rows in (first, second))
    logits = np.asarray(model.predict_on_batch([first, second]), np.float64)
    return (logits[:, SAME_SPEAKER] - logits[:, 1 - SAME_SPEAKER])[: BLOCK - missing]
