"""Recordings: formats, pipes, broken files."""

import shlex
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.audio import as_kaldi_source, read_recording

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
