"""The rows of a trial list, whatever its form: each is a trial, and a different one."""

import logging
import os
from collections.abc import Callable, Iterator

from ..command_line import InputError

log = logging.getLogger(__name__)

RowParser = Callable[[list[str]], tuple[str, str, bool]]
"""Turns a line's words into enrol and test utterance, and whether they are of one speaker.

Raises ValueError or KeyError if they are not a trial, InputError if they are not a possible one."""


def read_rows(
    path: str | os.PathLike, parse: RowParser, form: str, doubled: bool
) -> tuple[list[str], list[str], list[bool]]:
    """Read enrol utterances, test utterances and labels, one of each a line.

    Args:
        path: the list.
        parse: what turns a line into a trial.
        form: what a line looks like, for messages.
        doubled: take an ordered pair as often as it comes, and an utterance with itself.

    Raises:
        InputError: no such file, an empty file, text that is not UTF-8, a line that is no trial, a
            doubled trial, or one of an utterance with itself. Names file and line.
    """
    enrol, test, is_target = [], [], []
    line_of: dict[tuple[str, str], int] = {}
    with_itself: list[int] = []
    for number, line in _numbered_lines(path):
        try:
            first, second, label = parse(line.split())
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
            with_itself.append(number)
        enrol.append(first)
        test.append(second)
        is_target.append(label)
    if not enrol:
        raise InputError(f"{path}: the trial list is empty; lines must be {form}")
    if with_itself:
        _with_itself(path, with_itself, enrol, published=doubled)
    return enrol, test, is_target


def _numbered_lines(path: str | os.PathLike) -> Iterator[tuple[int, str]]:
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
    path: str | os.PathLike, lines: list[int], enrol: list[str], published: bool
) -> None:
    where = f"{path}:{lines[0]}: {enrol[lines[0] - 1][:80]!r} is compared with itself"
    how_many = f"so it is on {len(lines):,} of {len(enrol):,} lines"
    if not published:
        raise InputError(f"{where}, which lowers the error rate for nothing: {how_many}; remove it")
    log.warning("%s: %s; they stay, as in the published list", where, how_many)
