"""Reading and writing ark/scp, and what is said of broken ones."""

import pickle
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.reader import (
    FeatureReader,
    MatrixWriter,
    VectorWriter,
    read_num_frames,
    read_vectors,
)


@pytest.fixture
def matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {f"utt{i}": rng.normal(8, 3, (20 + i, 64)).astype(np.float32) for i in (3, 1, 2)}


@pytest.fixture
def scp(tmp_path, matrices) -> Path:
    path = tmp_path / "with blank" / "feats.train.scp"
    with MatrixWriter(path) as writer:
        for utterance, matrix in matrices.items():
            writer.write(utterance, matrix.astype(np.float64))
    return path


def test_what_is_written_is_read(scp, matrices, monkeypatch):
    monkeypatch.chdir("/")
    reader = FeatureReader(scp)
    assert reader.utterances == list(reader) == ["utt1", "utt2", "utt3"]
    assert len(reader) == 3 and "utt1" in reader and "utt4" not in reader
    for utterance, matrix in matrices.items():
        assert reader[utterance].dtype == np.float32
        np.testing.assert_array_equal(reader[utterance], matrix)
    with pytest.raises(KeyError):
        reader["utt4"]


def test_kaldiio_and_kaldi_find_the_usual_format(scp, matrices):
    """float32, although float64 was given; the ark lies beside the scp."""
    assert scp.with_name("feats.train.ark").read_bytes()[:9] == b"utt3 \0BFM"
    loaded = dict(kaldiio.load_scp(str(scp)).items())
    np.testing.assert_array_equal(loaded["utt2"], matrices["utt2"])


def test_a_reader_can_go_to_another_process(scp):
    reader = pickle.loads(pickle.dumps(FeatureReader(scp)))
    assert reader["utt1"].shape == (21, 64)


def test_compressed_matrices(tmp_path, matrices):
    with MatrixWriter(tmp_path / "f.scp", compress=True) as writer:
        writer.write("utt1", matrices["utt1"])
    assert b"CM " in (tmp_path / "f.ark").read_bytes()[:20]
    read = FeatureReader(tmp_path / "f.scp")["utt1"]
    assert 0 < np.abs(read - matrices["utt1"]).max() < 0.1


def test_kaldis_arks(kaldi_golden, monkeypatch):
    monkeypatch.chdir(kaldi_golden)
    plain, compressed = FeatureReader("fbank64.scp"), FeatureReader("fbank64_compressed.scp")
    decompressed = FeatureReader("fbank64_decompressed.scp")
    assert len(plain) == 8
    for utterance in plain:
        difference = np.abs(compressed[utterance] - decompressed[utterance]).max()
        assert difference < 1e-5
        assert np.abs(compressed[utterance] - plain[utterance]).max() < 0.1


def test_nothing_appears_if_writing_fails(scp, matrices):
    before = {path.name: path.read_bytes() for path in scp.parent.iterdir()}
    with pytest.raises(RuntimeError, match="stop"), MatrixWriter(scp) as writer:
        writer.write("other", matrices["utt1"])
        raise RuntimeError("stop")
    assert {path.name: path.read_bytes() for path in scp.parent.iterdir()} == before


def test_a_pair_is_replaced_as_a_whole(scp, matrices):
    with MatrixWriter(scp) as writer:
        writer.write("other", matrices["utt1"])
    assert FeatureReader(scp).utterances == ["other"]


@pytest.mark.parametrize(
    "array, again, message",
    [(np.zeros(3), False, "rank 2"), (np.zeros((3, 2)), True, "twice")],
)
def test_writer_refuses(tmp_path, array, again, message):
    with pytest.raises(ValueError, match=message), MatrixWriter(tmp_path / "f.scp") as writer:
        writer.write("utt", array)
        if again:
            writer.write("utt", array)


def test_absent_ark(scp):
    scp.with_suffix(".ark").unlink()
    with pytest.raises(InputError, match=r"feats\.train\.scp:2: utt2: .*\.ark is not there"):
        FeatureReader(scp)["utt2"]


@pytest.mark.parametrize("size", [0, 6, 400, 7000, -1, -4, -300, -5625, -5632, -5636])
def test_truncated_ark(scp, size):
    ark = scp.with_suffix(".ark")
    ark.write_bytes(ark.read_bytes()[:size])
    reader = FeatureReader(scp)
    with pytest.raises(InputError, match=r"feats\.train\.scp:2: utt2: cannot read .*truncated"):
        reader["utt2"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_a_number(scp, matrices, value):
    matrices["utt1"][7, 5] = value
    with MatrixWriter(scp) as writer:
        for utterance, matrix in matrices.items():
            writer.write(utterance, matrix)
    reader = FeatureReader(scp)
    assert np.isfinite(reader["utt2"]).all()
    with pytest.raises(InputError, match=r"feats\.train\.scp:1: utt1: NaN or infinity in .*ark:"):
        reader["utt1"]


def test_a_vector_is_not_a_matrix(tmp_path):
    with VectorWriter(tmp_path / "v.scp") as writer:
        writer.write("utt", np.ones(4))
    with pytest.raises(InputError, match=r"v\.scp:1: utt: .*shape \(4,\)"):
        FeatureReader(tmp_path / "v.scp")["utt"]


def test_vectors(tmp_path):
    vectors = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    with VectorWriter(tmp_path / "v.scp") as writer:
        for name, vector in zip("bca", vectors, strict=True):
            writer.write(name, vector)
    names, read = read_vectors(tmp_path / "v.scp")
    assert names == ["a", "b", "c"] and read.dtype == np.float32
    np.testing.assert_array_equal(read, vectors[[2, 0, 1]])


def test_vectors_of_different_lengths(tmp_path):
    with VectorWriter(tmp_path / "v.scp") as writer:
        writer.write("a", np.ones(4))
        writer.write("b", np.ones(5))
    with pytest.raises(InputError, match=r"v\.scp:2: b: the vector has 5 numbers"):
        read_vectors(tmp_path / "v.scp")


def test_num_frames(tmp_path):
    path = tmp_path / "utt2num_frames"
    path.write_text("a 12\nb 3\n")
    assert read_num_frames(tmp_path) == {"a": 12, "b": 3}
    for bad in ("0", "-3", "1.5", "many"):
        path.write_text(f"a 12\nb {bad}\n")
        with pytest.raises(InputError, match="utt2num_frames:2: "):
            read_num_frames(tmp_path)


def test_no_scp(tmp_path):
    with pytest.raises(InputError, match=r"feats\.scp: no such file"):
        FeatureReader(tmp_path / "feats.scp")
