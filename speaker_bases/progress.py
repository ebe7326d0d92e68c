"""How far a tool is, with the time left: a bar on a terminal, or a line now and then.

`run.sh` has a tool's own output go into a log and keeps a file descriptor open to its console, on
which the bar is drawn; where that is no terminal, a line at most every 30 seconds is written. A
tool called without `run.sh` draws the bar on stderr if that is a terminal, and nothing otherwise.
"""

import contextlib
import os
import time
from typing import IO

from tqdm import tqdm

CONSOLE = "SPEAKER_BASES_CONSOLE"
"""The environment variable that holds the number of that descriptor."""

SECONDS = 30
LINE = "{desc}: {percentage:.0f} % ({n_fmt} of {total_fmt}), {remaining} left{postfix}"


def progress(iterable=None, **options) -> tqdm:
    """A `tqdm` of the usual arguments (``total``, ``desc``, ``unit``), shown where it is to be."""
    console = _console()
    if console is None:
        return tqdm(iterable, disable=None, **options)
    if console.isatty():
        has_width = os.get_terminal_size(console.fileno()).columns > 0
        return tqdm(iterable, file=console, leave=False, dynamic_ncols=has_width, **options)
    often = {"delay": SECONDS, "mininterval": SECONDS, "maxinterval": SECONDS}
    return tqdm(iterable, file=_Lines(console), leave=False, bar_format=LINE, **often, **options)


def fit_progress(epochs: int, steps_per_epoch: int, first_step: int = 0) -> list:
    """Keras callbacks that show the epoch, the loss and the time left of a `fit`.

    There are none without `run.sh`'s console: Keras then has a bar of its own.

    Args:
        epochs: at whose end the training is complete.
        steps_per_epoch: mini-batches of a whole epoch.
        first_step: mini-batches that were trained on before.
    """
    if _console() is None:
        return []
    import keras  # takes seconds, and whoever calls `fit` has it

    total = epochs * steps_per_epoch
    bar = None
    last_batch = -1

    def begin(logs=None):
        nonlocal bar
        bar = progress(total=total, initial=first_step, desc="train", unit="batch")

    def begin_epoch(epoch, logs=None):
        nonlocal last_batch
        last_batch = -1
        bar.set_description_str(f"epoch {epoch + 1}/{epochs}", refresh=False)

    def end_batch(batch, logs=None):
        nonlocal last_batch
        if logs and "loss" in logs:
            bar.set_postfix_str(f"loss {float(logs['loss']):.4g}", refresh=False)
        bar.update(batch - last_batch)  # with several steps in one execution, `batch` is the last
        last_batch = batch

    return [
        keras.callbacks.LambdaCallback(
            on_train_begin=begin,
            on_epoch_begin=begin_epoch,
            on_train_batch_end=end_batch,
            on_train_end=lambda logs=None: bar.close(),
        )
    ]


class _Lines:
    """Takes what tqdm draws over and over in one line, and writes it as lines."""

    def __init__(self, file: IO[str]):
        self._file = file

    def write(self, text: str) -> None:
        text = text.strip()
        if text:
            with contextlib.suppress(OSError):  # nobody reads the console any more
                self._file.write(f"{time.strftime('%H:%M:%S')}   {text}\n")
                self._file.flush()

    def flush(self) -> None:
        """Every line is flushed when it is written."""


def _console() -> IO[str] | None:
    """`run.sh`'s console, if it is there."""
    number = os.environ.get(CONSOLE, "")
    if not number.isdecimal():
        return None
    try:
        return open(int(number), "w", encoding="utf-8", closefd=False)
    except OSError:
        return None
