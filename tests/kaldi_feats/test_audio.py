"""Recordings: formats, pipes, broken files."""

import contextlib
import os
import shlex
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.audio import as_kaldi_source, read_recording
from speaker_bases.kaldi_feats.pipe import Limits

WHERE = "data/wav.scp:7"


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).integers(-20000, 20000, 4000).astype(np.int16)


@pytest.fixture
def write(tmp_path, samples):
    def write(name: str, data: np.ndarray = samples, rate: int = 16000, **options) -> Path:
        soundfile.write(tmp_path / name, data, rate, **options)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    "name, subtype", [("a b.wav", None), ("a.flac", None), ("a.wav", "PCM_24"), ("a.wav", "FLOAT")]
)
def test_samples_have_the_range_of_16_bit_integers(write, samples, name, subtype):
    data = samples if subtype is None else samples / 32768
    recording = read_recording(str(write(name, data, subtype=subtype)), WHERE)
    assert recording.rate == 16000 and recording.warnings == []
    assert recording.samples.dtype == np.float32
    np.testing.assert_array_equal(recording.samples[:, 0], samples)


def test_ogg(write):
    tone = (8000 * np.sin(np.arange(16000) / 10)).astype(np.int16)
    recording = read_recording(str(write("a.ogg", tone)), WHERE)
    assert np.abs(recording.samples[:, 0] - tone).max() < 800


def test_channels_are_kept_apart(write, samples):
    both = np.stack([samples, -samples], axis=1)
    np.testing.assert_array_equal(read_recording(str(write("a.wav", both)), WHERE).samples, both)


@pytest.mark.parametrize("size", [None, 0xFFFFFFFF, 0x7FFFFFFF])
def test_pipe(write, samples, size):
    """Programs that write to a pipe do not know the length that belongs in the header."""
    path = write("a b.wav")
    if size is not None:
        data = path.read_bytes()
        path.write_bytes(data[:40] + struct.pack("<I", size) + data[44:])
    recording = read_recording(f"cat {shlex.quote(str(path))} |", WHERE)
    np.testing.assert_array_equal(recording.samples[:, 0], samples)
    assert recording.warnings == []


@pytest.mark.parametrize(
    "command, message",
    [
        ("echo no luck >&2; exit 3 |", "exits with code 3: no luck"),
        ("cat /nonexistent.wav |", "exits with code 1: cat: /nonexistent.wav"),
        ("true |", "writes nothing"),
        ("echo text |", "cannot be read"),
    ],
)
def test_a_pipe_that_fails(command, message):
    with pytest.raises(InputError) as error:
        read_recording(command, WHERE)
    assert str(error.value).startswith(f"{WHERE}: {command}: ") and message in str(error.value)


@pytest.mark.parametrize("name", ["a.flac", "a.wav"])
@pytest.mark.parametrize("size", [0, 20])
def test_a_file_cut_short_in_its_header(write, name, size):
    path = write(name)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=rf"^data/wav\.scp:7: .*{name}: cannot be read"):
        read_recording(str(path), WHERE)


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_truncated_flac(write, keep):
    path = write("a.flac")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputError, match=r"^data/wav\.scp:7: .*a\.flac: "):
        read_recording(str(path), WHERE)


def test_truncated_wav_is_used_with_a_warning_as_kaldi_does(write, samples):
    path = write("a.wav")
    path.write_bytes(path.read_bytes()[:5044])
    recording = read_recording(str(path), WHERE)
    np.testing.assert_array_equal(recording.samples[:, 0], samples[:2500])
    assert recording.warnings == ["truncated? 8000 bytes of samples expected, 5000 there"]


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.wav: cannot be read"):
        read_recording(str(tmp_path / "none.wav"), WHERE)


def test_no_samples(write):
    # Its line in wav.scp comes back with stage 0: no use to remove it.
    with pytest.raises(InputError, match=r"holds no samples; fetch it again$"):
        read_recording(str(write("a.wav", np.zeros(0, np.int16))), WHERE)


def test_not_a_number(write):
    path = write("a.wav", np.array([0, np.nan, 0]), subtype="FLOAT")
    with pytest.raises(InputError, match="NaN"):
        read_recording(str(path), WHERE)


@pytest.mark.parametrize(
    "installed, source, expected",
    [
        ("", "a.wav", "a.wav"),
        ("", "A.WAV", "A.WAV"),
        ("", "cat a.flac | flac -dcs - |", "cat a.flac | flac -dcs - |"),
        ("ffmpeg sox flac", "a b.flac", "flac -c -d -s 'a b.flac' |"),
        ("ffmpeg sox flac", "a.ogg", "sox a.ogg -t wav -e signed-integer -b 16 - |"),
        ("ffmpeg", "a.flac", "ffmpeg -nostdin -v error -i a.flac -f wav -c:a pcm_s16le - |"),
    ],
)
def test_what_kaldi_reads(tmp_path, monkeypatch, installed, source, expected):
    for tool in installed.split():
        (tmp_path / tool).write_text("#!/bin/sh\n")
        (tmp_path / tool).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert as_kaldi_source(source, WHERE) == expected


@pytest.mark.parametrize("name, tools", [("a.flac", "flac, sox, ffmpeg"), ("a.ogg", "sox, ffmpeg")])
def test_no_converter(tmp_path, monkeypatch, name, tools):
    monkeypatch.setenv("PATH", str(tmp_path))
    message = rf"^data/wav\.scp:7: {name}: Kaldi reads wav only, and none of {tools} is installed"
    with pytest.raises(InputError, match=message):
        as_kaldi_source(name, WHERE)


@pytest.mark.hostile
@pytest.mark.parametrize(
    "command",
    [
        "sleep 60 |",  # says nothing
        "cat - /dev/tty |",  # waits for somebody to type
        "while true; do echo what >&2; done |",  # only complains
        "exec >&- 2>&-; sleep 60 |",  # has said all, and stays
        "(sleep 60 & ) ; printf x |",  # leaves something behind that keeps the pipe open
        "trap '' TERM INT HUP; sleep 60; sleep 60 |",
    ],
)
def test_a_pipe_that_hangs_is_stopped_with_all_that_it_started(command, tmp_path):
    limits = Limits(pipe_timeout=0.3)
    marked = f"echo $$ > {tmp_path}/pid; {command}"
    with pytest.raises(InputError) as error:
        read_recording(marked, WHERE, limits)
    said = "writes nothing for 0.3 s" if "tty" not in command else ""
    assert said in str(error.value) and str(error.value).startswith(WHERE)
    group = (tmp_path / "pid").read_text().strip()
    for _ in range(10_000):
        if not (alive := processes_of(group)):
            break
        os.sched_yield()
    assert not alive


def processes_of(group: str) -> list[str]:
    """The processes of a group, but for those that only wait to be collected."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if its_group == group and state not in "ZX":
                found.append(path.parent.name)
    return found


@pytest.mark.hostile
def test_a_pipe_that_does_not_end_takes_no_more_memory_than_a_recording(write):
    limits = Limits(max_minutes=0.5)
    path = write("a.wav", np.zeros(0, np.int16))
    for command in ("cat /dev/zero |", f"cat {shlex.quote(str(path))} /dev/zero |"):
        with pytest.raises(InputError, match=r"writes more than the 0\.5 minutes .* --max-minutes"):
            read_recording(command, WHERE, limits)


def test_a_recording_that_is_too_long(write):
    path = write("a.flac", np.zeros(16000 * 7, np.int16))
    for source in (str(path), f"cat {path} |"):
        with pytest.raises(InputError, match=r"longer than the 0\.1 minutes .* --max-minutes"):
            read_recording(source, WHERE, Limits(max_minutes=0.1))
    assert len(read_recording(str(path), WHERE).samples) == 16000 * 7


@pytest.mark.parametrize("value", [0, 7])
def test_digital_silence_is_warned_of(write, value):
    recording = read_recording(str(write("a.wav", np.full(4000, value, np.int16))), WHERE)
    assert recording.warnings == ["digital silence: all its samples are equal"]


@pytest.mark.hostile
def test_a_named_pipe_or_a_device_is_no_recording(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    for source in (str(tmp_path / "a.wav"), "/dev/zero", str(tmp_path)):
        with pytest.raises(InputError, match="not a regular file"):
            read_recording(source, WHERE)
