"""Recordings in formats that ffmpeg reads, from telephones, cut off, and made to do harm."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.fbank.options import read_options
from speaker_bases.kaldi_feats.kinds.fbank import with_window
from speaker_bases.kaldi_feats.kinds.record import feature_settings, write_record
from speaker_bases.verify.front_end import FrontEnd
from tests.verify.conftest import RATE, voice

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


@pytest.fixture(scope="module")
def front_end(tmp_path_factory, project_root):
    data = tmp_path_factory.mktemp("settings")
    write_record(data, with_window(read_options(project_root / "conf/fbank.conf")), False)
    return FrontEnd(feature_settings(data))


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, voice(0, 0, 3.0), RATE)
    return path


def converted(recording, name, *options):
    path = recording.with_name(name)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", recording, *options, path]
    subprocess.run(command, check=True)
    return path


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp3", []),
        ("a.m4a", ["-c:a", "aac"]),
        ("a.aac", ["-c:a", "aac"]),
        ("a.opus", ["-c:a", "libopus"]),
        ("a.webm", ["-c:a", "libopus"]),
        ("a.3gp", ["-c:a", "aac"]),
        ("a.wav.bin", ["-c:a", "aac", "-f", "mp4"]),
        ("24.wav", ["-c:a", "pcm_s24le"]),
        ("44.flac", ["-ar", "44100"]),
    ],
)
def test_a_format_is_the_same_voice(front_end, recording, name, options):
    found = front_end(converted(recording, name, *options))
    assert found.seconds == pytest.approx(3.0, abs=0.15) and not found.warnings
    expected = front_end(recording).values[20:-40, 5:40]
    later = [found.values[20 + lag :, 5:40][: len(expected)] for lag in range(16)]  # AAC's delay
    assert max(np.corrcoef(expected.ravel(), some.ravel())[0, 1] for some in later) > 0.7


@needs_ffmpeg
@pytest.mark.parametrize("codec", ["pcm_mulaw", "pcm_alaw"])
def test_of_a_telephone(front_end, recording, codec):
    path = converted(recording, "t.wav", "-ar", "8000", "-ac", "2", "-c:a", codec)
    found = front_end(path)
    assert found.seconds == pytest.approx(3.0)
    assert [text.removeprefix(f"{path}: ") for text in found.warnings] == [
        "2 channels; the first is taken",
        "8000 Hz, less than the 16000 Hz of the training: what is above half of that is missing",
    ]


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.webm", ["-c:a", "libopus"], "truncated or damaged? ffmpeg says: "),
        ("a.aac", ["-c:a", "aac"], "truncated or damaged? ffmpeg says: "),
        ("a.ogg", ["-c:a", "libvorbis"], "truncated? its last page is not there"),
        ("b.wav", [], "truncated? "),
    ],
)
def test_what_is_cut_off_is_warned_of(front_end, recording, name, options, message):
    path = converted(recording, name, *options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    assert any(message in text for text in front_end(path).warnings)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options"), [("a.m4a", ["-c:a", "aac"]), ("a.mp3", []), ("a.flac", [])]
)
def test_what_cannot_be_cut_off_is_refused(front_end, recording, name, options):
    path = converted(recording, name, *options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with pytest.raises(InputError, match=f"{path}: "):
        front_end(path)


@needs_ffmpeg
@pytest.mark.hostile
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {other.name}\n",
    ],
)
@pytest.mark.parametrize("name", ["list.m4a", "list.wav", "list"])
def test_a_list_of_other_files_is_no_recording(front_end, recording, name, text):
    other = converted(recording, "other.aac", "-c:a", "aac")
    path = recording.with_name(name)
    path.write_text(text.format(other=other))
    with pytest.raises(InputError, match="cannot be read: ffmpeg"):
        front_end(path)


def test_without_ffmpeg(front_end, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("a.m4a", "a.xyz"):
        (tmp_path / name).write_bytes(b"something")
        with pytest.raises(InputError, match=f"{name}: cannot be read without ffmpeg"):
            front_end(tmp_path / name)
