"""Progress on run.sh's console."""

import contextlib
import os
import pty

import keras
import numpy as np
import pytest

from speaker_bases import progress as module
from speaker_bases.progress import CONSOLE, fit_progress, progress


@pytest.fixture
def console(monkeypatch):
    """Ends of a pipe and of a terminal that stand for the console; reads what arrived there."""
    opened = []

    def open_console(pair):
        reader, writer = pair
        opened.extend(pair)
        monkeypatch.setenv(CONSOLE, str(writer))

        def read() -> str:
            os.set_blocking(reader, False)
            pieces = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    pieces.append(os.read(reader, 100_000))
            return b"".join(pieces).decode()

        return read

    yield open_console
    for descriptor in opened:
        os.close(descriptor)


@pytest.fixture
def clock(monkeypatch):
    """The time that tqdm sees."""
    now = [1000.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def test_a_line_now_and_then(console, clock):
    read = console(os.pipe())
    bar = progress(total=100, desc="embed test", unit="utt")
    for _ in range(50):
        bar.update()
        clock[0] += 1
    lines = read().splitlines()
    assert len(lines) == 1
    assert "embed test: 31 % (31 of 100)" in lines[0] and lines[0].endswith(" left")
    for _ in range(50):
        bar.update()
        clock[0] += 1
    bar.close()
    assert 1 <= len(read().splitlines()) <= 2


def test_what_takes_no_time_says_nothing(console, clock):
    read = console(os.pipe())
    assert list(progress(range(1000), desc="quick")) == list(range(1000))
    assert read() == ""


def test_a_bar_on_a_terminal_is_one_line_that_goes_away(console):
    read = console(pty.openpty())
    bar = progress(total=2, desc="embed", mininterval=0)
    bar.update()
    bar.close()
    text = read()
    assert "embed" in text and "\n" not in text
    assert text.rstrip("\r").rpartition("\r")[2].strip() == ""


@pytest.mark.parametrize("value", [None, "", "x", "987"])
def test_without_a_console_there_is_silence_where_there_is_no_terminal(monkeypatch, capfd, value):
    monkeypatch.delenv(CONSOLE, raising=False)
    if value is not None:
        monkeypatch.setenv(CONSOLE, value)
    assert list(progress(range(3))) == [0, 1, 2]
    assert capfd.readouterr() == ("", "")
    assert fit_progress(3, 4) == []


def test_a_training_shows_its_epoch_and_its_loss(console, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0)
    read = console(os.pipe())
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    features = np.ones((12, 2))
    callbacks = fit_progress(epochs=3, steps_per_epoch=3, first_step=3)
    model.fit(features, features[:, :1], 4, 3, 0, callbacks, initial_epoch=1)
    text = read()
    assert "epoch 2/3: 44 % (4 of 9)" in text
    assert "epoch 3/3: 100 % (9 of 9), 00:00 left, loss " in text
