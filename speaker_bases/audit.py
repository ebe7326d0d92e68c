"""Reading everything that stages have left, to say what is damaged; nothing is changed."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from .command_line import InputError
from .files import digest
from .stamp import Stamp


class Audit:
    """Counts what was looked at, and collects what is wrong with it.

    Attributes:
        looked_at: how many things.
        problems: a line each: file, what is wrong, what to do.
    """

    def __init__(self):
        self.looked_at = 0
        self.problems: list[str] = []

    def of(self, read: Callable[[], object]) -> bool:
        """Look at one thing with its own reader, whose InputError is a problem.

        Returns:
            Whether there was none.
        """
        self.looked_at += 1
        try:
            read()
        except InputError as error:
            self.report(str(error))
            return False
        return True

    def report(self, problem: str) -> None:
        """Add a problem; the same one twice is one."""
        if problem not in self.problems:
            self.problems.append(problem)

    def stamp(self, path: Path, stage: str) -> None:
        """Read every output that a stamp has recorded, and hold it against its digest.

        Args:
            path: the stamp; without one there is nothing to look at.
            stage: what makes the outputs again, for the message: "stage 3".
        """
        if not path.is_file():
            return
        self.looked_at += 1
        made = Stamp(path, {}).read()
        if made is None:
            self.report(f"{path}: damaged; run {stage} again")
            return
        for name, recorded in made.get("outputs", {}).items():
            output = path.parent / name
            self.looked_at += 1
            if not output.is_file():
                self.report(f"{output}: not there; run {stage} again")
            elif digest(output) != recorded:
                self.report(f"{output}: not what it was when it was made; run {stage} again")

    def archive(self, path: Path) -> None:
        """Read every member of a zip (a model, a checkpoint) and compare its checksum."""
        self.looked_at += 1
        try:
            with zipfile.ZipFile(path) as file:
                broken = file.testzip()
        except Exception as error:  # zlib's, zipfile's, the system's, ...
            broken = str(error) or type(error).__name__
        if broken is not None:
            self.report(f"{path}: damaged ({broken})")
