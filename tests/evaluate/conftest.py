"""Small data directories and systems, as the stages before evaluation leave them."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from speaker_bases.kaldi_feats.data_dir import write_table
from speaker_bases.kaldi_feats.reader import MatrixWriter, VectorWriter
from speaker_bases.run_dir import RunDir

FBANK_CONF = """\
--num-mel-bins={bins}
--dither=0
# apply-cmvn-sliding --center=true --cmn-window=300 --norm-vars=false
"""
BINS = 8


class Corpus:
    """A data folder with a test set of `speakers` x `per_speaker` utterances and a trial list."""

    def __init__(self, path: Path, speakers=4, per_speaker=3, list_name="synthetic"):
        self.path = path
        self.test = path / "test"
        self.utt2spk = {
            f"spk{s}-u{u}": f"spk{s}" for s in range(speakers) for u in range(per_speaker)
        }
        self.utterances = list(self.utt2spk)
        write_table(self.test / "utt2spk", self.utt2spk)
        self.write_trials(list_name, self.all_pairs())
        self.write_fbank_conf()

    def write_fbank_conf(self, bins=BINS):
        (self.test / "fbank.conf").write_text(FBANK_CONF.format(bins=bins))

    def all_pairs(self):
        return [(a, b) for i, a in enumerate(self.utterances) for b in self.utterances[i + 1 :]]

    def write_trials(self, name, pairs):
        path = self.test / "trials" / name
        path.parent.mkdir(exist_ok=True)
        lines = []
        for a, b in pairs:
            same = self.utt2spk.get(a) == self.utt2spk.get(b)
            lines.append(f"{a} {b} {'target' if same else 'nontarget'}\n")
        path.write_text("".join(lines))
        return path

    def write_features(self, seed=0, lengths=None, **changed):
        """Random features, some of them `changed` by name."""
        rng = np.random.default_rng(seed)
        lengths = lengths or {u: int(rng.integers(20, 200)) for u in self.utterances}
        self.features = {
            u: rng.normal(size=(lengths[u], BINS)).astype(np.float32) for u in self.utterances
        } | changed
        with MatrixWriter(self.test / "feats.scp") as writer:
            for utterance, matrix in self.features.items():
                writer.write(utterance, matrix)
        counts = {utterance: str(len(m)) for utterance, m in self.features.items()}
        write_table(self.test / "utt2num_frames", counts)


class System(RunDir):
    """A folder that looks like a trained system's."""

    def configure(self, system="softmax", seed=0, speakers=("train1", "train2"), **more):
        self.path.mkdir(parents=True, exist_ok=True)
        config = {
            "system": system,
            "corpus": "synthetic",
            "seed": seed,
            "loss": "L_S",
            "features": {},
        } | more
        self.config.write_text(yaml.safe_dump(config))
        self.speakers.write_text("".join(f"{speaker}\n" for speaker in speakers))
        return self

    def write_embeddings(self, data_set, vectors):
        with VectorWriter(self.embeddings(data_set)) as writer:
            for utterance, vector in vectors.items():
                writer.write(utterance, vector)

    def write_scores(self, trial_list, rows, backend="cosine"):
        path = self.scores(trial_list, backend)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{a} {b} {s!r}\n" for a, b, s in rows))
        return path


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    return Corpus(tmp_path / "data")


@pytest.fixture
def make_corpus(tmp_path):
    return lambda **options: Corpus(tmp_path / "data", **options)


@pytest.fixture
def make_system(tmp_path):
    def make(name="softmax", seed=0, **config) -> System:
        system = System(tmp_path / "exp" / name / f"seed{seed}")
        return system.configure(config.pop("system", name), seed, **config)

    return make
