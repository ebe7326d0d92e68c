"""A digest of everything that an scp points to."""

import hashlib
import os
from collections.abc import Mapping

from ..command_line import InputError
from ..files import content_digests
from .ark import parse_place
from .data_dir import shown


def scp_digest(scp: str | os.PathLike, table: Mapping[str, str]) -> str:
    """Changes with the contents behind any line of an scp, not with where the arks lie.

    An ark is read once and then known by its size and time; see `content_digest`.

    Args:
        scp: the file, for messages.
        table: what `read_table` read from it.

    Raises:
        InputError: an ark is not there, or a value is not a place in one.
    """
    first_lines: dict[str, int] = {}
    for number, value in enumerate(table.values(), start=1):
        first_lines.setdefault(_ark(scp, number, value), number)
    for ark, number in first_lines.items():
        if not os.path.isfile(ark):
            raise InputError(f"{scp}:{number}: {shown(ark)} is not there; make the file again")
    digests = content_digests(first_lines)
    total = hashlib.sha256()
    for number, (utterance, value) in enumerate(table.items(), start=1):
        ark = _ark(scp, number, value)
        total.update(f"{utterance} {digests[ark]}{value[len(ark) :]}\n".encode())
    return total.hexdigest()


def _ark(scp: str | os.PathLike, number: int, value: str) -> str:
    try:
        return parse_place(value).path
    except ValueError as error:
        raise InputError(f"{scp}:{number}: {error}; make the file again") from None
