"""A tiny training set in Kaldi's formats, and settings that train on it in seconds."""

import numpy as np
import pytest

from speaker_bases.kaldi_feats.data_dir import write_table
from speaker_bases.kaldi_feats.reader import MatrixWriter

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


@pytest.fixture
def conf_files(project_root, tmp_path):
    """Paths of a system's file and of a corpus file for the tiny set."""
    corpus = tmp_path / "tiny.yaml"
    corpus.write_text("crop_frames: 16\nepochs: 2\nbn_momentum: 0.5\n")

    def files(system):
        return project_root / "conf" / "systems" / f"{system}.yaml", corpus

    return files
