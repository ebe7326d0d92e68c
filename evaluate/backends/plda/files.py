"""Kaldi's file of a PLDA model, which ivector-compute-plda writes."""

import os

from ....kaldi_feats.object_writer import writing
from ....kaldi_feats.objects import reading
from .two_covariance import Plda


def read_plda(path: str | os.PathLike) -> Plda:
    """Read a model, text or binary.

    Raises:
        InputError: with the place in bytes, if the file is not there or no such model.
    """
    with reading(path, "a PLDA model of Kaldi's") as reader:
        reader.expect("<Plda>")
        mean, transform, psi = reader.vector(), reader.matrix(), reader.vector()
        dim = len(mean)
        if transform.shape != (dim, dim) or len(psi) != dim:
            rows, columns = transform.shape
            raise ValueError(
                f"a mean of {dim} numbers, a transform of {rows} x {columns} and {len(psi)} "
                "variances do not belong together"
            )
        if (psi < 0).any():
            raise ValueError(f"a variance between speakers is negative: {psi.min()}")
        reader.expect("</Plda>")
    return Plda(mean, transform, psi)


def write_plda(path: str | os.PathLike, plda: Plda, binary: bool = True) -> None:
    """Write a model as Kaldi's programs read it."""
    with writing(path, binary) as writer:
        writer.token("<Plda>")
        for array in (plda.mean, plda.transform, plda.psi):
            writer.array(array)
        writer.token("</Plda>")
