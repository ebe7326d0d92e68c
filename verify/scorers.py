"""What compares embeddings: a run's back-end, and the same in a model card, as JSON values."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..command_line import InputError
from ..evaluate.scoring import Scorer
from ..evaluate.scoring.as_norm import AsNormScorer
from ..evaluate.scoring.cosine import CosineScorer
from ..evaluate.scoring.plda import PldaScorer
from ..evaluate.scoring.projection import Projection
from ..evaluate.scoring.two_covariance import Plda

if TYPE_CHECKING:
    from ..run_dir import RunDir

NAMES = ("cosine", "plda", "as-norm-bases", "as-norm-means")
"""The back-ends whose scores need NumPy alone."""

DTYPES = ("<f4", "<f8")


def of_run(run: "RunDir", name: str, dim: int, fingerprint: str) -> dict:
    """A run's back-end as it stands in a model card.

    Args:
        run: the run.
        name: one of `NAMES`.
        dim: values of an embedding.
        fingerprint: of the run's network.

    Raises:
        InputError: there is no such back-end, what it learns is missing or damaged, or was learnt
            from an earlier network's embeddings.
    """
    if name not in NAMES:
        raise InputError(
            f"{run.path}: scores of {name} need more than its embeddings and NumPy; take --backend "
            f"{', '.join(NAMES[:-1])} or {NAMES[-1]}"
        )
    if name == "cosine":
        return {"name": name}
    from ..evaluate.backends import BACKENDS
    from ..stamp import Stamp

    done = run.plda_done if name == "plda" else run.cohort_done(name.removeprefix("as-norm-"))
    made = Stamp(done, {}).read()
    command = f"python -m speaker_bases.evaluate.score --backend {name}"
    if made is None:
        raise InputError(f"{done}: missing; {command} makes what {name} needs")
    if made.get("embedder") not in (None, fingerprint):
        raise InputError(f"{done}: of an earlier network's embeddings; run stage 3, then {command}")
    scorer = BACKENDS[name].load(run, dim)
    if name == "plda":
        return _of_plda(scorer)
    return {"name": name, "top": scorer.top, "arrays": {"cohort": _packed(scorer.cohort, "<f4")}}


def _of_plda(scorer: PldaScorer) -> dict:
    arrays = {
        "mean": scorer.projection.mean,
        "lda": scorer.projection.lda,
        "plda_mean": scorer.plda.mean,
        "transform": scorer.plda.transform,
        "psi": scorer.plda.psi,
    }
    return {
        "name": "plda",
        "simple_length_normalization": scorer.simple,
        "arrays": {name: _packed(a, "<f8") for name, a in arrays.items() if a is not None},
    }


def _packed(array: np.ndarray, dtype: str) -> dict:
    data = base64.b64encode(array.astype(dtype).tobytes()).decode()
    return {"dtype": dtype, "shape": list(array.shape), "data": data}


def load_scorer(about: dict, dim: int, where: str | Path) -> Scorer:
    """The scorer that a model card describes.

    Args:
        about: ``backend`` of the card.
        dim: values of an embedding.
        where: the card's file, for messages.

    Raises:
        InputError: it is damaged, or of a later version.
    """
    name = about.get("name")
    if name not in NAMES:
        raise InputError(f"{where}: the back-end in its model card is {name!r}, unknown here")
    try:
        scorer = _loaded(name, about, dim)
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{where}: the back-end in its model card is damaged; export the model again"
        ) from error
    if isinstance(scorer, PldaScorer):
        scorer.refuse_misfits(where, dim)
    return scorer


def _loaded(name: str, about: dict, dim: int) -> Scorer:
    if name == "cosine":
        return CosineScorer()
    arrays = {key: _unpacked(value) for key, value in about["arrays"].items()}
    if name == "plda":
        plda = Plda(arrays["plda_mean"], arrays["transform"], arrays["psi"])
        (size,) = plda.psi.shape
        if plda.mean.shape != (size,) or plda.transform.shape != (size, size):
            raise ValueError("parts of different sizes")
        if (plda.psi < 0).any():
            raise ValueError("variances below 0")
        projection = Projection(arrays.get("mean"), arrays.get("lda"))
        if np.ndim(projection.mean) not in (0, 1) or np.ndim(projection.lda) not in (0, 2):
            raise ValueError("no vector and no matrix")
        return PldaScorer(projection, plda, bool(about["simple_length_normalization"]))
    cohort, top = arrays["cohort"], about["top"]
    if cohort.shape != (len(cohort), dim) or type(top) is not int or not 2 <= top <= len(cohort):
        raise ValueError("no cohort of such embeddings")
    return AsNormScorer(cohort, top)


def _unpacked(about: dict) -> np.ndarray:
    if about["dtype"] not in DTYPES:
        raise ValueError(f"numbers of type {about['dtype']}")
    array = np.frombuffer(base64.b64decode(about["data"], validate=True), about["dtype"])
    array = array.reshape(about["shape"]).astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError("numbers that are not finite")
    return array
