"""Kaldi's files of mixtures and i-vector extractors, text and binary."""

import os

import numpy as np

from ..kaldi_feats.object_writer import writing
from ..kaldi_feats.objects import ObjectReader, reading
from .extractor import Extractor
from .mixtures import DiagonalMixture, FullMixture


def read_diagonal(path: str | os.PathLike) -> DiagonalMixture:
    """Read a mixture with diagonal covariances, such as ``final.dubm``.

    Raises:
        InputError: with the place in bytes, if the file is not there or no such mixture.
    """
    with reading(path, "a mixture of Kaldi's with diagonal covariances") as reader:
        reader.expect("<DiagGMM>")
        weights = _weights(reader)
        reader.expect("<MEANS_INVVARS>")
        scaled = reader.matrix()
        reader.expect("<INV_VARS>")
        precisions = reader.matrix()
        _same(len(weights), *(len(each) for each in (scaled, precisions)))
        _same(scaled.shape[1], precisions.shape[1])
        if not (precisions > 0).all():
            raise ValueError("a variance is not positive")
        reader.expect("</DiagGMM>")
        with np.errstate(all="ignore"):
            mixture = DiagonalMixture(weights, scaled / precisions, 1.0 / precisions)
        _refuse_overflow(mixture.means, mixture.variances)
    return mixture


def write_diagonal(path: str | os.PathLike, mixture: DiagonalMixture, binary: bool = True) -> None:
    """Write a mixture as Kaldi's programs read it."""
    with writing(path, binary) as writer:
        writer.token("<DiagGMM>")
        for token, array in (
            ("<GCONSTS>", mixture.constants),
            ("<WEIGHTS>", mixture.weights),
            ("<MEANS_INVVARS>", mixture.means / mixture.variances),
            ("<INV_VARS>", 1.0 / mixture.variances),
        ):
            writer.token(token)
            writer.array(array)
        writer.token("</DiagGMM>")


def read_full(path: str | os.PathLike) -> FullMixture:
    """Read a mixture with full covariances, such as ``final.ubm``.

    Raises:
        InputError: as `read_diagonal`.
    """
    with reading(path, "a mixture of Kaldi's with full covariances") as reader:
        reader.expect("<FullGMM>")
        weights = _weights(reader)
        reader.expect("<MEANS_INVCOVARS>")
        scaled = reader.matrix()
        _same(len(weights), len(scaled))
        reader.expect("<INV_COVARS>")
        precisions = _symmetric(reader, *scaled.shape)
        reader.expect("</FullGMM>")
        with np.errstate(all="ignore"):
            means = np.linalg.solve(precisions, scaled[:, :, None])[:, :, 0]
        _refuse_overflow(means)
    return FullMixture(weights, means, precisions)


def write_full(path: str | os.PathLike, mixture: FullMixture, binary: bool = True) -> None:
    """Write a mixture as Kaldi's programs read it."""
    scaled = (mixture.precisions @ mixture.means[:, :, None])[:, :, 0]
    with writing(path, binary) as writer:
        writer.token("<FullGMM>")
        for token, array in (
            ("<GCONSTS>", mixture.constants - 0.5 * np.vecdot(scaled, mixture.means)),
            ("<WEIGHTS>", mixture.weights),
            ("<MEANS_INVCOVARS>", scaled),
        ):
            writer.token(token)
            writer.array(array)
        writer.token("<INV_COVARS>")
        for precision in mixture.precisions:
            writer.symmetric(precision)
        writer.token("</FullGMM>")


def read_extractor(path: str | os.PathLike) -> Extractor:
    """Read an i-vector extractor, such as ``final.ie``, made with ``--use-weights=false``.

    Raises:
        InputError: as `read_diagonal`.
    """
    with reading(path, "an i-vector extractor of Kaldi's (--use-weights=false)") as reader:
        reader.expect("<IvectorExtractor>")
        reader.expect("<w>")
        reader.nothing()
        reader.expect("<w_vec>")
        weights = reader.vector()
        reader.expect("<M>")
        _same(len(weights), reader.integer())
        matrices = []
        for _ in weights:
            matrices.append(reader.matrix())
            _same(*(each.shape for each in (matrices[0], matrices[-1])))
        reader.expect("<SigmaInv>")
        precisions = _symmetric(reader, len(weights), matrices[0].shape[0])
        reader.expect("<IvectorOffset>")
        offset = reader.number()
        reader.expect("</IvectorExtractor>")
    return Extractor(weights, np.stack(matrices), precisions, offset)


def write_extractor(path: str | os.PathLike, extractor: Extractor, binary: bool = True) -> None:
    """Write an extractor as Kaldi's programs read it."""
    with writing(path, binary) as writer:
        writer.token("<IvectorExtractor>")
        writer.token("<w>")
        writer.nothing()
        writer.token("<w_vec>")
        writer.array(extractor.weights)
        writer.token("<M>")
        writer.integer(len(extractor.matrices))
        for matrix in extractor.matrices:
            writer.array(matrix)
        writer.token("<SigmaInv>")
        for precision in extractor.precisions:
            writer.symmetric(precision)
        writer.token("<IvectorOffset>")
        writer.number(extractor.offset)
        writer.token("</IvectorExtractor>")


def _weights(reader: ObjectReader) -> np.ndarray:
    """The weights; the constants before them follow from the rest, and are not believed."""
    reader.expect("<GCONSTS>")
    constants = reader.vector()
    reader.expect("<WEIGHTS>")
    weights = reader.vector()
    _same(len(constants), len(weights))
    if not (weights > 0).all() or abs(weights.sum() - 1) > 0.01:
        raise ValueError("the weights are not positive numbers with a sum of 1")
    return weights


def _symmetric(reader: ObjectReader, number: int, dim: int) -> np.ndarray:
    """So many positive definite matrices (dim, dim)."""
    matrices = []
    for _ in range(number):
        matrix = reader.symmetric()
        _same(dim, len(matrix))
        try:
            np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            raise ValueError("an inverse covariance is not positive definite") from None
        matrices.append(matrix)
    return np.stack(matrices)


def _refuse_overflow(*arrays: np.ndarray) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("a mean or a variance is too large for a number")


def _same(*sizes: int | tuple[int, ...]) -> None:
    if len(set(sizes)) != 1:
        raise ValueError(f"its parts do not belong together: their sizes are {sizes}")
