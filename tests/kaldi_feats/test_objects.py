"""Kaldi's files of one object, text and binary."""

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.object_writer import write_array, writing
from speaker_bases.kaldi_feats.objects import read_matrix, read_vector, reading

VECTOR = np.array([0.1, -2.5e-300, 1 / 3])
MATRIX = np.random.default_rng(0).normal(size=(4, 3))


@pytest.mark.parametrize("binary", [True, False])
def test_what_is_written_is_read_to_the_last_digit(tmp_path, binary):
    path = tmp_path / "object"
    for array, read in ((VECTOR, read_vector), (MATRIX, read_matrix), (MATRIX[:1], read_matrix)):
        write_array(path, array, binary)
        np.testing.assert_array_equal(read(path), array)
        assert path.read_bytes().startswith(b"\0B") == binary


@pytest.mark.parametrize("binary", [True, False])
def test_parts_are_read_in_their_order(tmp_path, binary):
    path = tmp_path / "object"
    with writing(path, binary) as writer:
        writer.token("<A>")
        writer.array(VECTOR)
        writer.array(MATRIX)
        writer.nothing()
        writer.integer(-7)
        writer.symmetric(MATRIX.T @ MATRIX)
        writer.number(1 / 3)
        writer.token("</A>")
    with reading(path, "an A") as reader:
        reader.expect("<A>")
        np.testing.assert_array_equal(reader.vector(), VECTOR)
        np.testing.assert_array_equal(reader.matrix(), MATRIX)
        reader.nothing()
        assert reader.integer() == -7
        lower = np.tril(MATRIX.T @ MATRIX)
        np.testing.assert_array_equal(reader.symmetric(), lower + np.tril(lower, -1).T)
        assert reader.number() == 1 / 3
        reader.expect("</A>")


def test_kaldis_own_files(kaldi_golden_ivector):
    assert read_vector(kaldi_golden_ivector / "mean.vec").shape == (40,)
    lda = read_matrix(kaldi_golden_ivector / "lda.mat")
    assert lda.shape == (15, 41)
    assert lda[0, -1] != 0  # the offset that ivector-compute-lda adds


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "at byte 0: no ']' at its end"),
        (b" [ 1 2 ]\n", "at byte 1: expected a matrix, found a vector"),
        (b" [\n  1 2 ]\n 3\n", "at byte 12: expected the end of the file, found b'3\\n'"),
        (b" [\n  1 nan ]\n", "at byte 1: NaN or infinity in a matrix"),
        (b" [\n  1 2\n  3 ]\n", "at byte 1: rows of different lengths"),
        (b"\0BDM \4\2\0\0\0\4\2\0\0\0half", "at byte 2: its header says 2 x 2 numbers"),
        (b"\0BCM \4\2\0\0\0\4\2\0\0\0" + b"x" * 99, "at byte 2: "),
    ],
)
def test_a_damaged_file_is_one_line_with_the_place(tmp_path, data, message):
    path = tmp_path / "lda.mat"
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        read_matrix(path)
    assert str(error.value).startswith(f"{path}: not a matrix of Kaldi's: {message}")
    assert "\n" not in str(error.value)


def test_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"lda\.mat: no such file; expected a matrix"):
        read_matrix(tmp_path / "lda.mat")
    with pytest.raises(InputError, match="is not a regular file"):
        read_matrix(tmp_path)
