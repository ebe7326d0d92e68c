"""What a stage's output was made from, so that what is current is not made again."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from .files import atomic_write


class Stamp:
    """A small JSON file beside a stage's output that says the output is complete, and of what.

    A stage is skipped if its stamp equals the inputs it would now be made from; the stamp is
    removed before the stage's work begins and written after it ends::

        stamp = Stamp(folder / ".fbank.done", {"wav.scp": digest(wav_scp), "nj": 4})
        if not stamp.is_current():
            with stamp.renew():
                ...  # make the output

    Args:
        path: where the stamp lies.
        inputs: what the output depends on, as JSON values: settings, and digests of files.
    """

    def __init__(self, path: str | os.PathLike, inputs: dict):
        self.path = Path(path)
        self.inputs = json.loads(json.dumps(inputs, sort_keys=True))

    def is_current(self) -> bool:
        """Whether the output was completed from these very inputs."""
        try:
            return json.loads(self.path.read_text(encoding="utf-8")) == self.inputs
        except (FileNotFoundError, json.JSONDecodeError):
            return False

    @contextlib.contextmanager
    def renew(self) -> Iterator[None]:
        """Take the stamp away for as long as the output is being made."""
        self.path.unlink(missing_ok=True)
        yield
        with atomic_write(self.path) as file:
            json.dump(self.inputs, file, sort_keys=True, indent=1)
            file.write("\n")
