"""Where the tests find the data that is not part of the repository, and how patient they are."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from speaker_bases.kaldi_feats.data_dir import write_table
from speaker_bases.kaldi_feats.reader import MatrixWriter, VectorWriter
from tests.fuzzing import TALLY

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell's background job ignores Ctrl-C, and what it starts inherits that; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No limits of time: the machine may be slow, or busy with other things.
settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    parser.addoption(
        "--kills", type=int, default=0, help="how often each training of test_kills.py is killed"
    )
    parser.addoption(
        "--long-notebooks", action="store_true", help="run the notebooks with all their seeds"
    )


@pytest.fixture(autouse=True)
def tally_of_damaged_inputs(record_property):
    """For experiments/reliability.py: how many damaged inputs a test has tried."""
    TALLY.clear()
    yield
    if TALLY:
        record_property("mutations", json.dumps(TALLY))


def shared_data(name: str) -> Path:
    shared = Path(os.environ.get("SPEAKER_BASES_SHARED", ROOT.parent / "shared"))
    folder = shared / "data" / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not on this machine (looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def librispeech_mini() -> Path:
    """Real speech: LibriSpeech/ and trials/test-other.txt."""
    return shared_data("librispeech-mini")


@pytest.fixture(scope="session")
def open_sv() -> Path:
    """Real speech of hundreds of speakers: corpus/, with its trial lists in corpus/trials/."""
    return shared_data("open-sv")


@pytest.fixture(scope="session")
def kaldi_golden() -> Path:
    """What Kaldi's own programs compute."""
    return shared_data("kaldi-golden")


@pytest.fixture(scope="session")
def kaldi_golden_ivector() -> Path:
    """A small i-vector and PLDA system, every file computed by Kaldi's own programs."""
    return shared_data("kaldi-golden-ivector")


@pytest.fixture(scope="session")
def voxceleb_trials() -> Path:
    """VoxCeleb1's official original and cleaned trial lists."""
    return shared_data("voxceleb1-trials")


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder that run.sh lies in."""
    return ROOT


FBANK_CONF = """\
--num-mel-bins=64
--window-type=hamming
--dither=0
# apply-cmvn-sliding --center=true --cmn-window=300 --norm-vars=false
"""


@pytest.fixture
def make_data(tmp_path):
    """Write a data directory whose speakers differ in the bands that are loud."""

    def make(num_speakers=4, utterances=3, frames=(20, 30), name="train", seed=0, bands=64):
        folder = tmp_path / name
        rng = np.random.default_rng(seed)
        voices = rng.normal(size=(num_speakers, bands))
        utt2spk, num_frames = {}, {}
        folder.mkdir(exist_ok=True)
        with MatrixWriter(folder / "feats.scp") as writer:
            for speaker in range(num_speakers):
                for number in range(utterances):
                    utterance = f"spk{speaker:02d}-{number:02d}"
                    length = int(rng.integers(*frames))
                    noise = rng.normal(size=(length, bands))
                    writer.write(utterance, voices[speaker] + 0.5 * noise)
                    utt2spk[utterance] = f"spk{speaker:02d}"
                    num_frames[utterance] = str(length)
        write_table(folder / "utt2spk", utt2spk)
        write_table(folder / "utt2num_frames", num_frames)
        (folder / "fbank.conf").write_text(FBANK_CONF)
        return folder

    return make


MFCC_CONF = """\
--num-ceps=2
--num-mel-bins=5
--dither=0
# compute-vad --vad-energy-threshold=5.5
"""


@pytest.fixture
def make_cepstra(tmp_path):
    """Write a data directory of cepstra, whose speakers differ in where their frames gather."""

    def make(num_speakers=4, utterances=6, frames=(60, 90), name="train", seed=0, silent=()):
        folder = tmp_path / f"{name}_mfcc"
        rng = np.random.default_rng(seed)
        utt2spk, num_frames = {}, {}
        folder.mkdir(exist_ok=True)
        with (
            MatrixWriter(folder / "feats.scp") as feats,
            VectorWriter(folder / "vad.scp") as vad,
        ):
            for speaker in range(num_speakers):
                places = rng.normal(size=(3, 2)) * 3
                for number in range(utterances):
                    utterance = f"spk{speaker:02d}-{number:02d}"
                    length = int(rng.integers(*frames))
                    at = places[rng.integers(0, 3, length // 5 + 1).repeat(5)[:length]]
                    feats.write(utterance, at + rng.normal(size=(length, 2)))
                    voiced = np.zeros(length) if utterance in silent else rng.random(length) < 0.8
                    vad.write(utterance, voiced)
                    utt2spk[utterance] = f"spk{speaker:02d}"
                    num_frames[utterance] = str(length)
        write_table(folder / "utt2spk", utt2spk)
        write_table(folder / "utt2num_frames", num_frames)
        (folder / "mfcc.conf").write_text(MFCC_CONF)
        return folder

    return make
