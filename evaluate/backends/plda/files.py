"""Files of a PLDA model: Kaldi's, which ivector-compute-plda writes, and those of a run."""

import os

from ....command_line import InputError
from ....kaldi_feats.object_writer import writing
from ....kaldi_feats.objects import read_matrix, read_vector, reading
from ....run_dir import RunDir
from ....stamp import Stamp
from ...scoring.plda import PldaScorer
from ...scoring.projection import Projection
from ...scoring.two_covariance import Plda


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


def load_scorer(run: RunDir) -> PldaScorer:
    """Load what a run has learnt.

    Raises:
        InputError: if it is not there or not complete, or a file is damaged.
    """
    made = Stamp(run.plda_done, {}).read()
    if made is None or not run.plda.is_file():
        raise InputError(f"{run.plda}: no complete PLDA back-end; run stage 4 again")
    projection = Projection(
        read_vector(run.plda_mean) if run.plda_mean.is_file() else None,
        read_matrix(run.plda_lda) if run.plda_lda.is_file() else None,
    )
    return PldaScorer(
        projection, read_plda(run.plda), bool(made.get("simple_length_normalization"))
    )
