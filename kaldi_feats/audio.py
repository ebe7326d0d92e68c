"""Recordings as wav.scp names them: plain files, or Kaldi pipes ending in ``|``."""

import io
import logging
import os
import re
import shlex
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import soundfile

from ..command_line import InputError
from .pipe import Limits, output_of

log = logging.getLogger(__name__)

# Any of these turns what Kaldi cannot read into 16-bit wav on its standard output.
CONVERTERS = {
    "flac": "flac -c -d -s {} |",
    "sox": "sox {} -t wav -e signed-integer -b 16 - |",
    "ffmpeg": "ffmpeg -nostdin -v error -i {} -f wav -c:a pcm_s16le - |",
}
# What libsndfile reads, in the order in which one is taken where an utterance is there in several.
_READ = """
    .wav .wave .flac .aiff .aif .aifc .au .snd .caf .w64 .rf64 .sph .ogg .oga .opus .mp3
"""
READ = _READ.split()
# What is read through ffmpeg.
CONVERTED = [".m4a", ".mp4", ".aac", ".amr", ".wma", ".webm"]
# The containers that a file of unknown origin may be. A playlist is none of them: it would have
# ffmpeg read whatever other file it names.
_CONTAINERS = """
    aac ac3 aiff amr ape asf au avi caf dts flac flv gsm matroska mov mp3 mpeg mpegts ogg rm tta voc
    w64 wav wv
"""
_FFMPEG = f"ffmpeg -nostdin -v error -format_whitelist {','.join(_CONTAINERS.split())}"
_LIMITS = Limits()
# Commands that a shell only splits at blanks.
_UNQUOTED = re.compile(r"[\w \t@%+=:,./-]*", re.ASCII)


@dataclass
class Recording:
    """Decoded audio.

    Attributes:
        samples: float32 (samples, channels), in the range of 16-bit integers as Kaldi has them.
        rate: in Hz.
        warnings: what is odd about the file, though it could be read.
    """

    samples: np.ndarray
    rate: int
    warnings: list[str]


def is_pipe(source: str) -> bool:
    """Whether a value of wav.scp is a command to run."""
    return source.endswith("|")


def source_of_file(path: str) -> str:
    """The value of wav.scp that reads a file: its path, or a pipe of ffmpeg."""
    if os.path.splitext(path)[1].lower() in CONVERTED:
        return CONVERTERS["ffmpeg"].format(shlex.quote(path))
    return path


def warn_without_ffmpeg(sources: Iterable[str]) -> None:
    """Warn if a value of wav.scp begins with a command that is not there."""
    start = CONVERTERS["ffmpeg"].split()[0]
    if any(map(is_pipe, sources)) and shutil.which(start) is None:
        log.warning("m4a files are read through ffmpeg, which is not installed on this machine")


def words_of(pipe: str) -> list[str]:
    """The words of a pipe's command as a shell splits it, but ``$``, ``~`` and ``*`` stay."""
    command = pipe[:-1]
    if _UNQUOTED.fullmatch(command):  # the same, and ten times as fast
        return command.split()
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return list(lexer)
    except ValueError:  # a quote that is not closed, of which the shell will complain
        return command.split()


def state_of_source(source: str) -> list:
    """Changes with the recording that a value of wav.scp stands for: sizes and dates of files."""
    if not is_pipe(source):
        try:
            status = os.stat(source)
        except OSError:  # to be skipped as broken, or an error by now
            return ["absent"]
        return [status.st_size, status.st_mtime_ns]
    return [state for word in words_of(source) if (state := _state_of_word(word))]


def _state_of_word(word: str) -> list | None:
    """A word of a command with its size and date, if it is the path of a file."""
    if word.startswith("-"):
        return None
    try:
        status = os.stat(word)
    except (OSError, ValueError):
        return None
    return [word, status.st_size, status.st_mtime_ns] if stat.S_ISREG(status.st_mode) else None


def read_recording(source: str, where: str, limits: Limits = _LIMITS) -> Recording:
    """Read a file (wav, flac, ogg and what else libsndfile knows) or a pipe's output.

    Args:
        source: the value in wav.scp.
        where: ``wav.scp:LINE`` for messages.
        limits: how long it may be, and how long a command may be silent.

    Raises:
        InputError: the file is missing, empty, truncated, too long, of an unknown format or not
            finite, or the command exits with an error, hangs or does not end.
    """
    place = f"{where}: {source}"
    return _decoded(_openable(source, place, limits), place, limits)


def read_by_ffmpeg(path: str, place: str, limits: Limits = _LIMITS) -> Recording:
    """Read what ffmpeg reads, if it holds sound in itself; what ffmpeg complains of is a warning.

    Args:
        path: the file, absolute.
        place: what it is called in messages.
        limits: as in `read_recording`.

    Raises:
        InputError: as `read_recording`; or ffmpeg is not installed.
    """
    if shutil.which("ffmpeg") is None:
        raise InputError(f"{place}: cannot be read without ffmpeg, which is not installed")
    command = f"{_FFMPEG} -i {shlex.quote(path)} -vn -f wav -c:a pcm_s16le -"
    place = f"{place}: cannot be read: ffmpeg"
    output, said = output_of(command, place, limits)
    recording = _decoded(io.BytesIO(output), place, limits)
    if said:
        recording.warnings.append(f"truncated or damaged? ffmpeg says: {said}")
    return recording


def _decoded(source: io.BytesIO | str, place: str, limits: Limits) -> Recording:
    try:
        with soundfile.SoundFile(source) as file:
            if file.frames > limits.max_minutes * 60 * file.samplerate:
                raise InputError(
                    f"{place}: longer than the {limits.max_minutes:g} minutes that a recording may "
                    "have; cut it, or give --max-minutes"
                )
            samples = file.read(dtype="float32", always_2d=True) * np.float32(32768)
            expected, rate, details = file.frames, file.samplerate, file.extra_info
            is_ogg = file.format == "OGG"
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: headerless, by its name
        what = getattr(error, "error_string", error)
        raise InputError(
            f"{place}: cannot be read: {what} Fetch the file again, or convert it: "
            "ffmpeg -i FILE NEW.wav"
        ) from None
    if len(samples) == 0:
        raise InputError(f"{place}: holds no samples; fetch it again")
    if len(samples) < expected:
        raise InputError(
            f"{place}: truncated: {len(samples)} of {expected} samples; fetch it again"
        )
    if not np.isfinite(samples).all():
        raise InputError(f"{place}: holds NaN or infinity; fetch or convert it again")
    warnings = []
    if isinstance(source, str):
        warnings = _truncated_ogg(source) if is_ogg else _truncated_wav(details)
    if (samples == samples[0]).all():
        warnings.append("digital silence: all its samples are equal")
    return Recording(samples, rate, warnings)


def _openable(source: str, place: str, limits: Limits) -> io.BytesIO | str:
    if is_pipe(source):
        return io.BytesIO(output_of(source[:-1], place, limits)[0])
    if os.path.exists(source) and not os.path.isfile(source):  # it may have no end, or no start
        raise InputError(f"{place}: not a regular file; give the path of one")
    return source


def _truncated_wav(details: str) -> list[str]:
    """Kaldi only warns of a wav that ends before its header says; libsndfile does so in its log.

    In a pipe the header cannot know the length, so there it means nothing.
    """
    found = re.search(r"^data : (\d+) \(should be (\d+)\)", details, re.MULTILINE)
    if found is None or int(found[2]) >= int(found[1]):
        return []
    return [f"truncated? {found[1]} bytes of samples expected, {found[2]} there"]


def _truncated_ogg(path: str) -> list[str]:
    """The last page of an Ogg stream says that it is the last; a page has 65,307 bytes at most."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 65_307))
        end = file.read()
    start = end.rfind(b"OggS")
    page = end[start:] if start >= 0 else b""
    if len(page) >= 27 and page[5] & 4:
        lengths = page[27 : 27 + page[26]]
        if len(page) >= 27 + page[26] + sum(lengths):
            return []
    return ["truncated? its last page is not there, or not whole"]


def as_kaldi_source(source: str, where: str) -> str:
    """A value of wav.scp that Kaldi's own programs can read: wav files and pipes.

    Raises:
        InputError: the file is not wav and no program that could convert it is installed.
    """
    if is_pipe(source) or source.lower().endswith(".wav"):
        return source
    tools = [tool for tool in CONVERTERS if tool != "flac" or source.lower().endswith(".flac")]
    for tool in tools:
        if shutil.which(tool):
            return CONVERTERS[tool].format(shlex.quote(source))
    raise InputError(
        f"{where}: {source}: Kaldi reads wav only, and none of {', '.join(tools)} is installed; "
        "install one, or unset KALDI_ROOT for the embedded extractor"
    )
