"""The rows of a trial list, whatever its form: each is a trial, and a different one."""

import logging
import os
from array import array
from collections.abc import Callable, Iterable, Iterator

from ..command_line import InputError

log = logging.getLogger(__name__)

RowParser = Callable[[str], tuple[str, str, bool]]
"""Turns a line into enrol and test utterance, and whether they are of one speaker.

Raises ValueError or KeyError if it is not a trial, InputError if it is not a possible one."""


def read_rows(
    path: str | os.PathLike,
    parse: RowParser,
    form: str,
    doubled: bool,
    lines: Iterable[tuple[int, str]] | None = None,
) -> tuple[list[str], list[str], list[bool], array]:
    """Read enrol utterances, test utterances, labels and numbers of lines, one of each a trial.

    Args:
        path: the list.
        parse: what turns a line into a trial.
        form: what a line looks like, for messages.
        doubled: take an ordered pair as often as it comes, and an utterance with itself.
        lines: the lines that hold trials, with their numbers; all of the file's if None.

    Raises:
        InputError: no such file, an empty file, text that is not UTF-8, a line that is no trial, a
            doubled trial, or one of an utterance with itself. Names file and line.
    """
    enrol, test, is_target, numbers = [], [], [], array("q")
    line_of: dict[tuple[str, str], int] = {}
    with_itself: list[tuple[int, str]] = []
    for number, line in numbered_lines(path) if lines is None else lines:
        try:
            first, second, label = parse(line)
        except (ValueError, KeyError):
            shown = line.strip()[:80]
            raise InputError(
                f"{path}:{number}: expected {form}, found {shown!r}; correct or remove it"
            ) from None
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}") from None
        if line_of.setdefault((first, second), number) != number and not doubled:
            raise InputError(
                f"{path}:{number}: the same trial as on line {line_of[first, second]}; remove one"
            )
        if first == second:
            with_itself.append((number, first))
        enrol.append(first)
        test.append(second)
        is_target.append(label)
        numbers.append(number)
    if not enrol:
        raise InputError(f"{path}: the trial list is empty; lines must be {form}")
    if with_itself:
        _with_itself(path, with_itself, len(enrol), published=doubled)
    return enrol, test, is_target, numbers


def numbered_lines(path: str | os.PathLike) -> Iterator[tuple[int, str]]:
    """The lines of a text file, from 1.

    Raises:
        InputError: no such file, or no text in UTF-8.
    """
    number = 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if b"\0" in line:
                    raise InputError(f"{path}:{number}: a NUL byte; it is not a text file")
                yield number, line.decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such trial list; correct the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}:{number}: not UTF-8 text; convert the file") from None


def _with_itself(
    path: str | os.PathLike, found: list[tuple[int, str]], trials: int, published: bool
) -> None:
    number, utterance = found[0]
    where = f"{path}:{number}: {utterance[:80]!r} is compared with itself"
    how_many = f"so it is on {len(found):,} of {trials:,} lines"
    if not published:
        raise InputError(f"{where}, which lowers the error rate for nothing: {how_many}; remove it")
    log.warning("%s: %s; they stay, as in the published list", where, how_many)
