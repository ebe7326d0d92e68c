"""What a back-end learns from: the embeddings of those that the run was trained on."""

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.training_set import read_training_set
from speaker_bases.kaldi_feats.data_dir import write_table
from speaker_bases.kaldi_feats.reader import read_vectors


@pytest.fixture
def system(make_system, tmp_path):
    rng = np.random.default_rng(0)
    system = make_system(speakers=("amy", "cyd"), held_out=["bob"])
    utt2spk = {f"{s}-{u}": s for s in ("amy", "bob", "cyd") for u in range(2)}
    write_table(tmp_path / "train" / "utt2spk", utt2spk)
    system.write_embeddings("train", {u: rng.normal(size=3) for u in utt2spk})
    return system


def test_speakers_held_out_of_training_are_left_out(system, tmp_path):
    found = read_training_set(system, tmp_path / "train")
    assert found.utterances == ["amy-0", "amy-1", "cyd-0", "cyd-1"]
    assert found.speakers == ["amy", "cyd"] and found.labels.tolist() == [0, 0, 1, 1]
    utterances, embeddings = read_vectors(system.embeddings("train"))
    kept = [utterances.index(name) for name in found.utterances]
    np.testing.assert_array_equal(found.embeddings, embeddings[kept])
    np.testing.assert_allclose(found.means()[1], embeddings[4:].mean(axis=0), rtol=1e-6)


def test_a_speaker_without_an_embedding_is_named(system, tmp_path):
    system.write_speakers(["amy", "cyd", "dan"])
    with pytest.raises(InputError, match="no embedding of training speaker dan"):
        read_training_set(system, tmp_path / "train")


def test_somebody_elses_training_set_is_refused(system, tmp_path):
    system.write_speakers(["amy"])
    with pytest.raises(InputError, match=r"train\.scp:5: cyd-0 is of cyd, none of the speakers"):
        read_training_set(system, tmp_path / "train")
