"""Recordings that cannot be read: all of them in one error, not one at a time."""

from pathlib import Path

from ...command_line import InputError

LISTED = 20


class BrokenRecordings:
    """Collects what is wrong with the recordings of a wav.scp.

    Args:
        wav_scp: the file; each problem begins with its name and a line's number.
    """

    def __init__(self, wav_scp: Path):
        self._wav_scp = wav_scp
        self._seen = 0
        self._problems: list[str] = []

    def add(self, recordings: int, problems: list[str]) -> None:
        """Count recordings that were looked at, and those of them that are broken.

        Raises:
            InputError: there are `LISTED`, and they are half of all: the cause lies elsewhere (a
                disk or a program is not there), and the rest would only take time.
        """
        self._seen += recordings
        self._problems += problems
        if len(self._problems) >= LISTED and 2 * len(self._problems) >= self._seen:
            self.refuse()

    def refuse(self) -> None:
        """Say what is broken, if anything is.

        Raises:
            InputError: with the first `LISTED`, by line.
        """
        if not self._problems:
            return
        problems = sorted(self._problems, key=self._line)
        first, *others = problems
        if not others:
            raise InputError(first)
        prefix = f"{self._wav_scp}:"
        listed = "; ".join(f"line {text.removeprefix(prefix)}" for text in others[: LISTED - 1])
        more = f"; and {len(problems) - LISTED:,} more" if len(problems) > LISTED else ""
        raise InputError(
            f"{first}; so {len(problems):,} of the {self._seen:,} recordings looked at are broken: "
            f"{listed}{more}; --skip-broken true leaves them out"
        )

    def _line(self, problem: str) -> int:
        number = problem.removeprefix(f"{self._wav_scp}:").partition(":")[0]
        return int(number) if number.isdecimal() else 0
