"""run.sh on miniatures of VoxCeleb1 and VoxCeleb2: real speech in the exact official folders."""

import csv
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile

from speaker_bases.run_dir import RunDir

RATE = 16_000
HAS_FFMPEG = shutil.which("ffmpeg") is not None


def write_speaker(recording: Path, folder: Path, video: str, segments: int, suffix: str) -> None:
    """Cut segments of 1.2 s out of a recording, as if it were a video."""
    samples, rate = soundfile.read(recording)
    assert rate == RATE
    (folder / video).mkdir(parents=True)
    for number in range(segments):
        begin = int(number * 1.2 * RATE)
        wav = folder / video / f"{number + 1:05d}.wav"
        soundfile.write(wav, samples[begin : begin + int(1.2 * RATE)], RATE, subtype="PCM_16")
        if suffix == ".m4a":
            command = ["ffmpeg", "-v", "error", "-i", wav, "-c:a", "aac", wav.with_suffix(suffix)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
            wav.unlink()


@pytest.fixture(scope="module")
def trees(librispeech_mini, tmp_path_factory) -> Path:
    """vox1 and vox2 as unpacked, and a list of trials among VoxCeleb1's test speakers."""
    root = tmp_path_factory.mktemp("voxceleb")
    flacs = sorted((librispeech_mini / "LibriSpeech").glob("train-clean-100/*/*/*.flac"))
    flacs = [path for path in flacs if soundfile.info(path).duration > 8]
    aac = ".m4a" if HAS_FFMPEG else ".wav"
    for folder, ids, suffix in (
        ("vox1/vox1_dev_wav/wav", ("id10001", "id10002", "id11250", "id11251"), ".wav"),
        ("vox1/vox1_test_wav/wav", ("id10270", "id10271", "id10309"), ".wav"),
        ("vox2/dev/aac", ("id00012", "id00015", "id09272"), aac),
        ("vox2/aac", ("id00017",), aac),
    ):
        for speaker in ids:
            for video in ("-KE3_8zGXaw", "a-b-c_d-e-f"):
                write_speaker(flacs.pop(), root / folder / speaker, video, 3, suffix)
    names = [
        f"{speaker}/{video}/{segment:05d}.wav"
        for speaker in ("id10270", "id10271", "id10309")
        for video in ("-KE3_8zGXaw", "a-b-c_d-e-f")
        for segment in (1, 2, 3)
    ]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    rows = [f"{int(a[:7] == b[:7])} {a} {b}\n" for a, b in pairs]
    (root / "miniature.txt").write_text("".join(rows))
    return root


def recipe(project_root: Path, root: Path, corpus: str, *options: str):
    """Run the recipe; returns its results by system and back-end."""
    folder = root / corpus
    command = [project_root / "run.sh", "--use-active-env", "true", "--corpus", corpus]
    command += ["--data", folder / "data", "--exp", folder / "exp"]
    command += ["--trials", root / "miniature.txt", *options]
    command += ["--allow-missing", "true"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    with open(folder / "exp" / "results.csv", newline="") as file:
        return {(row["system"], row["backend"]): row for row in csv.DictReader(file)}, run.stdout


def small(*settings: str) -> str:
    words = ["crop_frames=24", "epochs=1", "batch.size=4", "bn_momentum=0.5", *settings]
    return " ".join(f"--set {word}" for word in words)


def check(row: dict) -> None:
    assert row["trial_list"] == "miniature" and row["trials"] == "153" and row["targets"] == "45"
    assert 0 <= float(row["eer_percent"]) <= 100
    assert row["paper_eer_percent"] == "", "the paper has no number on this list"


def test_voxceleb1(project_root, trees):
    options = ["--corpus-dir", trees / "vox1", "--systems", "proposed2"]
    options += ["--train-opts", small("losses.hard_negative.num_negatives=2")]
    results, printed = recipe(project_root, trees, "voxceleb1", *options)
    assert set(results) == {("baseline", "cosine"), ("proposed2", "cosine")}
    check(results["proposed2", "cosine"])
    system = RunDir(trees / "voxceleb1/exp/proposed2/seed0")
    assert system.speakers.read_text().split() == ["id10001", "id10002", "id11250", "id11251"]
    assert "| Proposed 2 | L_H + L_BC | vox1-o | 5.55 | not run |" in printed
    assert "## Trial list miniature, cosine" in printed


@pytest.fixture(scope="module")
def voxceleb2(project_root, trees):
    """All stages with Table 3's network and the b-vector, which are this corpus' defaults."""
    options = ["--corpus-dir", trees / "vox2", "--test-corpus-dir", trees / "vox1"]
    options += ["--systems", "vox2_proposed_h50", "--backend-opts"]
    options += ["--set epochs=2 --set batch_size=8"]
    options += ["--train-opts", small("losses.hard_negative.num_negatives=2")]
    return recipe(project_root, trees, "voxceleb2", *options)


def test_voxceleb2(voxceleb2, trees):
    results, printed = voxceleb2
    assert set(results) == {("baseline", "cosine"), ("vox2_proposed_h50", "bvector")}
    check(results["vox2_proposed_h50", "bvector"])
    system = RunDir(trees / "voxceleb2/exp/vox2_proposed_h50/seed0")
    assert system.speakers.read_text().split() == ["id00012", "id00015", "id00017", "id09272"]
    tests = (trees / "voxceleb2/data/test/wav.scp").read_text().splitlines()
    assert len(tests) == 42  # all of VoxCeleb1, dev too
    for name, eer in {"vox1-o": "2.66", "vox1-e": "2.43", "vox1-h": "4.08"}.items():
        assert f"| L_BC + L_H, H = 50 | L_BC + L_H | {name} | {eer} | not run |" in printed


@pytest.mark.skipif(not HAS_FFMPEG, reason="without ffmpeg the miniature of VoxCeleb2 is of wavs")
def test_voxceleb2_trains_on_its_m4a(voxceleb2, trees):
    train = trees / "voxceleb2/data/train"
    sources = (train / "wav.scp").read_text().splitlines()
    assert len(sources) == 24
    assert all("ffmpeg" in line and ".m4a" in line and line.endswith("|") for line in sources)
    frames = [int(line.split()[1]) for line in (train / "utt2num_frames").read_text().splitlines()]
    # AAC adds what is missing to its last block of 64 ms.
    assert len(frames) == 24 and all(118 <= count <= 130 for count in frames)
