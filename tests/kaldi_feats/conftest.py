"""Corpora small enough to be made anew for a test."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speaker_bases.kaldi_feats import extract
from speaker_bases.kaldi_feats.data_dir import read_table, spk2utt_of, write_data_dir, write_table
from speaker_bases.kaldi_feats.reader import FeatureReader


@pytest.fixture
def make_audio():
    """Write a short file of audio; its folders are made."""

    def make(path: Path, samples: int = 1600, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).uniform(-0.1, 0.1, samples)
        soundfile.write(path, noise, 16000, subtype="PCM_16")
        return path

    return make


@pytest.fixture
def tiny_librispeech(tmp_path, make_audio):
    """A corpus in LibriSpeech's layout: two training and two test speakers, two utterances each.

    The speakers 118 and 1182 are a trap for the sort order: 118-... and 1182-... .
    """
    root = tmp_path / "LibriSpeech"
    for subset, speakers in {"train-clean-5": ("118", "1182"), "dev-clean-2": ("84", "9")}.items():
        for speaker in speakers:
            for number in range(2):
                name = f"{speaker}-7-{number:04d}.flac"
                make_audio(root / subset / speaker / "7" / name, seed=number)
    (root / "SPEAKERS.TXT").write_text("; not audio\n")
    return root


class FeatureCorpus:
    """A data directory and what the tests of the feature stage ask of it.

    `folder` is where recordings of a test's own can go.
    """

    def __init__(self, path: Path):
        self.path = path
        self.folder = path.parent

    def __fspath__(self) -> str:
        return str(self.path)

    def at(self, path: Path) -> "FeatureCorpus":
        return FeatureCorpus(path)

    def source(self, utterance: str) -> str:
        return read_table(self.path / "wav.scp")[utterance]

    def point_to(self, line: int, source: str) -> None:
        """Change one line of wav.scp."""
        lines = (self.path / "wav.scp").read_text().splitlines()
        lines[line - 1] = f"{lines[line - 1].split()[0]} {source}"
        (self.path / "wav.scp").write_text("\n".join(lines) + "\n")

    def features(self) -> dict[str, np.ndarray]:
        reader = FeatureReader(self.path / "feats.scp")
        return {name: np.array(matrix) for name, matrix in reader.items()}

    def snapshot(self) -> dict[str, tuple[bytes, int]]:
        """Contents and dates of all files but logs."""
        files = [f for f in self.path.rglob("*") if f.is_file() and f.parent.name != "log"]
        return {
            str(f.relative_to(self.path)): (f.read_bytes(), f.stat().st_mtime_ns) for f in files
        }

    def dates(self, suffix: str) -> dict[str, int]:
        """When the arks (or their companions) were made."""
        return {path.name: path.stat().st_mtime_ns for path in self.path.glob(f"fbank/*{suffix}")}


@pytest.fixture
def conf(tmp_path) -> Path:
    """An option file for features that are quick to make."""
    (tmp_path / "fbank.conf").write_text("--dither=0\n--window-type=hamming\n--num-mel-bins=20\n")
    return tmp_path / "fbank.conf"


@pytest.fixture
def corpus(tmp_path) -> FeatureCorpus:
    """12 recordings of 0.3 s in a path with a blank: two arks, of 10 and of 2."""
    rng = np.random.default_rng(0)
    data, wav_scp = tmp_path / "da ta" / "train", {}
    (tmp_path / "wav s").mkdir()
    for i in range(12):
        path = tmp_path / "wav s" / f"{i:02}.wav"
        soundfile.write(path, rng.integers(-9000, 9000, 4800).astype(np.int16), 16000)
        wav_scp[f"s{i % 4}-u{i:02}"] = str(path)
    write_data_dir(data, wav_scp, {name: name[:2] for name in wav_scp})
    return FeatureCorpus(data)


@pytest.fixture
def segmented(corpus) -> FeatureCorpus:
    """Four segments of three of the recordings of 0.3 s."""
    rows = ["s0-a s0-u00 0.1 0.3", "s0-b s0-u04 0 -1", "s1-a s1-u01 0 0.15", "s1-b s1-u01 0.15 0.3"]
    (corpus.path / "segments").write_text("".join(f"{row}\n" for row in rows))
    utt2spk = {row.split()[0]: row[:2] for row in rows}
    write_table(corpus.path / "utt2spk", utt2spk)
    write_table(corpus.path / "spk2utt", spk2utt_of(utt2spk))
    return corpus


@pytest.fixture
def golden_corpus(tmp_path, kaldi_golden, monkeypatch):
    """A data directory of one of the golden lists; afterwards its scps' relative paths hold."""

    def make(wav_scp: str) -> FeatureCorpus:
        sources = {
            name: str(kaldi_golden / path)
            for name, path in read_table(kaldi_golden / wav_scp).items()
        }
        write_data_dir(tmp_path / "data" / "test", sources, {name: name for name in sources})
        monkeypatch.chdir(kaldi_golden)
        return FeatureCorpus(tmp_path / "data" / "test")

    return make


@pytest.fixture
def embedded(conf, capfd, caplog):
    """Run the embedded extractor in this process; returns its exit code and what it said."""

    def run(data: FeatureCorpus, *options: str) -> tuple[int, str]:
        caplog.clear()
        caplog.set_level("INFO")
        words = ["--nj", "1", "--fbank-config", str(conf), *options, os.fspath(data)]
        return extract.main(words), capfd.readouterr().err + caplog.text

    return run


@pytest.fixture
def make_fbank(project_root, conf):
    """Run make_features.sh."""

    def run(data: FeatureCorpus, *options: str, **environment: str):
        script = project_root / "kaldi_feats" / "make_features.sh"
        tools = [environment.pop("PATH", ""), os.path.dirname(sys.executable), os.environ["PATH"]]
        return subprocess.run(
            ["bash", script, "--nj", "2", "--fbank-config", conf, *options, data],
            env={**os.environ, "PATH": ":".join(tools), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


# Ids of videos that a careless mapping would confuse.
AWKWARD = ("-KE3_8zGXaw", "a-b-c-d-e-f", "_x6uYqmx31-", "x6uYqmx31kE")


@pytest.fixture
def vox1(tmp_path, make_audio) -> Path:
    """VoxCeleb1 as unpacked: two training speakers in dev, two test speakers in test."""
    root = tmp_path / "vox 1"
    for folder, speakers in {
        "vox1_dev_wav/wav": ("id10001", "id11251"),
        "vox1_test_wav/wav": ("id10270", "id10309"),
    }.items():
        for speaker in speakers:
            for video in AWKWARD:
                for segment in ("00001", "00012"):
                    make_audio(root / folder / speaker / video / f"{segment}.wav")
    return root


@pytest.fixture
def vox2(tmp_path, make_audio) -> Path:
    """VoxCeleb2 as unpacked: dev/aac and, of the test part, aac. The m4a are wavs in disguise."""
    root = tmp_path / "vox2's"
    for folder, speaker in (("dev/aac", "id00012"), ("dev/aac", "id09272"), ("aac", "id00017")):
        for segment in ("00001", "00002"):
            wav = make_audio(root / folder / speaker / "-1-_bcdefgh" / f"{segment}.wav")
            wav.rename(wav.with_suffix(".m4a"))
    return root


@pytest.fixture
def own_list(tmp_path) -> Path:
    path = tmp_path / "mine.txt"
    path.write_text(
        "1 id10270/-KE3_8zGXaw/00001.wav id10270/a-b-c-d-e-f/00012.wav\n"
        "0 id10270/_x6uYqmx31-/00001.wav id10309/x6uYqmx31kE/00001.wav\n"
    )
    return path
