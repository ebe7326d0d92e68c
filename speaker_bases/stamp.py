"""What a stage's output was made from, so that what is current is not made again."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .files import atomic_write, content_digests


class Stamp:
    """A small JSON file beside a stage's output that says the output is complete, and of what.

    A stage is skipped if its stamp equals the inputs it would now be made from, and the files it
    has made are what they were; the stamp is removed before the stage's work begins and written
    after it ends::

        stamp = Stamp(folder / ".done", {"wav.scp": digest(wav_scp), "nj": 4}, [folder / "out"])
        if not stamp.is_current():
            with stamp.renew():
                ...  # make the output

    Args:
        path: where the stamp lies.
        inputs: what the output depends on, as JSON values: settings, and digests of contents.
        outputs: the files that are made; below the stamp's folder.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        inputs: dict,
        outputs: Iterable[str | os.PathLike] = (),
    ):
        self.path = Path(path)
        self.inputs = json.loads(json.dumps(inputs, sort_keys=True))
        self.outputs = [Path(output) for output in outputs]

    def is_current(self) -> bool:
        """Whether the output was completed from these very inputs and is as it was then."""
        made = self.read()
        return (
            made is not None
            and {key: value for key, value in made.items() if key != "outputs"} == self.inputs
            and not self.changed_outputs()
        )

    def changed_outputs(self) -> list[Path]:
        """The outputs that are missing, or not what they were when the stamp was written."""
        recorded = (self.read() or {}).get("outputs", {})
        there = [path for path in self.outputs if path.is_file()]
        digests = content_digests(there)
        return [
            path
            for path in self.outputs
            if path not in there or recorded.get(self._name(path)) != digests[str(path)]
        ]

    def read(self) -> dict | None:
        """What the stamp says: inputs and `outputs`; None if there is none or it is damaged."""
        try:
            made = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(made, dict) or not isinstance(made.get("outputs", {}), dict):
            return None
        return made

    @contextlib.contextmanager
    def renew(self) -> Iterator[None]:
        """Take the stamp away for as long as the output is being made."""
        self.path.unlink(missing_ok=True)
        yield
        digests = content_digests(self.outputs)
        outputs = {self._name(path): digests[str(path)] for path in self.outputs}
        with atomic_write(self.path) as file:
            json.dump(self.inputs | {"outputs": outputs}, file, sort_keys=True, indent=1)
            file.write("\n")

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.path.parent)
