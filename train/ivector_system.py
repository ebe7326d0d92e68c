"""Stage 2 of an i-vector system: its configuration, and its training in a run's folder."""

import hashlib
import logging
import os
from dataclasses import asdict
from typing import Any

from ..command_line import InputError
from ..files import remove_temporary
from ..ivector.recordings import Recordings
from ..ivector.settings import Settings
from ..ivector.threads import threads
from ..ivector.training import Training, refuse_too_few_recordings, remove_iterations
from ..kaldi_feats.kinds.record import feature_settings
from ..lock import locked
from ..run_dir import RunDir
from ..stamp import Stamp
from .config import LABELS
from .data import TrainingData, refuse_other_kind
from .superseded import changed_keys, move_aside, without

log = logging.getLogger(__name__)


def check_ivector(config: dict[str, Any], data_dir: str | os.PathLike) -> None:
    """Say whether the settings fit the data.

    Raises:
        InputError: they do not, or the data directory is not complete.
    """
    refuse_other_kind(data_dir, config)
    TrainingData(data_dir).refuse_one_speaker()
    settings = Settings(**config["ivector"])
    refuse_too_few_recordings(Recordings(data_dir, settings), settings)


def train_ivector(
    config: dict[str, Any],
    data_dir: str | os.PathLike,
    path: str | os.PathLike,
    seed: int,
    num_jobs: int,
) -> None:
    """Train an i-vector system until it is complete; begin, go on or skip as its folder has it.

    A folder trained with another configuration, other data or another seed is moved to
    `superseded/` beside it, and the training begins anew.

    Args:
        config: what `load_config` returns.
        data_dir: a data directory with cepstra and voiced frames, `data/train_mfcc`.
        path: `<exp>/<system>/seed<k>`.
        seed: of the frames that the mixture begins with, and of the extractor's first matrix.
        num_jobs: threads.

    Raises:
        InputError: bad data, or settings that do not fit it.
    """
    run = RunDir(path)
    refuse_other_kind(data_dir, config)
    data, settings = TrainingData(data_dir), Settings(**config["ivector"])
    data.refuse_one_speaker()
    recordings = Recordings(data_dir, settings)
    fingerprint = hashlib.sha256((data.fingerprint + recordings.vad.digest()).encode()).hexdigest()
    resolved = config | {
        "ivector": asdict(settings),
        "seed": seed,
        "num_speakers": len(data.speakers),
        "num_utterances": len(data.utterances),
        "data": fingerprint,
        "features": feature_settings(data_dir),
    }
    outputs = (run.diagonal_mixture, run.mixture, run.extractor, run.speakers)
    stamp = Stamp(run.trained, without(resolved, LABELS), outputs)
    with locked(run.lock, f"training {run.path}"):
        remove_temporary(run.path, run.ivector)
        if stamp.is_current():
            run.write_config(resolved)  # the labels may be others
            remove_iterations(run)
            log.info("%s is complete", run.path)
            return
        refuse_too_few_recordings(recordings, settings)
        _move_aside_if_other(run, resolved)
        run.write_config(resolved)
        run.write_speakers(data.speakers)
        with threads(num_jobs) as each:
            training = Training(run, recordings, settings, fingerprint, seed, each)
            with stamp.renew():
                training.finish()
        remove_iterations(run)
    log.info("%s is complete", run.path)


def _move_aside_if_other(run: RunDir, resolved: dict[str, Any]) -> None:
    """Make room if the folder holds a training of something else."""
    try:
        changed = changed_keys(run.read_config(), resolved, LABELS)
    except InputError as error:
        if run.ivector.is_dir() or run.config.exists():
            move_aside(run, f"its configuration cannot be read: {error}")
        return
    if changed:
        move_aside(run, f"it was trained with other settings ({', '.join(changed)})")
