"""Keras for the command-line tools: imported late, on a backend that they know, without chatter."""

import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .command_line import InputError

BACKENDS = ("tensorflow", "jax")
"""Those that the recipe runs on; the losses and networks by themselves run on every one."""

# What TensorFlow's and XLA's C++ writes while it is imported, before it listens to
# TF_CPP_MIN_LOG_LEVEL: all that is for information, and the warnings that every machine with a GPU
# gets.
_CHATTER = re.compile(
    rb"""WARNING:\ All\ log\ messages\ before\ absl::InitializeLog\(\)
    | I\d{4}\ [\d:.]+\ +\d+\ \S+\.(cc|h):\d+\]
    | [WE]\d{4}\ [\d:.]+\ +\d+\ \S+\.(cc|h):\d+\]\ (
        Unable\ to\ register\ cu\w+\ (plugin\ )?factory | computation\ placer\ already\ registered)
    | To\ enable\ the\ following\ instructions:\ .*\ rebuild\ TensorFlow
    """,
    re.VERBOSE,
)


def check_backend() -> None:
    """Refuse a backend that the tools do not run on, before any work is done.

    Raises:
        InputError: `KERAS_BACKEND`, or else Keras's own configuration, names another.
    """
    name = os.environ.get("KERAS_BACKEND") or _configured()
    if name not in BACKENDS:
        raise InputError(
            f"Keras's backend is {name!r} (KERAS_BACKEND, or keras.json), and this runs on "
            "TensorFlow or JAX: set KERAS_BACKEND=tensorflow or jax"
        )


def load_keras() -> None:
    """Import Keras and the backend below it, which takes seconds.

    Raises:
        InputError: as `check_backend`.
    """
    check_backend()
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with without_chatter():
        import keras  # noqa: F401


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what the block writes to file descriptor 2, and pass it on at the end.

    TensorFlow's known chatter is left out, unless the block fails: then all is shown.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # closed: nothing is shown anyway
        yield
        return
    known = _CHATTER
    with tempfile.TemporaryFile() as held:
        _flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            known = None
            raise
        finally:
            _flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            lines = [line for line in held if not (known and known.match(line))]
            with contextlib.suppress(OSError):
                os.write(2, b"".join(lines))


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


def _configured() -> str:
    """The backend of Keras's configuration file, or else Keras's default."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"
