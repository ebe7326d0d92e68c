"""Kaldi data directories: tables of ``key value`` lines, written sorted and checked before use.

A data directory holds ``wav.scp`` (utterance -> a plain path or a Kaldi pipe), ``utt2spk``
(utterance -> speaker) and ``spk2utt`` (speaker -> utterances); features add ``feats.scp`` and
``utt2num_frames``. Every table is sorted by its key in C-locale order, and a speaker's id
prefixes the ids of its utterances, so that sorting by utterance sorts by speaker too. See
https://kaldi-asr.org/doc/data_prep.html.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..command_line import InputError
from ..files import atomic_write


def read_table(path: str | os.PathLike) -> dict[str, str]:
    """Read a Kaldi table: lines of a key, one blank, and the rest of the line.

    Python compares strings by code point, which is the C locale's byte order for UTF-8.

    Returns:
        The table in the file's order; as no line is skipped, entry i stands on line i + 1.

    Raises:
        InputError: no such file, an empty file or line, a key without a value, a key that
            comes twice or out of order, text that is not UTF-8. Names file and line.
    """
    table: dict[str, str] = {}
    previous = ""
    for number, line in enumerate(_lines(path), start=1):
        fields = line.split(None, 1)
        where = f"{path}:{number}"
        if len(fields) < 2:
            what = f"only one field, {fields[0]!r}" if fields else "an empty line"
            raise InputError(f"{where}: {what}; every line must be 'key value'")
        key, value = fields[0], fields[1].rstrip(" ")  # Kaldi's programs end lines with a blank
        if line[0] != key[0] or value[-1].isspace():
            raise InputError(f"{where}: a blank before the key, or DOS line ends; remove them")
        if key in table:
            raise InputError(f"{where}: {key!r} comes twice; remove one of the lines")
        if key < previous:
            raise InputError(
                f"{where}: {key!r} is out of order after {previous!r}; sort the file with LC_ALL=C"
            )
        table[key] = value
        previous = key
    return table


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
    with atomic_write(path) as file:
        file.write(text)


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


def validate_data_dir(path: str | os.PathLike, features: bool = False) -> None:
    """Check a data directory as Kaldi's utils/validate_data_dir.sh does.

    Args:
        path: the data directory.
        features: check feats.scp and utt2num_frames too. feats.scp may lack utterances of
            utt2spk, those too short for a single frame.

    Raises:
        InputError: the first thing that is wrong, with file, line and remedy.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such data directory; run stage 0 or correct the path")
    wav_scp = read_table(folder / "wav.scp")
    utt2spk = read_table(folder / "utt2spk")
    _check_speakers(folder, utt2spk)
    _check_subset(folder, "wav.scp", wav_scp, "utt2spk", utt2spk)
    _check_subset(folder, "utt2spk", utt2spk, "wav.scp", wav_scp)
    _check_spk2utt(folder, utt2spk)
    for number, (utterance, source) in enumerate(wav_scp.items(), start=1):
        _check_audio(f"{folder / 'wav.scp'}:{number}", utterance, source)
    if features:
        _check_features(folder, utt2spk)


def _check_speakers(folder: Path, utt2spk: dict[str, str]) -> None:
    previous = ""
    for number, (utterance, speaker) in enumerate(utt2spk.items(), start=1):
        where = f"{folder / 'utt2spk'}:{number}"
        if speaker.split() != [speaker]:
            raise InputError(f"{where}: the speaker {speaker!r} of {utterance!r} has blanks")
        if not utterance.startswith(speaker):
            raise InputError(
                f"{where}: the speaker {speaker!r} does not prefix the utterance {utterance!r}; "
                "rename the utterances to <speaker>-<utterance>"
            )
        if speaker < previous:
            raise InputError(
                f"{where}: the speaker {speaker!r} is out of order after {previous!r}, though the "
                "utterances are sorted; separate speaker and utterance with '-'"
            )
        previous = speaker


def _check_subset(
    folder: Path, name: str, table: dict[str, str], other: str, known: dict[str, str]
) -> None:
    for number, utterance in enumerate(table, start=1):
        if utterance not in known:
            raise InputError(
                f"{folder / name}:{number}: the utterance {utterance!r} is not in {other}; "
                "add it there or remove this line"
            )


def _check_spk2utt(folder: Path, utt2spk: dict[str, str]) -> None:
    path = folder / "spk2utt"
    found = read_table(path)
    expected = spk2utt_of(utt2spk)
    remedy = "make spk2utt again from utt2spk"
    for number, (speaker, utterances) in enumerate(found.items(), start=1):
        if speaker not in expected:
            raise InputError(f"{path}:{number}: {speaker!r} has no line in utt2spk; {remedy}")
        if sorted(utterances.split()) != expected[speaker].split():
            raise InputError(
                f"{path}:{number}: not the utterances that utt2spk gives {speaker!r}; {remedy}"
            )
    for speaker in expected:
        if speaker not in found:
            raise InputError(f"{path}: the speaker {speaker!r} of utt2spk is missing; {remedy}")


def _check_audio(where: str, utterance: str, source: str) -> None:
    """A plain path must name a file with something in it; a pipe is only found out by running."""
    if source.endswith("|"):
        return
    try:
        size = os.stat(source).st_size
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{where}: no such file: {source} (of {utterance!r}); correct the path, "
            "or run stage 0 again"
        ) from None
    if size == 0:
        raise InputError(f"{where}: an empty file: {source} (of {utterance!r}); fetch it again")


def _check_features(folder: Path, utt2spk: dict[str, str]) -> None:
    feats = read_table(folder / "feats.scp")
    frames = read_table(folder / "utt2num_frames")
    _check_subset(folder, "feats.scp", feats, "utt2spk", utt2spk)
    _check_subset(folder, "feats.scp", feats, "utt2num_frames", frames)
    _check_subset(folder, "utt2num_frames", frames, "feats.scp", feats)
    archives: set[str] = set()
    for number, (utterance, source) in enumerate(feats.items(), start=1):
        archive = source.rpartition(":")[0] or source
        if archive not in archives and not os.path.isfile(archive):
            raise InputError(
                f"{folder / 'feats.scp'}:{number}: no such archive: {archive} (of {utterance!r}); "
                "make the features again"
            )
        archives.add(archive)
    for number, (utterance, count) in enumerate(frames.items(), start=1):
        if not (count.isascii() and count.isdigit() and int(count) > 0):
            raise InputError(
                f"{folder / 'utt2num_frames'}:{number}: {count!r} is not a number of frames "
                f"(of {utterance!r}); make the features again"
            )
