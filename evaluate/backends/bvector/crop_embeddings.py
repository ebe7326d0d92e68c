"""Embeddings of crops of utterances, by a trained system."""

from collections.abc import Sequence

import numpy as np

from ....command_line import InputError
from ....kaldi_feats.reader import FeatureReader, repeated
from ....run_dir import RunDir
from ...embedder import load_embedder


def embed_crops(
    run: RunDir, reader: FeatureReader, utterances: Sequence[str], crops: int
) -> np.ndarray:
    """Embed evenly spaced crops of each utterance, as long as the system's training crops.

    An utterance shorter than a crop is repeated until it is long enough, as in training; its
    crops are then one and the same or nearly so.

    Args:
        run: a trained run.
        reader: the utterances' features.
        utterances: ids.
        crops: how many of each.

    Returns:
        float32 `(utterances * crops, dim)`, utterance by utterance.

    Raises:
        InputError: if an utterance has no features, or the run no configuration or no
            network that can be loaded.
    """
    config = run.read_config()
    backbone = load_embedder(run).backbone
    rows = []
    for utterance in utterances:
        if utterance not in reader:
            raise InputError(f"{reader.scp}: {utterance} is missing; make the features (stage 1)")
        batch = evenly_spaced(reader[utterance], config["crop_frames"], crops)
        rows.append(np.asarray(backbone.predict_on_batch(batch)))
    return np.concatenate(rows)


def evenly_spaced(features: np.ndarray, frames: int, crops: int) -> np.ndarray:
    """Crops `(crops, frames, bands)` from the first to the last possible beginning."""
    features = repeated(features, frames)
    begins = np.linspace(0, len(features) - frames, crops).round().astype(int)
    return np.stack([features[begin : begin + frames] for begin in begins])
