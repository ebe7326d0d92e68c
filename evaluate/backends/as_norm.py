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
from ..speaker_space import load_bases
from ..training_set import read_training_set
from .cosine import cosine_scores

log = logging.getLogger(__name__)

_BLOCK_VALUES = 8_000_000
"""Cosines with the cohort taken at a time: 64 MB."""


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
        source = run.model
        if self.cohort == "means":
            source = run.embeddings(train_dir.resolve().name).with_suffix(".ark")
        if not source.is_file():
            stage = 3 if self.cohort == "means" else 2
            raise InputError(f"{source}: missing; run stage {stage} first")
        stamp = Stamp(done, {"source": content_digest(source)} | dict(settings), [path])
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
            np.savez(file, cohort=_unit(vectors), top=np.array(min(top, len(vectors))))

    def made_of(self, run: RunDir) -> dict[str, str | None]:
        """The cohort."""
        path = run.cohort(self.cohort)
        return {"cohort": content_digest(path) if path.is_file() else None}

    def scores(
        self, run: RunDir, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray
    ) -> np.ndarray:
        """See `as_norm`."""
        path = run.cohort(self.cohort)
        try:
            with np.load(path, allow_pickle=False) as file:
                cohort, top = file["cohort"], int(file["top"])
        except FileNotFoundError:
            raise InputError(f"{path}: missing; score the list again") from None
        except Exception as error:  # NumPy and zip have one for each way of being damaged
            raise InputError(f"{path}: cannot be read; score the list again") from error
        if cohort.ndim != 2 or cohort.shape[1] != embeddings.shape[1]:
            raise InputError(f"{path}: not of embeddings of {embeddings.shape[1]} values")
        return as_norm(embeddings, enrol, test, cohort, top)


def as_norm(
    embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray, cohort: np.ndarray, top: int
) -> np.ndarray:
    """Adaptive symmetric normalisation (Matejka et al. 2017, "AS-norm 1") of cosines.

    ``1/2 ((s - mean_e) / std_e + (s - mean_t) / std_t)``, where s is the cosine of a trial, and
    mean_e and std_e are over the `top` largest cosines between its first embedding and the cohort,
    mean_t and std_t between its second and the cohort.

    Args:
        embeddings: (utterances, dim), finite, no row all zeros.
        enrol: (trials,) int, the row of each trial's first utterance.
        test: (trials,) int, the row of the second.
        cohort: (impostors, dim), unit vectors.
        top: how many of the nearest impostors count; from 2 to all of them.

    Returns:
        (trials,) float64; the same for (a, b) as for (b, a).
    """
    cosines = cosine_scores(embeddings, enrol, test)
    used, place = np.unique(np.concatenate([enrol, test]), return_inverse=True)
    mean, std = _nearest(embeddings[used], cohort, top)
    enrol, test = place[: len(enrol)], place[len(enrol) :]
    return 0.5 * ((cosines - mean[enrol]) / std[enrol] + (cosines - mean[test]) / std[test])


def _nearest(embeddings: np.ndarray, cohort: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each embedding's `top` largest cosines with the cohort."""
    mean, std = np.empty(len(embeddings)), np.empty(len(embeddings))
    cohort = cohort.T.astype(np.float64)
    block = max(1, _BLOCK_VALUES // cohort.shape[1])
    for start in range(0, len(embeddings), block):
        rows = slice(start, start + block)
        cosines = _unit(embeddings[rows]) @ cohort
        nearest = np.partition(cosines, -top, axis=1)[:, -top:]
        mean[rows], std[rows] = nearest.mean(axis=1), nearest.std(axis=1)
    return mean, np.maximum(std, 1e-9)  # a cohort of copies has none


def _means(run: RunDir, train_dir: Path) -> np.ndarray:
    found = read_training_set(run, train_dir)
    return replace(found, embeddings=_unit(found.embeddings)).means()


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
