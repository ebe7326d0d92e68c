"""What embeddings and scores were made from, so that what is current is not made again."""

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
    return Stamp(scores.with_name(f".{scores.name}.done"), inputs)


def _embedding_stamp_path(system: ExperimentDir, data_set: str) -> Path:
    return system.embeddings(data_set).with_name(f".{data_set}.done")


def _digest_if_there(path: Path) -> str | None:
    return digest(path) if path.is_file() else None
