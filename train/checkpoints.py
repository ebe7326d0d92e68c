"""Where a training stands, saved by step so that it goes on exactly there."""

import contextlib
import hashlib
import logging
import os
import signal
import textwrap
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from ..command_line import InputError
from ..files import atomic_write

log = logging.getLogger(__name__)

KEEP = 2  # the last one, and the one before in case the disk holds a bad one


def state_of(model: keras.Model) -> dict[str, keras.Variable]:
    """All variables that training changes, by a name that is the same in every process.

    Weights and moving statistics, centres, the optimizer's slots and step count, and the running
    means of the epoch's metrics.
    """
    groups = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }
    return {
        f"{group}/{number:04d}": variable
        for group, variables in groups.items()
        for number, variable in enumerate(variables)
    }


def weights_digest(network: keras.Model) -> str:
    """Changes with any weight of a network; of a saved file it would change with its date too."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def save_checkpoint(folder: Path, model: keras.Model, step: int, keep: int = KEEP) -> Path:
    """Write `step-<step>.npz`, whole or not at all, and remove all but the last few.

    Args:
        folder: `<exp>/<system>/seed<k>/checkpoints`.
        model: compiled and built.
        step: mini-batches trained on since the beginning.
        keep: how many are left, this one included.
    """
    path = checkpoint_at(folder, step)
    arrays = {
        name: keras.ops.convert_to_numpy(variable.value)
        for name, variable in state_of(model).items()
    }
    with atomic_write(path, "wb") as file:
        np.savez(file, **arrays)
    log.debug("saved %s", path)
    for old in _list(folder)[:-keep]:
        old.unlink()
    return path


def checkpoint_at(folder: Path, step: int) -> Path:
    """The file of a step's checkpoint."""
    return Path(folder) / f"step-{step:09d}.npz"


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that can be read, or `None`."""
    for path in reversed(_list(folder)):
        try:
            with zipfile.ZipFile(path) as file:
                broken = file.testzip()
            if broken is None:
                return path
            error = f"{broken} is damaged"
        except Exception as problem:  # zlib's, zipfile's, the system's, ...
            error = problem
        log.warning("%s cannot be read (%s); going back to the one before", path, error)
    return None


def step_of(path: Path | None) -> int:
    """How many mini-batches a checkpoint's training had seen; 0 without a checkpoint."""
    return int(path.stem.removeprefix("step-")) if path else 0


def load_checkpoint(path: Path, model: keras.Model) -> None:
    """Put a checkpoint's values into a model built from the same configuration.

    Raises:
        InputError: if the checkpoint cannot be read, or is of a model of other variables.
    """
    variables = state_of(model)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    # A damaged header has as many kinds of errors as NumPy and zip have parts.
    except Exception as error:
        reason = textwrap.shorten(str(error), 300) or type(error).__name__
        raise InputError(f"{path}: cannot be read: {reason}; remove it") from error
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != {name: tuple(variable.shape) for name, variable in variables.items()}:
        raise InputError(f"{path}: the checkpoint is of another model; train into an empty folder")
    for name, variable in variables.items():
        variable.assign(arrays[name])


class Checkpoints(keras.callbacks.Callback):
    """Goes on from a checkpoint and saves new ones: at every epoch's end, every `minutes` within,
    and when interrupted.

    Within `heeding_signals` the first Ctrl-C (SIGINT), SIGTERM or SIGHUP ends the training after
    the batch in hand, saved; a second one ends it at once. `interrupted` tells the caller, and so
    does `diverged`, when the loss is no longer a finite number: what follows that is not saved.

    Args:
        folder: where the checkpoints lie; the last one there is loaded when training begins.
        steps_per_epoch: mini-batches in a whole epoch.
        minutes: longest time between two checkpoints.
    """

    def __init__(self, folder: str | os.PathLike, steps_per_epoch: int, minutes: float = 10.0):
        super().__init__()
        self.folder = Path(folder)
        self.steps_per_epoch = steps_per_epoch
        self.resume_from = last_checkpoint(self.folder)
        self.step = step_of(self.resume_from)
        self.interrupted = False
        self.diverged = False
        self._seconds = 60 * minutes
        self._saved_at = time.monotonic()
        self._saved_step = self.step
        self._batch = -1

    @property
    def stopped(self) -> bool:
        """Whether the training is to go no further, though epochs are left."""
        return self.interrupted or self.diverged

    def go_on_from_last(self) -> None:
        """Load the newest checkpoint before the next step, whatever the model then holds."""
        self.resume_from = last_checkpoint(self.folder)

    @contextlib.contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Stop and save at a signal for as long as the block lasts, however it ends.

        Python gives signals to the main thread only: in another one they do what they did before.
        A SIGHUP that nohup has turned off stays off.
        """
        before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                    before[number] = signal.signal(number, self._interrupt)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_epoch_begin(self, epoch, logs=None):
        self._batch = -1
        # Not sooner: `fit` has just set the metrics' running means to zero, and an epoch that was
        # begun before goes on with those of its first part.
        if self.resume_from is not None:
            load_checkpoint(self.resume_from, self.model)
            self.resume_from = None
            if self.step % self.steps_per_epoch == 0:
                self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        # With several steps in one execution, `batch` is the last of them.
        self.step += batch - self._batch
        self._batch = batch
        if not np.isfinite((logs or {}).get("loss", 0.0)):
            self.diverged = True
        if self.stopped:
            self.model.stop_training = True
        if self.diverged:
            return
        if self.interrupted or time.monotonic() - self._saved_at > self._seconds:
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        if not self.diverged:
            self._save()

    def _save(self) -> None:
        if self.step > self._saved_step:
            save_checkpoint(self.folder, self.model, self.step)
        self._saved_at, self._saved_step = time.monotonic(), self.step

    def _interrupt(self, number, frame) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        # No more than this: `self.model`, on JAX, would take the state out of the step in hand.
        self.interrupted = True
        log.warning("stopping after this batch; once more to stop at once")


def _list(folder: Path) -> list[Path]:
    return sorted(path for path in Path(folder).glob("step-*.npz") if path.stem[5:].isdecimal())
