"""What embeddings and scores were made from, so that what is current is not made again."""

import json
from pathlib import Path

from ..kaldi_feats.fbank_options import feature_settings
from ..kaldi_feats.files import Stamp, digest
from ..models.experiment import ExperimentDir
from .trial_list import trial_list_path


def embedding_stamp(system: ExperimentDir, data_dir: Path, data_set: str, made_by: str) -> Stamp:
    """The stamp of a set's embeddings.

    Args:
        system: the system.
        data_dir: the data directory with the features.
        data_set: the embeddings' name.
        made_by: what computes them from the features: the network's digest.
    """
    inputs = {
        "made_by": made_by,
        "features": feature_settings(data_dir),
        "feats.scp": digest(data_dir / "feats.scp"),
        # The scp keeps its text when features are made again from other audio; this does not.
        "fbank": _digest_if_there(data_dir / ".fbank.done"),
    }
    return Stamp(_embedding_stamp_path(system, data_set), inputs)


def score_stamp(
    system: ExperimentDir, data_dir: Path, trial_list: str, backend: str, data_set: str
) -> Stamp:
    """The stamp of a trial list's scores by one back-end."""
    scores = system.scores(trial_list, backend)
    inputs = {
        "set": data_set,
        "trials": digest(trial_list_path(data_dir, trial_list)),
        "utt2spk": digest(data_dir / "utt2spk"),
        "speakers": _digest_if_there(system.speakers),
        "embeddings.scp": _digest_if_there(system.embeddings(data_set)),
        # Embeddings that another program made have no stamp.
        "embeddings": _digest_if_there(_embedding_stamp_path(system, data_set)),
    }
    if backend == "bvector":
        inputs["bvector"] = _digest_if_there(system.bvector)
    return Stamp(_score_stamp_path(scores), inputs)


def why_stale(system: ExperimentDir, data_dir: Path, trial_list: str, backend: str) -> str | None:
    """Why a score file is not of the system and the trial list as they now are; None if it is.

    A score file without a stamp is another program's, which its user vouches for.
    """
    if not (data_dir / "trials" / trial_list).is_file():
        return f"{data_dir / 'trials'} has no list {trial_list}"
    scores = system.scores(trial_list, backend)
    made = _read(_score_stamp_path(scores))
    if made is None:
        return None
    stamp = score_stamp(system, data_dir, trial_list, backend, made.get("set", ""))
    if not stamp.is_current():
        return "scored from other embeddings, back-end or trial list; run stage 4 again"
    embedded = _read(_embedding_stamp_path(system, made["set"]))
    if embedded and system.embedder.is_file() and embedded["made_by"] != digest(system.embedder):
        return "embedded by an earlier training; run stages 3 and 4 again"
    return None


def _read(path: Path) -> dict | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _score_stamp_path(scores: Path) -> Path:
    return scores.with_name(f".{scores.name}.done")


def _embedding_stamp_path(system: ExperimentDir, data_set: str) -> Path:
    return system.embeddings(data_set).with_name(f".{data_set}.done")


def _digest_if_there(path: Path) -> str | None:
    return digest(path) if path.is_file() else None
