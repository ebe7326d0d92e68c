"""b-vector scoring, the back-end of the paper's Table 4."""

import json
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from ..kaldi_feats.files import InputError, digest
from ..models.bvector import SAME_SPEAKER
from ..models.experiment import ExperimentDir
from .embedder import load_model

BATCH = 4096
"""Trials that go through the classifier at a time."""


def load_bvector(system: ExperimentDir) -> keras.Model:
    """Load ``bvector.keras``.

    Raises:
        InputError: if it is not there, not complete, or was trained on another network's
            embeddings.
    """
    remedy = "train it with python -m speaker_bases.train.bvector"
    if not system.bvector.is_file() or not system.bvector_done.is_file():
        raise InputError(f"{system.bvector}: no complete b-vector back-end; {remedy}")
    trained_on = json.loads(system.bvector_done.read_text(encoding="utf-8"))["embedder"]
    if system.embedder.is_file() and trained_on != digest(system.embedder):
        raise InputError(f"{system.bvector}: was trained on an earlier network; {remedy} again")
    return load_model(system.bvector)


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
    scores = np.empty(len(enrol))
    # Each pair once, in one order: then two trials of a pair get the very same score.
    low, high = np.minimum(enrol, test), np.maximum(enrol, test)
    with tqdm(total=len(enrol), desc="b-vector", unit="trial", disable=None) as progress:
        for start in range(0, len(enrol), BATCH):
            rows = slice(start, start + BATCH)
            count = len(low[rows])
            # The last batch is filled up: another length would be compiled anew.
            first = embeddings[np.resize(low[rows], BATCH)]
            second = embeddings[np.resize(high[rows], BATCH)]
            logits = sum(
                np.asarray(model.predict_on_batch(pair), np.float64)[:count]
                for pair in ([first, second], [second, first])
            )
            scores[rows] = (logits[:, SAME_SPEAKER] - logits[:, 1 - SAME_SPEAKER]) / 2
            progress.update(count)
    if not np.isfinite(scores).all():
        raise InputError(f"{path}: gives scores that are not finite; train the back-end again")
    return scores
