"""The signals that a training heeds."""

import signal
import threading

import keras
import numpy as np
import pytest

from speaker_bases.train.checkpoints import Checkpoints, last_checkpoint, step_of

HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handlers():
    return [signal.getsignal(number) for number in HEEDED]


def fit(checkpoints, at_step=None, do=None, steps=6):
    """Train a tiny model; `do` is called at the end of the batch `at_step`, counted from 1."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")

    def end_batch(batch, logs=None):
        if at_step is not None and batch + 1 == at_step:
            do()

    callbacks = [keras.callbacks.LambdaCallback(on_train_batch_end=end_batch), checkpoints]
    features = np.ones((2 * steps, 2))
    with checkpoints.heeding_signals():
        model.fit(features, features[:, :1], batch_size=2, callbacks=callbacks, verbose=0)


@pytest.mark.parametrize("number", HEEDED)
def test_a_signal_ends_the_training_saved(tmp_path, number):
    before = handlers()
    checkpoints = Checkpoints(tmp_path, steps_per_epoch=6)
    fit(checkpoints, 3, lambda: signal.raise_signal(number))
    assert checkpoints.interrupted
    assert step_of(last_checkpoint(tmp_path)) == 3
    assert handlers() == before


def test_a_second_one_ends_it_at_once(tmp_path):
    before = handlers()

    def twice():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(Checkpoints(tmp_path, steps_per_epoch=6), 3, twice)
    assert handlers() == before


def test_a_training_that_fails_gives_the_signals_back(tmp_path):
    before = handlers()

    def fail():
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        fit(Checkpoints(tmp_path, steps_per_epoch=6), 3, fail)
    assert handlers() == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_nohup_holds(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        checkpoints = Checkpoints(tmp_path, steps_per_epoch=6)
        fit(checkpoints, 3, lambda: signal.raise_signal(signal.SIGHUP))
        assert not checkpoints.interrupted
        assert step_of(last_checkpoint(tmp_path)) == 6
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_training_in_a_thread_leaves_signals_alone(tmp_path):
    before, seen = handlers(), []
    checkpoints = Checkpoints(tmp_path, steps_per_epoch=6)
    worker = threading.Thread(target=fit, args=(checkpoints, 3, lambda: seen.append(handlers())))
    worker.start()
    worker.join()
    assert seen == [before] and checkpoints.step == 6
