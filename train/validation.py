"""The choice of the epoch: equal error rates on training speakers that are held out."""

import logging
from typing import Any

import keras
import numpy as np

from ..command_line import InputError
from ..error_rates import eer
from ..models.utterance_embedder import UtteranceEmbedder
from ..run_dir import RunDir
from .checkpoints import KEEP, checkpoint_at, load_checkpoint, save_checkpoint
from .data import TrainingData
from .embedding import embed_utterances
from .logs import TrainingLog

log = logging.getLogger(__name__)

EER = "validation_eer_percent"


class Validation(keras.callbacks.Callback):
    """Measures the EER on held-out speakers, logs it and keeps the best epoch's values.

    Put it before the `TrainingLog`, whose lines say what was best up to where a training goes on.

    Args:
        held_out: the held-out speakers' utterances, which go through the network whole.
        config: its `validation`: `every` so many epochs, and at the last, on all `pairs` or a draw
            of so many at most.
        run: the run.
        log_file: the callback that logs.
        seed: the pairs follow from it.
    """

    def __init__(
        self,
        held_out: TrainingData,
        config: dict[str, Any],
        run: RunDir,
        log_file: TrainingLog,
        seed: int,
    ):
        super().__init__()
        settings = config["validation"]
        self.every, self.epochs = settings.get("every", 1), config["epochs"]
        self.run, self.log_file = run, log_file
        self.reader = held_out.reader
        self.pairs = draw_pairs(np.array(held_out.labels), settings.get("pairs", 20_000), seed)
        used = np.unique(self.pairs[:, :2])
        self.num_frames = {held_out.utterances[k]: held_out.num_frames[k] for k in used}
        self.utterance = {row: held_out.utterances[row] for row in used}
        self.embedder = None

    def on_epoch_end(self, epoch, logs=None):
        checkpoints = self.log_file.checkpoints
        step = (epoch + 1) * checkpoints.steps_per_epoch
        if checkpoints.step != step or checkpoints.diverged:  # cut short
            return
        if (epoch + 1) % self.every and epoch + 1 != self.epochs:
            return
        # As it is logged, so that a training that goes on compares the same numbers.
        percent = float(f"{100 * self.measure():.6g}")
        best = self.best()
        if best is None or percent < best[0]:
            # One more than checkpoints: this epoch may be trained again from the one before.
            save_checkpoint(self.run.best, self.model, step, keep=KEEP + 1)
        logs[EER] = percent

    def measure(self) -> float:
        """The EER of the cosines of the pairs as the model now is, as a fraction."""
        if self.embedder is None:
            self.embedder = UtteranceEmbedder(self.model.get_layer("backbone"))
        rows = embed_utterances(self.embedder, self.reader, self.num_frames, self.run)
        units = {name: row / max(np.linalg.norm(row), 1e-12) for name, row in rows.items()}
        scores = [units[self.utterance[a]] @ units[self.utterance[b]] for a, b, _ in self.pairs]
        return eer(scores, self.pairs[:, 2])

    def best(self) -> tuple[float, int] | None:
        """The lowest EER that is logged and the step of it, the first of equals."""
        measured = [row for row in self.log_file.rows if row.get(EER)]
        return min(((float(row[EER]), int(row["step"])) for row in measured), default=None)

    def load_best(self, model: keras.Model) -> None:
        """Put the best epoch's values into a model.

        Raises:
            InputError: if no epoch was measured, or its values are no longer there.
        """
        best = self.best()
        if best is None:
            raise InputError(f"{self.run.log}: tells of no {EER}; train into an empty folder")
        percent, step = best
        load_checkpoint(checkpoint_at(self.run.best, step), model)
        epoch = step // self.log_file.checkpoints.steps_per_epoch
        log.info("%s: epoch %d is the best, %s = %s", self.run.path, epoch, EER, percent)


def draw_pairs(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Pairs of rows: `(pairs, 3)`, the two rows and 1 for one speaker, 0 for two.

    All of them if they are no more than `most`; else a seeded draw, of one speaker as many as
    there are or half of `most`, the others of two.
    """
    rng = np.random.default_rng([seed, 0, 3])
    first, second = np.triu_indices(len(labels), k=1)
    same = labels[first] == labels[second]
    chosen = np.arange(len(same))
    if len(chosen) > most:
        targets, others = np.flatnonzero(same), np.flatnonzero(~same)
        own = min(len(targets), most // 2)
        chosen = np.concatenate(
            [
                rng.choice(targets, own, replace=False),
                rng.choice(others, min(len(others), most - own), replace=False),
            ]
        )
    return np.stack([first, second, same], axis=1)[np.sort(chosen)]
