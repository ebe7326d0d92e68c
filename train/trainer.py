"""Stage 2: train one system with one seed, from wherever it stands."""

import logging
import os
import sys
from typing import Any

import keras

from ..command_line import InputError
from ..files import remove_temporary
from ..kaldi_feats.kinds import FBANK, KINDS, FeatureKind
from ..kaldi_feats.kinds.record import feature_settings
from ..lock import locked
from ..models.saving import load_model, save_model
from ..progress import fit_progress
from ..run_dir import RunDir
from ..stamp import Stamp
from .checkpoints import (
    Checkpoints,
    last_checkpoint,
    load_checkpoint,
    step_of,
    weights_digest,
)
from .coherence import phases
from .config import LABELS
from .crops import CropStream
from .data import TrainingData, training_data
from .logs import TrainingLog
from .pair_mining import PairMining
from .superseded import move_aside_if_other, without
from .systems import build_model, loss_callbacks, network_settings
from .validation import Validation

log = logging.getLogger(__name__)


def train(
    config: dict[str, Any],
    data_dir: str | os.PathLike,
    path: str | os.PathLike,
    seed: int = 0,
    workers: int = 1,
) -> bool:
    """Train a system until it is complete; begin, go on or skip as its folder has it.

    A folder trained with another configuration, other data or another seed is moved to
    `superseded/` beside it, and the training begins anew; only more epochs are added to what is
    there. Of two trainings (see `phases`) the first has a folder of its own, `pretraining/` in that
    of the second.

    Args:
        config: what `load_config` returns.
        data_dir: a data directory with features, `data/train`.
        path: `<exp>/<system>/seed<k>`.
        seed: of the initial weights, the order of the utterances and the crops.
        workers: threads that read features ahead, if 2 or more.

    Returns:
        Whether the system is complete; `False` after Ctrl-C, SIGTERM or SIGHUP, with what was
        reached saved.

    Raises:
        InputError: bad data, settings that do not fit it, or a loss that became NaN or infinite.
    """
    run = RunDir(path)
    *first, config = phases(config)
    data, held_out = training_data(data_dir, config, seed)
    resolved = config | {
        "seed": seed,
        "num_speakers": len(data.speakers),
        "num_utterances": len(data.utterances),
        "data": data.fingerprint,
        "features": feature_settings(data_dir),
    }
    if held_out is not None:
        resolved["held_out"] = held_out.speakers
    pretrained = None
    for before in first:
        data.check(config)  # not after days of the first
        network_settings(config)
        if not train(before, data_dir, run.pretraining.path, seed, workers):
            return False
        pretrained = load_model(run.pretraining.embedder)
        weights = weights_digest(pretrained)
        resolved["pretraining"] = {"epochs": before["epochs"], "weights": weights}
    with locked(run.lock, f"training {run.path}"):
        remove_temporary(run.path, run.checkpoints, run.best, run.mining)
        return _train(run, config, resolved, data, held_out, pretrained, seed, workers)


def _train(
    run: RunDir,
    config,
    resolved,
    data: TrainingData,
    held_out: TrainingData | None,
    pretrained: keras.Model | None,
    seed: int,
    workers: int,
) -> bool:
    """`train`, by the process that holds the run's lock."""
    outputs = (run.model, run.embedder, run.speakers)
    stamp = Stamp(run.trained, without(resolved, LABELS), outputs)
    if stamp.is_current():
        run.write_config(resolved)  # the labels may be others
        log.info("%s is complete (%d epochs)", run.path, config["epochs"])
        return True

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(config["dtype_policy"])
    data.check(config)
    batches = data.batches(config, seed)
    steps = config["epochs"] * batches.steps_per_epoch
    model = build_model(config, len(data.speakers), steps, pretrained)
    _check_bands(data, model, KINDS[config.get("feature_kind", FBANK.name)])

    move_aside_if_other(run, resolved, steps, reached=step_of(last_checkpoint(run.checkpoints)))
    run.write_config(resolved)
    run.write_speakers(data.speakers)

    checkpoints = Checkpoints(run.checkpoints, batches.steps_per_epoch)
    log_file = TrainingLog(run.log, run.tensorboard, checkpoints)
    validation = None
    if held_out is not None:
        validation = Validation(held_out, config, run, log_file, seed)
    mining = None
    if getattr(batches, "mined_per_batch", 0):
        mining = PairMining(data, config, run, batches, seed)
    _log_beginning(run, resolved, model, batches.steps_per_epoch, checkpoints.step)
    # The first adds to what is logged.
    callbacks = [*([validation] if validation else []), log_file]
    with checkpoints.heeding_signals():
        _fit(model, config, data, batches, callbacks, checkpoints, mining, seed, workers)
    if checkpoints.diverged:
        raise InputError(
            f"{run.path}: the loss is not a finite number after step {checkpoints.step}; "
            "lower optimizer.learning_rate or look at the features"
        )
    if checkpoints.interrupted:
        return False
    if validation is not None:
        validation.load_best(model)
        _end(model, loss_callbacks(config))
    with stamp.renew():
        save_model(model, run.model)
        save_model(model.get_layer("backbone"), run.embedder)
    log.info("%s is complete", run.path)
    return True


def _fit(model, config, data, batches, callbacks, checkpoints, mining, seed, workers) -> None:
    """`fit` to the last epoch, from one phase of mining to the next.

    An epoch that was begun before is a `fit` of its own.
    """
    steps = batches.steps_per_epoch
    losses = loss_callbacks(config)
    while checkpoints.step < config["epochs"] * steps and not checkpoints.stopped:
        epoch, done = divmod(checkpoints.step, steps)
        last = epoch + 1 if done else config["epochs"]
        if mining is not None:
            if not mining.prepare(model, checkpoints):
                break
            last = min(last, mining.next_after(epoch))
        stream = CropStream(
            data.reader,
            data.utterances,
            data.labels,
            data.num_frames,
            batches,
            config["crop_frames"],
            seed,
            first_step=checkpoints.step,
            workers=workers,
            bands=model.input_shape[0][-1],
            begins=config.get("crop_begins", "anywhere"),
            short=config.get("short_utterances", "repeated"),
        )
        try:
            model.fit(
                stream,
                initial_epoch=epoch,
                epochs=last,
                steps_per_epoch=steps - done,
                shuffle=False,  # or Keras would shuffle with its own generator
                callbacks=[
                    # First: killed before the next, an epoch is trained and logged again.
                    *callbacks,
                    checkpoints,
                    *losses,
                    *fit_progress(config["epochs"], steps, checkpoints.step),
                ],
                verbose=1 if sys.stdout.isatty() else 2,
            )
        except Exception:
            # TensorFlow wraps what goes wrong while data are read in an error of its own.
            if stream.error is not None:
                raise stream.error from None
            raise
        if model.optimizer.use_ema:
            # `fit` ends by putting the averages in the weights' place: training goes on from the
            # weights.
            checkpoints.go_on_from_last()
    if checkpoints.resume_from is not None:  # stopped after its last step, before it was saved
        load_checkpoint(checkpoints.resume_from, model)
        model.optimizer.finalize_variable_values(model.trainable_variables)
        _end(model, losses)


def _end(model: keras.Model, callbacks: list[keras.callbacks.Callback]) -> None:
    """What callbacks do when a training ends, to a model whose values were loaded after that."""
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_end()


def _check_bands(data: TrainingData, model: keras.Model, kind: FeatureKind) -> None:
    bands, given = model.input_shape[0][-1], data.reader[data.utterances[0]].shape[1]
    if given != bands:
        raise InputError(
            f"{data.reader.scp}:1: the features have {given} values a frame, the network takes "
            f"{bands}: set {kind.advice(bands)} in conf/{kind.name}.conf"
        )


def _log_beginning(run, resolved, model, steps: int, step: int) -> None:
    log.info(
        "%s: %s on %d speakers, %d utterances; %d parameters; %d epochs of %d batches%s",
        run.path,
        resolved.get("loss", resolved["system"]),
        resolved["num_speakers"],
        resolved["num_utterances"],
        model.count_params(),
        resolved["epochs"],
        steps,
        f"; going on after step {step}" if step else "",
    )
    devices = keras.distribution.list_devices()
    if keras.distribution.distribution() is None:
        devices = devices[:1]
    log.info("%s: on %s, by %s", run.path, ", ".join(devices), keras.backend.backend())
