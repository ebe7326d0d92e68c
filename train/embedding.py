"""Embeddings of whole utterances by a network that is being trained."""

from collections.abc import Mapping

import numpy as np

from ..command_line import InputError
from ..kaldi_feats.batches import plan_batches, read_batch
from ..kaldi_feats.reader import FeatureReader
from ..models.utterance_embedder import UtteranceEmbedder
from ..run_dir import RunDir

BATCH_FRAMES = 20_000


def embed_utterances(
    embedder: UtteranceEmbedder, reader: FeatureReader, num_frames: Mapping[str, int], run: RunDir
) -> dict[str, np.ndarray]:
    """The embedding (dim,) of each utterance, by its name.

    Args:
        embedder: of the network as it now is.
        reader: the features.
        num_frames: of the utterances that are to be embedded.
        run: for messages.

    Raises:
        InputError: as `read_batch`, or an embedding is not finite.
    """
    embeddings = {}
    for plan in plan_batches(num_frames, BATCH_FRAMES):
        batch = read_batch(reader, plan, num_frames)
        rows = np.asarray(embedder.predict_on_batch([batch.features, batch.num_frames]))
        rows = rows[: len(batch.utterances)]  # the rest is padding
        if not np.isfinite(rows).all():
            raise InputError(
                f"{run.path}: embeddings of whole utterances are not finite; lower "
                "optimizer.learning_rate or look at the features"
            )
        embeddings.update(zip(batch.utterances, rows, strict=True))
    return embeddings
