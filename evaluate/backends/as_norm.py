"""Adaptive score normalisation of cosines (AS-norm), with speakers of the training as impostors."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...command_line import InputError
from ...files import atomic_write, content_digest
from ...lock import locked
from ...run_dir import RunDir
from ...stamp import Stamp
from ..scoring.as_norm import AsNormScorer, as_norm
from ..scoring.enrolment import unit
from ..speaker_space import load_bases
from ..training_set import read_training_set, training_inputs

log = logging.getLogger(__name__)


class AsNorm:
    """Cosines with AS-norm as a back-end; see `Backend`, and `as_norm` for the equation.

    Args:
        cohort: ``bases``, the columns of W: no cohort recordings are needed, as every column is
            an impostor; or ``means``, the mean unit embedding of every training speaker.
    """

    settings: Mapping[str, int | float] = {"top": 300}

    def __init__(self, cohort: str):
        self.cohort = cohort

    def fit(self, run: RunDir, train_dir: Path, settings: Mapping[str, int | float]) -> None:
        """Write the cohort, unit vectors, into the run's folder.

        Raises:
            InputError: if the run has no bases (GE2E), or no embeddings of its training set, or
                `top` is no number of impostors.
        """
        path, done = run.cohort(self.cohort), run.cohort_done(self.cohort)
        if self.cohort == "means":
            inputs = training_inputs(run, train_dir)
        elif run.model.is_file():
            embedder = content_digest(run.embedder) if run.embedder.is_file() else None
            inputs = {"model": content_digest(run.model), "embedder": embedder}
        else:
            raise InputError(
                f"{run.model}: missing, and with it the bases; run stage 2 first, or take "
                "--backend as-norm-means"
            )
        stamp = Stamp(done, inputs | dict(settings), [path])
        if stamp.is_current():
            return
        if self.cohort == "bases" and run.read_config().get("similarity") == "dot":
            log.warning(
                "%s: trained on dot products: its bases do not lie where its embeddings do, and "
                "scores normalised by them have higher error rates",
                run.path,
            )
        vectors = load_bases(run) if self.cohort == "bases" else _means(run, train_dir)
        top = settings["top"]
        if top < 2:
            raise InputError(f"--set top={top}: AS-norm takes the nearest 2 or more impostors")
        with (
            locked(run.lock, f"writing the cohort of {run.path}"),
            stamp.renew(),
            atomic_write(path, "wb") as file,
        ):
            np.savez(file, cohort=unit(vectors), top=np.array(min(top, len(vectors))))

    def made_of(self, run: RunDir) -> dict[str, str | None]:
        """The cohort."""
        path = run.cohort(self.cohort)
        return {"cohort": content_digest(path) if path.is_file() else None}

    def scores(
        self, run: RunDir, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray
    ) -> np.ndarray:
        """See `as_norm`."""
        scorer = self.load(run, embeddings.shape[1])
        return as_norm(embeddings, enrol, test, scorer.cohort, scorer.top)

    def load(self, run: RunDir, dim: int) -> AsNormScorer:
        """The scorer with the run's cohort.

        Raises:
            InputError: the cohort is missing, damaged, or not of embeddings of `dim` values.
        """
        path = run.cohort(self.cohort)
        try:
            with np.load(path, allow_pickle=False) as file:
                cohort, top = file["cohort"], int(file["top"])
        except FileNotFoundError:
            raise InputError(f"{path}: missing; score the list again") from None
        except Exception as error:  # NumPy and zip have one for each way of being damaged
            raise InputError(f"{path}: cannot be read; score the list again") from error
        if cohort.ndim != 2 or cohort.shape[1] != dim:
            raise InputError(f"{path}: not of embeddings of {dim} values")
        return AsNormScorer(cohort, top)


def _means(run: RunDir, train_dir: Path) -> np.ndarray:
    found = read_training_set(run, train_dir)
    return replace(found, embeddings=unit(found.embeddings)).means()
