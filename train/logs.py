"""The training's log: one CSV line an epoch, and the same for TensorBoard."""

import csv
import logging
import os
import time
from pathlib import Path

import keras
from tensorboardX import SummaryWriter

from ..command_line import InputError
from ..files import atomic_write
from ..run_dir import read_log
from .checkpoints import Checkpoints

log = logging.getLogger(__name__)


class TrainingLog(keras.callbacks.Callback):
    """Writes `log.csv` and TensorBoard events; a resumed training goes on in the same ones.

    A CSV line holds the epoch (from 1), the step at its end, the seconds that training took up
    to there (of all runs together, but for the part of an epoch that an interruption cut), and
    every loss and metric. The file is rewritten at each epoch's end, so that lines never double.

    Args:
        path: of the CSV file.
        tensorboard: folder for the event files; needs no TensorFlow.
        checkpoints: the callback that counts the steps. Lines and events after the step that it
            begins at are dropped.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        tensorboard: str | os.PathLike,
        checkpoints: Checkpoints,
    ):
        super().__init__()
        self.path = Path(path)
        self.tensorboard = tensorboard
        self.checkpoints = checkpoints
        self.rows = [row for row in _read(self.path) if int(row["step"]) <= checkpoints.step]
        self._seconds = float(self.rows[-1]["seconds"]) if self.rows else 0.0

    def on_train_begin(self, logs=None):
        self._since = time.monotonic()
        self._events = SummaryWriter(str(self.tensorboard), purge_step=self.checkpoints.step + 1)

    def on_epoch_end(self, epoch, logs=None):
        step = (epoch + 1) * self.checkpoints.steps_per_epoch
        if self.checkpoints.step != step or self.checkpoints.diverged:  # cut short
            return
        now = time.monotonic()
        self._seconds, self._since = self._seconds + now - self._since, now
        row = {"epoch": epoch + 1, "step": step, "seconds": f"{self._seconds:.1f}"}
        row |= {name: f"{value:.6g}" for name, value in (logs or {}).items()}
        self.rows.append(row)
        with atomic_write(self.path) as file:
            names = dict.fromkeys(name for row in self.rows for name in row)
            writer = csv.DictWriter(file, fieldnames=list(names), restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        for name, value in (logs or {}).items():
            self._events.add_scalar(name, value, step)
        self._events.flush()

    def on_train_end(self, logs=None):
        self._events.close()


def _read(path: Path) -> list[dict[str, str]]:
    """The lines so far; a damaged log is put aside, and begins anew."""
    if not path.exists():
        return []
    try:
        return read_log(path)
    except InputError as error:
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        log.warning("%s; it is %s now, and the log goes on without its lines", error, aside)
        return []
