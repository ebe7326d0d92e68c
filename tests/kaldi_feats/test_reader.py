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
    for bad in ("0", "-3", "1.5", "many", "9" * 5000, "٣"):
        path.write_text(f"a 12\nb {bad}\n")
        with pytest.raises(InputError, match="utt2num_frames:2: "):
            read_num_frames(tmp_path)


def test_no_scp(tmp_path):
    with pytest.raises(InputError, match=r"feats\.scp: no such file"):
        FeatureReader(tmp_path / "feats.scp")


@pytest.fixture
def run_by_an_ark(tmp_path) -> Path:
    """An ark whose one entry, unpickled, runs code that makes the file `ran` beside it."""

    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    ark = tmp_path / "f.ark"
    with open(ark, "wb") as file:
        kaldiio.save_ark(file, {"utt": Payload()}, write_function="pickle")
    (tmp_path / "f.scp").write_text(f"utt {ark}:4\n")
    return tmp_path / "f.scp"


@pytest.mark.hostile
@pytest.mark.parametrize(
    "read", [read_vectors, lambda scp: FeatureReader(scp)["utt"]], ids=["vectors", "matrices"]
)
def test_no_code_in_an_ark_is_run(run_by_an_ark, read):
    with pytest.raises(InputError, match=r"f\.scp:1: utt: cannot read .*f\.ark:4 .*a pickle"):
        read(run_by_an_ark)
    assert not run_by_an_ark.with_name("ran").exists()


@pytest.mark.parametrize("function", ["soundfile", "numpy", None])
def test_what_is_not_kaldis_is_refused(tmp_path, function):
    array = np.zeros((9, 2), np.float32)
    data = (16000, array[:, 0].astype(np.int16)) if function != "numpy" else array
    with open(tmp_path / "f.ark", "wb") as file:
        kaldiio.save_ark(file, {"utt": data}, write_function=function)
    (tmp_path / "f.scp").write_text(f"utt {tmp_path}/f.ark:4\n")
    with pytest.raises(InputError, match=r"f\.scp:1: utt: .*f\.ark:4 .*not a matrix or vector"):
        FeatureReader(tmp_path / "f.scp")["utt"]


@pytest.mark.hostile
@pytest.mark.parametrize("value", ["touch {} |", "| touch {}", "-", " touch {}|"])
def test_no_command_in_an_scp_is_run(tmp_path, value):
    scp, ran = tmp_path / "f.scp", tmp_path / "ran"
    scp.write_text(f"utt {value.format(ran)}\n")
    with pytest.raises(InputError, match=r"f\.scp:1: utt: .*a command or standard input"):
        FeatureReader(scp)
    with pytest.raises(InputError, match=r"f\.scp:1: utt: .*a command or standard input"):
        read_vectors(scp)
    scp.write_text(f"utt {value.format(ran)}[0:1]\n")
    with pytest.raises(InputError, match=r"f\.scp:1: utt: "):
        FeatureReader(scp)["utt"]
    assert not ran.exists()


@pytest.mark.parametrize(
    "span, rows, columns",
    [
        ("[0:9]", slice(0, 10), slice(None)),
        ("[4:4,0:2]", slice(4, 5), slice(0, 3)),
        ("[,3:5]", slice(None), slice(3, 6)),
        ("[5:23]", slice(5, 21), slice(None)),  # three too many, as Kaldi allows
    ],
)
def test_ranges_are_kaldis(scp, matrices, span, rows, columns):
    scp.write_text("".join(f"{line}{span}\n" for line in scp.read_text().splitlines()))
    np.testing.assert_array_equal(FeatureReader(scp)["utt1"], matrices["utt1"][rows, columns])


@pytest.mark.parametrize("span", ["[5:24]", "[21:22]", "[3:2]", "[0:1:2]", "[5]", "[,60:64]"])
def test_other_ranges_are_refused(scp, span):
    scp.write_text("".join(f"{line}{span}\n" for line in scp.read_text().splitlines()))
    with pytest.raises(InputError, match=r"feats\.train\.scp:1: utt1: cannot read .*range"):
        FeatureReader(scp)["utt1"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", [None, 2, 3, 5])
def test_all_of_kaldis_types_in_binary(tmp_path, dtype, method):
    """FM and DM, CM, CM2 and CM3."""
    matrix = np.random.default_rng(0).normal(size=(12, 5)).astype(dtype)
    ark, scp = str(tmp_path / "f.ark"), str(tmp_path / "f.scp")
    kaldiio.save_ark(ark, {"a": matrix, "b": matrix + 1}, scp=scp, compression_method=method)
    reader, expected = FeatureReader(scp), kaldiio.load_scp(scp)
    for name in "ab":
        np.testing.assert_array_equal(reader[name], expected[name].astype(np.float32))


@pytest.mark.parametrize("text", [False, True])
def test_vectors_and_matrices_in_text_and_double(tmp_path, text):
    ark, scp = str(tmp_path / "v.ark"), str(tmp_path / "v.scp")
    kaldiio.save_ark(ark, {"a": np.array([1.0, 2.0]), "b": np.array([3.5, -4])}, scp, text=text)
    assert read_vectors(scp)[1].tolist() == [[1, 2], [3.5, -4]]
    matrix = np.array([[1.0, 2], [3, 4], [5, 6]])
    kaldiio.save_ark(ark, {"a": matrix, "b": matrix[:1]}, scp, text=text)
    reader = FeatureReader(scp)
    assert reader["a"].tolist() == matrix.tolist() and reader["b"].tolist() == [[1, 2]]


def test_an_ark_that_has_no_end_is_refused(tmp_path):
    (tmp_path / "f.scp").write_text("utt /dev/zero\n")
    with pytest.raises(InputError, match=r"f\.scp:1: utt: .*/dev/zero is not a regular file"):
        FeatureReader(tmp_path / "f.scp")["utt"]


def test_a_header_that_promises_more_than_the_file_holds(tmp_path):
    """Nothing of that size is reserved."""
    huge = b"utt \0BFM \4" + (2**31 - 1).to_bytes(4, "little") + b"\4" + b"\xff\xff\xff\x7f"
    (tmp_path / "f.ark").write_bytes(huge + b"\0" * 100)
    (tmp_path / "f.scp").write_text(f"utt {tmp_path}/f.ark:4\n")
    with pytest.raises(InputError, match="2147483647 numbers, and the file ends before"):
        FeatureReader(tmp_path / "f.scp")["utt"]
