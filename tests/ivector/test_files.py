"""Kaldi's files of mixtures and extractors."""

import gzip

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.ivector.extractor import Extractor
from speaker_bases.ivector.files import (
    read_diagonal,
    read_extractor,
    read_full,
    write_diagonal,
    write_extractor,
    write_full,
)
from speaker_bases.ivector.mixtures import DiagonalMixture, FullMixture
from tests.fuzzing import INPUTS, damaged, value_or_refusal


@pytest.fixture(scope="module")
def models():
    """A reader, a writer and a small model of each kind."""
    rng = np.random.default_rng(0)
    weights, means = np.array([0.25, 0.75]), rng.normal(size=(2, 3))
    roots = rng.normal(size=(2, 3, 3))
    precisions = np.array([np.tril(p) + np.tril(p, -1).T for p in roots @ roots.mT + np.eye(3)])
    diagonal = DiagonalMixture(weights, means, 1 / rng.uniform(0.5, 2, size=(2, 3)))
    extractor = Extractor(weights, rng.normal(size=(2, 3, 4)), precisions, 12.5)
    return {
        "diagonal": (read_diagonal, write_diagonal, diagonal),
        "full": (read_full, write_full, FullMixture(weights, means, precisions)),
        "extractor": (read_extractor, write_extractor, extractor),
    }


KINDS = ("diagonal", "full", "extractor")


def arrays(model):
    return {name: value for name, value in vars(model).items() if not name.startswith("_")}


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read(tmp_path, models, kind, binary):
    read, write, model = models[kind]
    write(tmp_path / "model", model, binary)
    found = read(tmp_path / "model")
    for name, value in arrays(found).items():
        np.testing.assert_allclose(value, getattr(model, name), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(tmp_path, models, kind):
    read, write, model = models[kind]
    path, wholes = tmp_path / "model", []
    for binary in (True, False):
        write(path, model, binary)
        wholes.append(path.read_bytes())
    for data, _ in damaged(path, wholes, INPUTS // 2):
        found = value_or_refusal(lambda: read(path), path, data)
        if found is not None:
            assert all(np.isfinite(value).all() for value in arrays(found).values())


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("final.dubm", "final.dubm.txt", read_diagonal),
        ("final.ubm", "final.ubm.txt.gz", read_full),
        ("final.ie", "final.ie.txt.gz", read_extractor),
    ],
)
def test_kaldis_own_files_binary_and_text(kaldi_golden_ivector, tmp_path, name, text, read):
    data = (kaldi_golden_ivector / text).read_bytes()
    path = tmp_path / "text"
    path.write_bytes(gzip.decompress(data) if text.endswith(".gz") else data)
    binary, as_text = read(kaldi_golden_ivector / name), read(path)
    for key, value in arrays(binary).items():
        np.testing.assert_allclose(getattr(as_text, key), value, rtol=1e-5, atol=2e-5, err_msg=key)


def test_the_constants_of_a_mixture_are_kaldis(kaldi_golden_ivector, tmp_path):
    lines = (kaldi_golden_ivector / "final.dubm.txt").read_text().splitlines()
    kaldis = [float(word) for word in lines[1].split()[2:-1]]
    constants = read_diagonal(kaldi_golden_ivector / "final.dubm").constants
    np.testing.assert_allclose(constants, kaldis, rtol=1e-5)
    write_full(tmp_path / "ubm", read_full(kaldi_golden_ivector / "final.ubm"), binary=False)
    with gzip.open(kaldi_golden_ivector / "final.ubm.txt.gz", "rt") as file:
        kaldis = [float(word) for word in file.readlines()[1].split()[2:-1]]
    ours = [float(word) for word in (tmp_path / "ubm").read_text().splitlines()[0].split()[3:-1]]
    np.testing.assert_allclose(ours, kaldis, rtol=1e-4)


def test_another_kind_of_model_is_refused(kaldi_golden_ivector):
    message = r"final\.ubm: not a mixture of Kaldi's with diagonal covariances: at byte 2: expected"
    with pytest.raises(InputError, match=message):
        read_diagonal(kaldi_golden_ivector / "final.ubm")
