"""What embeddings and scores were made from, so that what is current is not made again."""

import json
from pathlib import Path

from ..files import digest
from ..kaldi_feats.fbank.options import feature_settings
from ..run_dir import RunDir
from ..stamp import Stamp
from .backends import BACKENDS
from .trial_list import TrialList


def embedding_stamp(run: RunDir, data_dir: Path, name: str, made_by: str) -> Stamp:
    """The stamp of a set's embeddings.

    Args:
        run: the run.
        data_dir: the data directory with the features.
        name: the embeddings' name.
        made_by: what computes them from the features: the network's digest.
    """
    inputs = {
        "made_by": made_by,
        "features": feature_settings(data_dir),
        "feats.scp": digest(data_dir / "feats.scp"),
        # The scp keeps its text when features are made again from other audio; this does not.
        "fbank": _digest_if_there(data_dir / ".fbank.done"),
    }
    return Stamp(run.embeddings_done(name), inputs)


def score_stamp(run: RunDir, trials: TrialList, backend: str, embeddings: str) -> Stamp:
    """The stamp of a trial list's scores by one back-end.

    Args:
        run: the run.
        trials: the list.
        backend: one of `BACKENDS`.
        embeddings: the embeddings' name.
    """
    inputs = {
        "set": embeddings,
        "trials": trials.digest,
        "speakers": _digest_if_there(run.speakers),
        "embeddings.scp": _digest_if_there(run.embeddings(embeddings)),
        # Embeddings that another program made have no stamp.
        "embeddings": _digest_if_there(run.embeddings_done(embeddings)),
    }
    inputs |= BACKENDS.find(backend).made_of(run)
    return Stamp(run.scores_done(trials.name, backend), inputs)


def why_stale(run: RunDir, trials: TrialList, backend: str) -> str | None:
    """Why a score file is not of the run and the trial list as they now are; None if it is.

    A score file without a stamp is another program's, which its user vouches for.
    """
    made = _read(run.scores_done(trials.name, backend))
    if made is None:
        return None
    if not score_stamp(run, trials, backend, made.get("set", "")).is_current():
        return "scored from other embeddings, back-end or trial list; run stage 4 again"
    embedded = _read(run.embeddings_done(made["set"]))
    if embedded and run.embedder.is_file() and embedded["made_by"] != digest(run.embedder):
        return "embedded by an earlier training; run stages 3 and 4 again"
    return None


def _read(path: Path) -> dict | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _digest_if_there(path: Path) -> str | None:
    return digest(path) if path.is_file() else None
