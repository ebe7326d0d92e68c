"""Stage 2: train one system with one seed, from wherever it stands."""

import hashlib
import logging
import os
import sys
from pathlib import Path
from typing import Any

import keras

from ..kaldi_feats.data_dir import read_table
from ..kaldi_feats.fbank_options import feature_settings
from ..kaldi_feats.files import InputError, Stamp, atomic_write
from ..kaldi_feats.reader import FeatureReader, read_num_frames
from ..models import ExperimentDir
from .checkpoints import Checkpoints, last_checkpoint, step_of
from .config import LABELS, read_config, save_config
from .crops import CropStream, ShuffledUtterances, SpeakersTimesCrops
from .logs import TrainingLog
from .systems import build_model, loss_callbacks

log = logging.getLogger(__name__)


class TrainingData:
    """The utterances of a data directory that have features, and their speakers.

    Attributes:
        reader: the features.
        utterances: ids, sorted.
        labels: the class of each utterance, an index into `speakers`.
        speakers: ids of the N training speakers, sorted.
        fingerprint: changes with any of the above, and with the utterances' lengths.

    Raises:
        InputError: if a file is missing, or an utterance has no speaker or no length.
    """

    def __init__(self, data_dir: str | os.PathLike):
        folder = Path(data_dir)
        self.reader = FeatureReader(folder / "feats.scp")
        self.utterances = self.reader.utterances
        utt2spk = read_table(folder / "utt2spk")
        num_frames = read_num_frames(folder)
        for line, utterance in enumerate(self.utterances, start=1):
            for name, table in (("utt2spk", utt2spk), ("utt2num_frames", num_frames)):
                if utterance not in table:
                    raise InputError(
                        f"{folder / 'feats.scp'}:{line}: utterance {utterance} is not in "
                        f"{folder / name}"
                    )
        self.speakers = sorted({utt2spk[utterance] for utterance in self.utterances})
        classes = {speaker: index for index, speaker in enumerate(self.speakers)}
        self.labels = [classes[utt2spk[utterance]] for utterance in self.utterances]
        text = "\n".join(f"{u} {utt2spk[u]} {num_frames[u]}" for u in self.utterances)
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def batches(self, config: dict[str, Any], seed: int) -> ShuffledUtterances | SpeakersTimesCrops:
        """Which utterances are in which batch, as the configuration's `batch` says."""
        batch, crops = config["batch"], config["crops_per_utterance"]
        if "size" in batch:
            return ShuffledUtterances(self.labels, batch["size"], crops, seed)
        return SpeakersTimesCrops(
            self.labels, batch["speakers"], batch["crops_per_speaker"], crops, seed
        )


def train(
    config: dict[str, Any],
    data_dir: str | os.PathLike,
    out: str | os.PathLike,
    seed: int = 0,
    workers: int = 1,
) -> bool:
    """Train a system until it is complete; begin, go on or skip as its folder has it.

    A folder trained with another configuration, other data or another seed is moved to
    `superseded/` beside it, and the training begins anew; only more epochs are added to what is
    there.

    Args:
        config: what `load_config` returns.
        data_dir: a data directory with features, `data/train`.
        out: `<exp>/<system>/seed<k>`.
        seed: of the initial weights, the order of the utterances and the crops.
        workers: threads that read features ahead.

    Returns:
        Whether the system is complete; `False` after Ctrl-C or SIGTERM, with what was reached
        saved.

    Raises:
        InputError: bad data, settings that do not fit it, or a loss that became NaN or infinite.
    """
    experiment = ExperimentDir(out)
    data = TrainingData(data_dir)
    resolved = config | {
        "seed": seed,
        "num_speakers": len(data.speakers),
        "num_utterances": len(data.utterances),
        "data": data.fingerprint,
        "features": feature_settings(data_dir),
    }
    stamp = Stamp(experiment.path / ".train.done", _without(resolved, LABELS))
    if stamp.is_current():
        save_config(experiment.config, resolved)  # the labels may be others
        log.info("%s is complete (%d epochs)", experiment.path, config["epochs"])
        return True

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(config["dtype_policy"])
    batches = data.batches(config, seed)
    model = build_model(config, len(data.speakers))

    _move_aside_if_other(experiment, resolved, batches.steps_per_epoch)
    save_config(experiment.config, resolved)
    with atomic_write(experiment.speakers) as file:
        file.writelines(f"{speaker}\n" for speaker in data.speakers)

    checkpoints = Checkpoints(experiment.checkpoints, batches.steps_per_epoch)
    _log_beginning(experiment, resolved, model, batches.steps_per_epoch, checkpoints.step)
    _fit(model, config, data, batches, experiment, checkpoints, seed, workers)
    if checkpoints.diverged:
        raise InputError(
            f"{experiment.path}: the loss is not a finite number after step {checkpoints.step}; "
            "lower optimizer.learning_rate or look at the features"
        )
    if checkpoints.interrupted:
        return False
    with stamp.renew():
        _save_model(model, experiment.model)
        _save_model(model.get_layer("backbone"), experiment.embedder)
    log.info("%s is complete", experiment.path)
    return True


def _fit(model, config, data, batches, experiment, checkpoints, seed, workers) -> None:
    """`fit` to the last epoch; an epoch that was begun before is a `fit` of its own."""
    steps = batches.steps_per_epoch
    callbacks = [
        *loss_callbacks(config),
        checkpoints,
        TrainingLog(experiment.log, experiment.tensorboard, checkpoints),
    ]
    while checkpoints.step < config["epochs"] * steps and not model.stop_training:
        epoch, done = divmod(checkpoints.step, steps)
        stream = CropStream(
            data.reader,
            data.utterances,
            data.labels,
            batches,
            config["crop_frames"],
            seed,
            first_step=checkpoints.step,
            workers=workers,
        )
        try:
            model.fit(
                stream,
                initial_epoch=epoch,
                epochs=epoch + 1 if done else config["epochs"],
                steps_per_epoch=steps - done,
                shuffle=False,  # or Keras would shuffle with its own generator
                callbacks=callbacks,
                verbose=1 if sys.stdout.isatty() else 2,
            )
        except Exception:
            # TensorFlow wraps what goes wrong while data are read in an error of its own.
            if stream.error is not None:
                raise stream.error from None
            raise


def _move_aside_if_other(experiment: ExperimentDir, resolved: dict[str, Any], steps: int) -> None:
    """Make room if the folder holds a training of something else, or of more epochs."""
    previous = read_config(experiment.config)
    if previous is None:
        return
    ignored = (*LABELS, "epochs")
    before, now = _without(previous, ignored), _without(resolved, ignored)
    changed = sorted(key for key in before.keys() | now if before.get(key) != now.get(key))
    if step_of(last_checkpoint(experiment.checkpoints)) > resolved["epochs"] * steps:
        changed.append("epochs")
    if not changed:
        return
    shelf = experiment.path.parent / "superseded"
    shelf.mkdir(exist_ok=True)
    number = 1 + sum(1 for _ in shelf.glob(f"{experiment.path.name}-*"))
    target = shelf / f"{experiment.path.name}-{number}"
    log.warning(
        "%s was trained with other settings (%s); moved to %s",
        experiment.path,
        ", ".join(changed),
        target,
    )
    experiment.path.rename(target)


def _without(config: dict[str, Any], keys) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


def _log_beginning(experiment, resolved, model, steps: int, step: int) -> None:
    log.info(
        "%s: %s on %d speakers, %d utterances; %d parameters; %d epochs of %d batches%s",
        experiment.path,
        resolved.get("loss", resolved["system"]),
        resolved["num_speakers"],
        resolved["num_utterances"],
        model.count_params(),
        resolved["epochs"],
        steps,
        f"; going on after step {step}" if step else "",
    )


def _save_model(model: keras.Model, path: Path) -> None:
    """`model.save`, but whole or not at all."""
    beside = path.with_name(f".{path.name}.tmp.keras")
    model.save(beside)
    os.replace(beside, path)
