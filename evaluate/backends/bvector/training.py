"""Train the b-vector back-end of a system on pairs of its training set's embeddings.

Speakers with several utterances give whole utterances, paired across utterances. A speaker with
a single one has no such pair: its only target pairs are of the utterance with itself, which the
classifier would tell by a difference of zero. So in place of the utterance stand the embeddings
of crops of it, evenly spaced and as long as the training's. They share the session and partly
overlap in a short utterance, so that such pairs are easier than those of a test.
"""

import logging
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ....backend import load_keras
from ....command_line import InputError
from ....kaldi_feats.reader import FeatureReader
from ....lock import locked
from ....progress import fit_progress
from ....run_dir import RunDir
from ....stamp import Stamp
from ...training_set import TrainingSet, read_training_set, training_inputs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How the back-end is trained; the paper has the sizes of its layers only.

    Attributes:
        epochs: times that each utterance is the first of a target pair.
        batch_size: pairs, half of them target pairs.
        learning_rate: Adam's.
        crops: of the utterance of a speaker who has only one.
        seed: of the weights, the dropout and the pairs.
        pairs_by: "utterances" or "speakers"; see `PairDraws`.
        embedding_dropout: see `bvector`; 0.2 in the authors' code, without `input_dropout`.
        input_dropout: see `bvector`.
    """

    epochs: int = 20
    batch_size: int = 200
    learning_rate: float = 1e-3
    crops: int = 8
    seed: int = 0
    pairs_by: str = "utterances"
    embedding_dropout: float = 0.0
    input_dropout: float = 0.2

    def __post_init__(self):
        if self.pairs_by not in ("utterances", "speakers"):
            raise InputError(f"pairs_by is utterances or speakers, not {self.pairs_by!r}")
        for name in ("embedding_dropout", "input_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is a share from 0 to below 1, not {getattr(self, name)}")


def train_bvector(run: RunDir, data_dir: Path, settings: Settings) -> Path:
    """Train the b-vector classifier unless it is there; returns its file.

    Args:
        run: a run with the embeddings of `data_dir` (stage 3).
        data_dir: the data directory of its training set; its features and the run's network are
            needed only if a speaker has a single utterance.
        settings: see there.

    Raises:
        InputError: as `read_training_set`; crops are needed, and the network or the features are
            missing; or there are no pairs to train on.
    """
    inputs = asdict(settings) | training_inputs(run, data_dir)
    stamp = Stamp(run.bvector_done, inputs, [run.bvector])
    if stamp.is_current():
        log.info("%s: already complete", run.bvector)
        return run.bvector
    found = read_training_set(run, data_dir)
    embeddings, labels = _crops_for_single_utterances(run, data_dir, found, settings.crops)
    with locked(run.lock, f"training the b-vector of {run.path}"), stamp.renew():
        _fit(run, embeddings, labels, settings)
    log.info("%s is complete", run.bvector)
    return run.bvector


def _crops_for_single_utterances(
    run: RunDir, data_dir: Path, found: TrainingSet, crops: int
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and labels with crops in place of utterances that are their speaker's only one."""
    embeddings, labels = found.embeddings, found.labels
    single = np.bincount(labels)[labels] == 1
    if not single.any():
        return embeddings, labels
    log.warning(
        "%d of %d speakers have a single utterance: their target pairs are of %d crops of it, "
        "which share its session and are easier than those of a test",
        single.sum(),
        len(np.unique(labels)),
        crops,
    )
    load_keras()
    from .crop_embeddings import embed_crops

    reader = FeatureReader(data_dir / "feats.scp")
    rows = np.flatnonzero(single)
    cropped = embed_crops(run, reader, [found.utterances[row] for row in rows], crops)
    return (
        np.concatenate([embeddings[~single], cropped]),
        np.concatenate([labels[~single], np.repeat(labels[rows], crops)]),
    )


def _fit(run: RunDir, embeddings: np.ndarray, labels: np.ndarray, settings: Settings) -> None:
    load_keras()  # takes seconds: not before the inputs are known to be good
    import keras

    from .pairs import PairDraws, PairStream

    draws = PairDraws(labels, settings.batch_size, settings.seed, settings.pairs_by)

    from ....models.saving import save_model
    from .network import bvector

    keras.utils.set_random_seed(settings.seed)
    model = bvector(
        *_statistics(embeddings),
        embedding_dropout=settings.embedding_dropout,
        input_dropout=settings.input_dropout,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    log.info(
        "b-vector of %s: %d embeddings of %d speakers, %d epochs of %d batches",
        run.path,
        len(labels),
        len(np.unique(labels)),
        settings.epochs,
        draws.steps_per_epoch,
    )
    history = model.fit(
        PairStream(embeddings, draws),
        epochs=settings.epochs,
        steps_per_epoch=draws.steps_per_epoch,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[
            keras.callbacks.CSVLogger(run.bvector_log),
            *fit_progress(settings.epochs, draws.steps_per_epoch),
        ],
    )
    if not np.isfinite(history.history["loss"]).all():
        raise InputError(
            f"{run.bvector_log}: the loss is not finite; lower --set learning_rate= and look "
            "at the embeddings"
        )
    save_model(model, run.bvector)


def _statistics(embeddings: np.ndarray, block: int = 16_384) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (dim,) float64 at unit length, a block of rows at a time.

    A constant has variance 1.
    """
    count = len(embeddings)

    def blocks():
        for start in range(0, count, block):
            rows = embeddings[start : start + block].astype(np.float64)
            yield rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    mean = sum(rows.sum(axis=0) for rows in blocks()) / count
    variance = sum(((rows - mean) ** 2).sum(axis=0) for rows in blocks()) / count
    return mean, np.where(variance > 1e-12, variance, 1.0)
