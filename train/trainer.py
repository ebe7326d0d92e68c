"""Stage 2: train one system with one seed, from wherever it stands."""

import logging
import os
import sys
from typing import Any

import keras

from ..command_line import InputError
from ..files import remove_temporary
from ..kaldi_feats.kinds.record import feature_settings
from ..lock import locked
from ..models.saving import save_model
from ..progress import fit_progress
from ..run_dir import RunDir
from ..stamp import Stamp
from .checkpoints import Checkpoints, last_checkpoint, load_checkpoint, step_of
from .config import LABELS
from .crops import CropStream
from .data import TrainingData, training_data
from .logs import TrainingLog
from .schedules import schedule_of
from .superseded import changed_keys, move_aside, without
from .systems import build_model, loss_callbacks
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
    there.

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
    with locked(run.lock, f"training {run.path}"):
        remove_temporary(run.path, run.checkpoints, run.best)
        return _train(run, config, resolved, data, held_out, seed, workers)


def _train(
    run: RunDir,
    config,
    resolved,
    data: TrainingData,
    held_out: TrainingData | None,
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
    model = build_model(config, len(data.speakers), config["epochs"] * batches.steps_per_epoch)
    _check_bands(data, model)

    _move_aside_if_other(run, resolved, batches.steps_per_epoch)
    run.write_config(resolved)
    run.write_speakers(data.speakers)

    checkpoints = Checkpoints(run.checkpoints, batches.steps_per_epoch)
    log_file = TrainingLog(run.log, run.tensorboard, checkpoints)
    validation = None
    if held_out is not None:
        validation = Validation(held_out, config, run, log_file, seed)
    _log_beginning(run, resolved, model, batches.steps_per_epoch, checkpoints.step)
    with checkpoints.heeding_signals():
        _fit(model, config, data, batches, log_file, validation, checkpoints, seed, workers)
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


def _fit(model, config, data, batches, log_file, validation, checkpoints, seed, workers) -> None:
    """`fit` to the last epoch; an epoch that was begun before is a `fit` of its own."""
    steps = batches.steps_per_epoch
    losses = loss_callbacks(config)
    while checkpoints.step < config["epochs"] * steps and not checkpoints.stopped:
        epoch, done = divmod(checkpoints.step, steps)
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
                epochs=epoch + 1 if done else config["epochs"],
                steps_per_epoch=steps - done,
                shuffle=False,  # or Keras would shuffle with its own generator
                callbacks=[
                    *([validation] if validation else []),  # adds to what is logged
                    log_file,  # first: killed between the two, an epoch is trained and logged again
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


def _check_bands(data: TrainingData, model: keras.Model) -> None:
    bands, given = model.input_shape[0][-1], data.reader[data.utterances[0]].shape[1]
    if given != bands:
        raise InputError(
            f"{data.reader.scp}:1: the features have {given} values a frame, the network takes "
            f"{bands}: set --num-mel-bins={bands} and no energy in conf/fbank.conf"
        )


def _move_aside_if_other(run: RunDir, resolved: dict[str, Any], steps: int) -> None:
    """Make room if the folder holds a training of something else, or of more epochs."""
    try:
        previous = run.read_config()
    except InputError as error:
        if run.checkpoints.is_dir() or run.config.exists():
            # Of checkpoints without their configuration nobody knows what they were trained as.
            move_aside(run, f"its configuration cannot be read: {error}")
        return
    ignored = LABELS if schedule_of(resolved).needs_last_step else (*LABELS, "epochs")
    changed = changed_keys(previous, resolved, ignored)
    if step_of(last_checkpoint(run.checkpoints)) > resolved["epochs"] * steps:
        changed = sorted({*changed, "epochs"})
    if changed:
        move_aside(run, f"it was trained with other settings ({', '.join(changed)})")


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
