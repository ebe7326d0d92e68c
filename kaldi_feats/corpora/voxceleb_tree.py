"""VoxCeleb's folders, ``<speaker>/<video>/<segment>.<suffix>``, wherever they were unpacked.

The speakers' folders (``id10001``) may lie in the corpus folder itself or up to three folders
below it, in one place or in several: ``dev/wav`` and ``test/wav``, ``vox1_dev_wav/wav``,
``dev/aac``, or all merged. What else lies beside them is left alone.
"""

import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...command_line import InputError
from ..audio import CONVERTERS

# An utterance that is there in several formats is taken in the first of these.
FORMATS = {".wav": 0, ".flac": 1, ".m4a": 2}
SPEAKER = re.compile(r"id\d{5}", re.ASCII)
VIDEO = re.compile(r"[\w-]+", re.ASCII)
SEGMENT = re.compile(r"\d+", re.ASCII)
# VoxCeleb1 as it first came out: Eartha_Kitt/x6uYqmx31kE_0000001.wav, later with a folder a video.
FIRST_RELEASE = re.compile(r"[^/]*[^\W\d][^/]*/[\w-]{11}[/_]\d{5,7}\.wav", re.ASCII)
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
    """

    speaker: str
    sources: dict[str, str]
    fingerprint: str


def utterance_id(speaker: str, video: str, segment: str) -> str:
    """``<speaker>-<video>-<segment>``.

    Ids stay distinct though a video's id may hold, begin or end with ``-``: speakers are seven
    characters long, and segments hold no ``-``.
    """
    return f"{speaker}-{video}-{segment}"


def scan(root: str | os.PathLike) -> Iterator[SpeakerFiles]:
    """Find all speakers' files below a folder, speaker by speaker, sorted.

    Raises:
        InputError: the folder is not there or has no speakers, is of the first release, breaks
            the layout, or holds an empty file or an utterance twice in the same format.
    """
    top = os.path.abspath(root)
    if not os.path.isdir(top):
        raise InputError(f"{root}: no such corpus folder; correct the path")
    folders: dict[str, list[str]] = {}
    _find_speakers(top, 0, folders)
    if not folders:
        raise InputError(
            f"{root}: no folders of speakers (id10001, ...) in it, nor up to three folders below; "
            "give the folder that VoxCeleb was unpacked in"
        )
    with ThreadPoolExecutor(THREADS) as threads:
        speakers = sorted(folders)
        yield from threads.map(_scan_speaker, speakers, [folders[name] for name in speakers])


def _find_speakers(folder: str, depth: int, folders: dict[str, list[str]]) -> None:
    """Collect the folders named as speakers are, and refuse those of the first release."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if SPEAKER.fullmatch(entry.name):
                    folders.setdefault(entry.name, []).append(entry.path)
                elif depth < DEEPEST:
                    _find_speakers(entry.path, depth + 1, folders)
            elif entry.name.endswith(".wav"):
                tail = "/".join(entry.path.rsplit("/", 3)[1:])
                if FIRST_RELEASE.fullmatch(tail) or FIRST_RELEASE.fullmatch(tail.split("/", 1)[1]):
                    raise InputError(f"{entry.path}: {FIRST_RELEASE_REMEDY}")


def _scan_speaker(speaker: str, folders: list[str]) -> SpeakerFiles:
    found: dict[str, tuple[int, str, os.stat_result]] = {}
    for folder in folders:
        for video, path in _folders_in(folder):
            for segment, rank, entry in _audio_in(path):
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
        if rank == FORMATS[".m4a"]:
            path = CONVERTERS["ffmpeg"].format(shlex.quote(path))
        sources[name] = path
        digest.update(f"{name}\0{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return SpeakerFiles(speaker, sources, digest.hexdigest())


def _folders_in(folder: str) -> Iterator[tuple[str, str]]:
    """The videos of a speaker's folder: name and path."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if not VIDEO.fullmatch(entry.name):
                    raise _misplaced(entry.path, "the folder's name is not the id of a video")
                yield entry.name, entry.path
            elif os.path.splitext(entry.name)[1] in FORMATS:
                raise _misplaced(entry.path, "no folder of a video around it")


def _audio_in(folder: str) -> Iterator[tuple[str, int, os.DirEntry]]:
    """The audio files of a video's folder: segment, rank of the format, directory entry."""
    with os.scandir(folder) as entries:
        for entry in entries:
            segment, dot, suffix = entry.name.rpartition(".")
            rank = FORMATS.get(dot + suffix)
            if rank is None or entry.name.startswith("."):
                continue
            if not SEGMENT.fullmatch(segment):
                raise _misplaced(entry.path, f"{segment!r} is not a segment's number")
            yield segment, rank, entry


def _misplaced(path: str, what: str) -> InputError:
    return InputError(
        f"{path}: {what}; VoxCeleb's layout is <speaker>/<video>/<segment>.wav: "
        "move or remove what is not VoxCeleb's"
    )
