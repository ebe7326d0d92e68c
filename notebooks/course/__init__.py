"""What the notebooks share: a toy to train, speech, pictures, and exercises that check themselves.

A notebook begins with ``from course import ...`` and keeps in its own cells all that it teaches.
"""

import inspect
import os
import textwrap
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

ROOT = Path(__file__).resolve().parents[2]
"""The folder that run.sh lies in."""

SHORT = bool(os.environ.get("SPEAKER_BASES_SHORT_NOTEBOOKS"))
"""Whether the notebooks run in their short form, as the tests run them: fewer seeds."""

SEEDS = (0, 1) if SHORT else (0, 1, 2, 3, 4)
"""The seeds over which the notebooks repeat what depends on one."""


def say(text: str) -> None:
    """Show Markdown that a cell has put together, numbers and all."""
    from IPython.display import Markdown, display

    display(Markdown(text))


def show(*functions) -> None:
    """Show the source of functions or classes as it is installed, and where it stands."""
    for function in functions:
        place = function.__module__.removeprefix("speaker_bases.").replace(".", "/")
        source = textwrap.dedent(inspect.getsource(function))
        say(f"`{place}.py`, `{function.__qualname__}`\n```python\n{source}```")
