"""Kaldi data directories: tables of ``key value`` lines, written sorted and checked before use.

A data directory holds ``wav.scp`` (utterance -> a plain path or a Kaldi pipe), ``utt2spk``
(utterance -> speaker) and ``spk2utt`` (speaker -> utterances); features add ``feats.scp`` and
``utt2num_frames``. Every table is sorted by its key in C-locale order, and a speaker's id
prefixes the ids of its utterances, so that sorting by utterance sorts by speaker too. See
https://kaldi-asr.org/doc/data_prep.html.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..command_line import InputError
from ..files import atomic_write

# Of a line that is wrong, a message shows so many characters.
SHOWN = 80


def read_table(path: str | os.PathLike, in_order: bool = True) -> dict[str, str]:
    """Read a Kaldi table: lines of a key, one blank, and the rest of the line.

    Args:
        path: the file.
        in_order: whether it must be sorted, as in a data directory that is ready for use.

    Returns:
        The table in the file's order; as no line is skipped, entry i stands on line i + 1.

    Raises:
        InputError: as `table_lines`.
    """
    if in_order:
        return dict(table_lines(path))
    table: dict[str, str] = {}
    for number, (key, value) in enumerate(table_lines(path, in_order=False), start=1):
        if table.setdefault(key, value) is not value:
            raise InputError(
                f"{path}:{number}: {key[:SHOWN]!r} comes twice; remove one of the lines"
            )
    return table


def table_lines(path: str | os.PathLike, in_order: bool = True) -> Iterator[tuple[str, str]]:
    """The keys and values of a Kaldi table, line by line: for tables too large to be held.

    Python compares strings by code point, which is the C locale's byte order for UTF-8.

    Raises:
        InputError: no such file, an empty file or line, a key without a value, a key that
            comes twice or out of order, text that is not UTF-8. Names file and line.
    """
    previous = ""
    for number, line in enumerate(_lines(path), start=1):
        fields = line.split(None, 1)
        if len(fields) < 2:
            what = f"only one field, {fields[0][:SHOWN]!r}" if fields else "an empty line"
            raise InputError(f"{path}:{number}: {what}; every line must be 'key value'")
        key, value = fields[0], fields[1].rstrip(" ")  # Kaldi's programs end lines with a blank
        if line[0] != key[0] or value[-1].isspace():
            raise InputError(
                f"{path}:{number}: a blank before the key, or DOS line ends; remove them"
            )
        if "\0" in line:
            raise InputError(f"{path}:{number}: a NUL byte; it is not a text file, or damaged")
        if in_order and key <= previous:
            shown = repr(key[:SHOWN])
            raise InputError(
                f"{path}:{number}: {shown} comes twice; remove one of the lines"
                if key == previous
                else f"{path}:{number}: {shown} is out of order after {previous[:SHOWN]!r}; sort "
                "the file with LC_ALL=C, and keep each key once"
            )
        yield key, value
        previous = key


def shown(text: str, most: int = 300) -> str:
    """What a message shows of a text that may be of any length."""
    return text if len(text) <= most else f"{text[:most]}..."


def quoted(text: str) -> str:
    """The same in quotes, with escapes for what cannot be seen."""
    return repr(shown(text))


def is_count(text: str) -> bool:
    """Whether a value of utt2num_frames is a number of frames: decimal digits, at least 1."""
    text = text.strip()
    return text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0


def _lines(path: str | os.PathLike) -> Iterator[str]:
    """Line by line: of a million utterances, the text and its lines are too much at once."""
    number = 0
    try:
        with open(path, "rb") as file:
            for line in file:
                number += 1
                yield line.removesuffix(b"\n").decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make it with the stage before") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}:{number}: not UTF-8 text; convert the file") from None
    if number == 0:
        raise InputError(f"{path}: the file is empty; make it again with the stage before")


def format_table(table: Mapping[str, str]) -> str:
    """The text of a Kaldi table, sorted.

    Raises:
        InputError: a key that is empty or holds a blank, or a value that could not be read back.
    """
    lines = []
    for key in sorted(table):
        value = table[key]
        if not key or key.split() != [key]:
            raise InputError(f"{key!r} cannot be an id in a Kaldi table: it is empty or has blanks")
        if not value or value != value.strip() or "\n" in value:
            raise InputError(f"{value!r} (of {key!r}) cannot stand on a line of a Kaldi table")
        line = f"{key} {value}\n"
        try:
            line.encode()
        except UnicodeEncodeError:
            raise InputError(f"{value!r} (of {key!r}) is not UTF-8; rename the file") from None
        lines.append(line)
    return "".join(lines)


def write_table(path: str | os.PathLike, table: Mapping[str, str]) -> None:
    """Write a Kaldi table, sorted in C-locale order; the file appears whole or not at all."""
    text = format_table(table)
    with naming(path), atomic_write(path) as file:
        file.write(text)


@contextlib.contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Give an error of the system that names no file (the disk is full) the name of this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(path)
        raise


def spk2utt_of(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """Turn utt2spk round: speaker -> its utterances, sorted, separated by blanks."""
    by_speaker: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        by_speaker.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(by_speaker[speaker]) for speaker in sorted(by_speaker)}


def write_data_dir(
    path: str | os.PathLike, wav_scp: Mapping[str, str], utt2spk: Mapping[str, str]
) -> None:
    """Write wav.scp, utt2spk and spk2utt into a folder, which is made if it is not there."""
    folder = Path(path)
    write_table(folder / "wav.scp", wav_scp)
    write_table(folder / "utt2spk", utt2spk)
    write_table(folder / "spk2utt", spk2utt_of(utt2spk))
