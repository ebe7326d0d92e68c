"""VoxCeleb's folders, ``<speaker>/<video>/<segment>.<suffix>``, wherever they were unpacked.

The speakers' folders (``id10001``) may lie in the corpus folder itself or up to three folders
below it, in one place or in several: ``dev/wav`` and ``test/wav``, ``vox1_dev_wav/wav``,
``dev/aac``, or all merged. What else lies beside them is left alone.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ...command_line import InputError
from ..audio import source_of_file
from .left_out import OTHER_AUDIO, LeftOut, printable, refuse_undecodable, suffix_of

# An utterance that is there in several formats is taken in the first of these.
FORMATS = {".wav": 0, ".flac": 1, ".m4a": 2}
SPEAKER = re.compile(r"id\d{5}", re.ASCII)
VIDEO = re.compile(r"[\w-]+", re.ASCII)
SEGMENT = re.compile(r"\d+", re.ASCII)
# VoxCeleb1 as it first came out: Eartha_Kitt/x6uYqmx31kE_0000001.wav, later with a folder a video.
FIRST_RELEASE = re.compile(r"[^/]*[^\W\d][^/]*/[\w-]{11}[/_]\d{5,7}\.wav", re.ASCII | re.IGNORECASE)
FIRST_RELEASE_REMEDY = (
    "that is VoxCeleb1's first release, with names where there are ids now, and other segments; "
    "get the present release (its vox1_meta.csv says whose id is whose)"
)
# Speakers lie up to three folders down; a first release's recordings two more.
DEEPEST = 5
# Threads overlap the waiting for a cold disk or a file server; a warm one keeps one of them busy.
THREADS = 8


@dataclass
class SpeakerFiles:
    """What is there of one speaker.

    Attributes:
        speaker: its id.
        sources: utterance -> value in wav.scp (an absolute path, or a pipe), sorted.
        fingerprint: changes with an utterance, a path, and the size or date of a file.
        left_out: what else lies in the speaker's folders.
    """

    speaker: str
    sources: dict[str, str]
    fingerprint: str
    left_out: LeftOut = field(default_factory=LeftOut)


def utterance_id(speaker: str, video: str, segment: str) -> str:
    """``<speaker>-<video>-<segment>``.

    Ids stay distinct though a video's id may hold, begin or end with ``-``: speakers are seven
    characters long, and segments hold no ``-``.
    """
    return f"{speaker}-{video}-{segment}"


def scan(root: str | os.PathLike, left_out: LeftOut | None = None) -> Iterator[SpeakerFiles]:
    """Find all speakers' files below a folder, speaker by speaker, sorted.

    Args:
        root: the corpus folder.
        left_out: where to count the files that were not taken.

    Raises:
        InputError: the folder is not there or has no speakers, is of the first release, breaks
            the layout, or holds an empty file, an utterance twice in the same format or a name
            that is not UTF-8.
    """
    top = os.path.abspath(root)
    if not os.path.isdir(top):
        raise InputError(f"{root}: no such corpus folder; correct the path")
    left_out = LeftOut() if left_out is None else left_out
    folders: dict[str, list[str]] = {}
    _find_speakers(top, 0, folders, left_out)
    if not folders:
        raise InputError(
            f"{root}: no folders of speakers (id10001, ...) in it, nor up to three folders below; "
            "give the folder that VoxCeleb was unpacked in"
        )
    for paths in folders.values():
        for path in paths:
            refuse_undecodable(path)
    with ThreadPoolExecutor(THREADS) as threads:
        speakers = sorted(folders)
        for files in threads.map(_scan_speaker, speakers, [folders[name] for name in speakers]):
            left_out.update(files.left_out)
            yield files


def _find_speakers(
    folder: str, depth: int, folders: dict[str, list[str]], left_out: LeftOut
) -> None:
    """Collect the folders named as speakers are, and refuse those of the first release."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                if entry.name.startswith("."):
                    left_out["hidden folders"] += 1
                elif SPEAKER.fullmatch(entry.name):
                    folders.setdefault(entry.name, []).append(entry.path)
                elif depth < DEEPEST:
                    _find_speakers(entry.path, depth + 1, folders, left_out)
                else:
                    left_out["folders further down"] += 1
            elif entry.name.startswith("."):
                continue
            elif suffix_of(entry.name) == ".wav":
                tail = "/".join(entry.path.rsplit("/", 3)[1:])
                if FIRST_RELEASE.fullmatch(tail) or FIRST_RELEASE.fullmatch(tail.split("/", 1)[1]):
                    raise InputError(f"{entry.path}: {FIRST_RELEASE_REMEDY}")
                left_out["recordings outside of speakers' folders"] += 1
            elif suffix_of(entry.name) in FORMATS:
                left_out["recordings outside of speakers' folders"] += 1


def _scan_speaker(speaker: str, folders: list[str]) -> SpeakerFiles:
    found: dict[str, tuple[int, str, os.stat_result]] = {}
    left_out = LeftOut()
    for folder in folders:
        for video, path in _folders_in(folder, left_out):
            for segment, rank, entry in _audio_in(path, left_out):
                name = utterance_id(speaker, video, segment)
                other = found.get(name)
                if other is not None and other[0] == rank:
                    raise InputError(
                        f"{entry.path}: the same utterance as {other[1]}; move one of them away"
                    )
                if other is None or rank < other[0]:
                    found[name] = rank, entry.path, entry.stat()
    sources, digest = {}, hashlib.sha256()
    for name in sorted(found):
        rank, path, status = found[name]
        if status.st_size == 0:
            raise InputError(f"{path}: an empty file; unpack or fetch it again")
        path = source_of_file(path)
        sources[name] = path
        digest.update(f"{name}\0{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    if not sources:
        left_out["speakers without a recording"] += 1
    return SpeakerFiles(speaker, sources, digest.hexdigest(), left_out)


def _folders_in(folder: str, left_out: LeftOut) -> Iterator[tuple[str, str]]:
    """The videos of a speaker's folder: name and path."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name.startswith("."):
                    left_out["hidden folders"] += 1
                    continue
                if not VIDEO.fullmatch(entry.name):
                    raise _misplaced(entry.path, "the folder's name is not the id of a video")
                yield entry.name, entry.path
            elif suffix_of(entry.name) in FORMATS and not entry.name.startswith("."):
                raise _misplaced(entry.path, "no folder of a video around it")
            else:
                left_out.add_file(entry.name)


def _audio_in(folder: str, left_out: LeftOut) -> Iterator[tuple[str, int, os.DirEntry]]:
    """The audio files of a video's folder: segment, rank of the format, directory entry."""
    empty = True
    with os.scandir(folder) as entries:
        for entry in entries:
            empty = False
            suffix = suffix_of(entry.name)
            segment, rank = entry.name[: len(entry.name) - len(suffix)], FORMATS.get(suffix)
            if entry.name.startswith("."):
                left_out.add_file(entry.name)
            elif entry.is_dir():
                _refuse_audio_below(entry.path)
                left_out["folders in videos' folders"] += 1
            elif rank is None:
                left_out.add_file(entry.name)
            elif not SEGMENT.fullmatch(segment):
                raise _misplaced(entry.path, f"{segment!r} is not a segment's number")
            else:
                yield segment, rank, entry
    if empty:
        left_out["empty folders of videos"] += 1


def _refuse_audio_below(folder: str) -> None:
    for path, _, names in os.walk(folder):
        for name in names:
            if suffix_of(name) in {*FORMATS, *OTHER_AUDIO}:
                raise _misplaced(os.path.join(path, name), "a folder too deep")


def _misplaced(path: str, what: str) -> InputError:
    return InputError(
        f"{printable(path)}: {what}; VoxCeleb's layout is <speaker>/<video>/<segment>.wav: "
        "move or remove what is not VoxCeleb's"
    )
