"""The log of an i-vector system's training: a CSV line an iteration."""

import contextlib
import csv
import time

from ..command_line import InputError
from ..files import atomic_write
from ..run_dir import RunDir, read_log

COLUMNS = ["epoch", "step", "seconds", "loss"]


class IterationLog:
    """Writes ``log.csv``, in the form of a network's: every iteration is an epoch of one step.

    Args:
        run: a run; of a log that is damaged the lines are given up.
    """

    def __init__(self, run: RunDir):
        self._path = run.log
        self._rows: list[dict[str, str]] = []
        with contextlib.suppress(InputError):
            self._rows = read_log(run.log) if run.log.is_file() else []
        self._since = time.monotonic()

    def add(self, number: int, loss: float) -> None:
        """Add a line, in place of those of this iteration and later ones.

        Args:
            number: of the iteration, those for mixtures and the extractor counted through, from 1.
            loss: of the model that the iteration began with: the negative log likelihood of a
                frame, or its bound that EM of an extractor raises.
        """
        self._rows = [row for row in self._rows if int(row["epoch"]) < number]
        before = float(self._rows[-1]["seconds"]) if self._rows else 0.0
        now = time.monotonic()
        seconds, self._since = before + now - self._since, now
        values = [str(number), str(number), f"{seconds:.1f}", f"{loss:.6g}"]
        self._rows.append(dict(zip(COLUMNS, values, strict=True)))
        with atomic_write(self._path) as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self._rows)
