"""Damaged files for the readers, and what a reader may do with them.

`FUZZ` in the environment says how many inputs each test tries (200 without it), `FUZZ_SEED` where
they begin::

    FUZZ=20000 python -m pytest tests/kaldi_feats/test_fuzzing.py
"""

import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from speaker_bases.command_line import InputError

Value = TypeVar("Value")

TALLY: Counter[str] = Counter()
"""How many inputs the test in hand has seen refused, and how many read; conftest.py records it."""

INPUTS = int(os.environ.get("FUZZ", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
# A message that quotes the input must not be as long as the input.
LONGEST_MESSAGE = 2_000

HOSTILE = [
    b"\0",
    b"\xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\r",
    b"\n\n",
    b" ",
    b"\t",
    b"\x0b",
    b"\x1c",
    "\u2028".encode(),
    "\u00a0".encode(),
    "\ufeff".encode(),
    "٣".encode(),
    b"-1",
    b"0",
    b"00",
    b"1_0",
    b"1e999",
    b"nan",
    b"-inf",
    b"9" * 5000,
    b"." * 300,
    b"x" * 100_000,
    b"[" * 2_000,
    b"|",
    b"touch hacked |",
    b"-",
    b"../..",
    b"/dev/zero",
    b"%s{}$(x)`x`<b>",
    b"[0:1]",
    b":",
    b"#",
    b"--",
    b"=",
    b'"',
    b"PKL",
    b"\0BFM ",
    b"\xff\xff\xff\x7f",
]


def mutate(whole: bytes, rng: random.Random) -> bytes:
    """Damage a file in one to four places; one time in fifty it is only noise."""
    if rng.random() < 0.02:
        return rng.randbytes(rng.randrange(200))
    data = bytearray(whole)
    for _ in range(rng.randint(1, 4)):
        rng.choice(DAMAGES)(data, rng)
    return bytes(data)


def _span(data: bytearray, rng: random.Random, most: int = 30) -> slice:
    start = rng.randrange(len(data) + 1)
    return slice(start, start + rng.randrange(1, most))


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _delete(data: bytearray, rng: random.Random) -> None:
    del data[_span(data, rng)]


def _cut_off(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(HOSTILE)


def _replace(data: bytearray, rng: random.Random) -> None:
    data[_span(data, rng)] = rng.choice(HOSTILE)


def _replace_a_word(data: bytearray, rng: random.Random) -> None:
    words = list(re.finditer(rb"[^\s=:|]+", data))
    if words:
        word = rng.choice(words)
        data[word.start() : word.end()] = rng.choice(HOSTILE)


def _repeat(data: bytearray, rng: random.Random) -> None:
    span = _span(data, rng)
    data[span] = data[span] * rng.randint(2, 5)


def _move_a_line(data: bytearray, rng: random.Random) -> None:
    lines = data.splitlines(keepends=True)
    if lines:
        line = lines[rng.randrange(len(lines))]
        if rng.random() < 0.5:
            lines.remove(line)
        lines.insert(rng.randrange(len(lines) + 1), line)
        data[:] = b"".join(lines)


DAMAGES = [
    _flip,
    _delete,
    _cut_off,
    _insert,
    _replace,
    _replace_a_word,
    _replace_a_word,
    _repeat,
    _move_a_line,
]


def damaged(
    path: Path, wholes: Sequence[bytes], inputs: int = INPUTS
) -> Iterator[tuple[bytes, random.Random]]:
    """Write damaged versions of whole files to a path, one after the other.

    Yields:
        What was written, and a random generator for what else a test has to choose.
    """
    for number in range(SEED, SEED + inputs):
        rng = random.Random(f"{path.name} {number}")
        data = mutate(rng.choice(wholes), rng)
        path.write_bytes(data)
        yield data, rng


def value_or_refusal(
    read: Callable[[], Value], path: Path, data: bytes, places: Sequence[Path] = ()
) -> Value | None:
    """Call a reader: it must return, or raise an `InputError` of one line that says where.

    Args:
        read: the reader.
        path: the damaged file.
        data: what is in it, for the failing test's message.
        places: other files that may be named as the place instead.

    Returns:
        What the reader returned; None if it refused.
    """
    try:
        value = read()
        TALLY["read"] += 1
        return value
    except InputError as error:
        text = str(error)
        TALLY["refused"] += 1
    except BaseException as error:
        raise AssertionError(f"{error!r} instead of an InputError, for {data[:500]!r}") from error
    assert "\n" not in text and len(text) <= LONGEST_MESSAGE, f"{text[:500]!r} for {data[:500]!r}"
    for place in (path, *places):
        if text.startswith(f"{place}:"):
            line = re.match(r"(\d+): ", text.removeprefix(f"{place}:"))
            lines = place.read_bytes().count(b"\n") + 1
            assert line is None or 1 <= int(line[1]) <= lines, f"{text!r} for {data[:500]!r}"
            return None
    raise AssertionError(f"{text!r} does not begin with the file, for {data[:500]!r}")
