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
from ....files import content_digest
from ....kaldi_feats.data_dir import read_table
from ....kaldi_feats.reader import FeatureReader, read_vectors
from ....lock import locked
from ....progress import fit_progress
from ....run_dir import RunDir
from ....stamp import Stamp

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
        system: a trained system with the embeddings of `data_dir` (stage 3).
        data_dir: the data directory of its training set; its features are needed only if a
            speaker has a single utterance.
        settings: see there.

    Raises:
        InputError: if the system, the embeddings or the data directory are not complete, speakers
            are not the system's training speakers, or there are no pairs to train on.
    """
    embeddings_scp = run.embeddings(data_dir.resolve().name)
    for needed, stage in ((run.embedder, 2), (embeddings_scp, 3)):
        if not needed.is_file():
            raise InputError(f"{needed}: missing; run stage {stage} first")
    files = {
        "embedder": run.embedder,
        "embeddings": embeddings_scp.with_suffix(".ark"),
        "utt2spk": data_dir / "utt2spk",
    }
    inputs = asdict(settings) | {name: content_digest(path) for name, path in files.items()}
    inputs["unit_length"] = True  # a back-end made before that is trained again
    stamp = Stamp(run.bvector_done, inputs, [run.bvector])
    if stamp.is_current():
        log.info("%s: already complete", run.bvector)
        return run.bvector
    utterances, embeddings = read_vectors(embeddings_scp)
    rows, labels = _labels(utterances, data_dir, run, embeddings_scp)
    utterances, embeddings = [utterances[row] for row in rows], embeddings[rows]
    embeddings, labels = _crops_for_single_utterances(
        run, data_dir, utterances, embeddings, labels, settings.crops
    )
    with locked(run.lock, f"training the b-vector of {run.path}"), stamp.renew():
        _fit(run, embeddings, labels, settings)
    log.info("%s is complete", run.bvector)
    return run.bvector


def _labels(
    utterances: list[str], data_dir: Path, run: RunDir, scp: Path
) -> tuple[list[int], np.ndarray]:
    """The rows that were trained on, and the number of each one's speaker."""
    names = run.speakers.read_text(encoding="utf-8").split()
    number = {speaker: index for index, speaker in enumerate(names)}
    utt2spk = read_table(data_dir / "utt2spk")
    held_out, rows = run.read_held_out(), []
    for line, utterance in enumerate(utterances, start=1):
        if utt2spk.get(utterance) in held_out:
            continue
        if utt2spk.get(utterance) not in number:
            raise InputError(
                f"{scp}:{line}: {utterance} is of none of the speakers that {run.path} was "
                f"trained on; {data_dir} must be its training set"
            )
        rows.append(line - 1)
    return rows, np.array([number[utt2spk[utterances[row]]] for row in rows])


def _crops_for_single_utterances(
    run: RunDir,
    data_dir: Path,
    utterances: list[str],
    embeddings: np.ndarray,
    labels: np.ndarray,
    crops: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and labels with crops in place of utterances that are their speaker's only one."""
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
    cropped = embed_crops(run, reader, [utterances[row] for row in rows], crops)
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
