"""What every command-line tool here shares: errors, exit codes and types of arguments."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path


class InputError(Exception):
    """A mistake in what the user gave; its text is one line: where, what, and what to do.

    Where a file is at fault the text starts with ``path:line:``, or ``path:`` if no line is.
    """


def run_tool(main: Callable[[], object], failure: int = 1) -> int:
    """Run a command-line tool's body and turn what stops it into an exit code.

    Returns the body's exit code if it returns one, or else 0; `failure` after an `InputError` or
    an `OSError` (one line on stderr, no traceback), 130 after Ctrl-C. Anything else is a bug of
    ours and keeps its traceback.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    try:
        code = main()
    except (InputError, OSError) as error:
        text = " ".join(str(error).split())
        program = Path(sys.argv[0])
        name = program.parent.name if program.stem == "__main__" else program.stem
        sys.stderr.write(f"{name}: error: {text}\n")
        return failure
    except KeyboardInterrupt:
        return interrupted()
    return code if isinstance(code, int) else 0


def interrupted() -> int:
    """Say that the work can be gone on with; returns the exit code for it."""
    sys.stderr.write("interrupted; run the same command again to continue\n")
    return 130


def whole_number(least: int) -> Callable[[str], int]:
    """An argparse type: a whole number of at least `least`, in decimal digits without a sign."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= {least}")
        return int(text)

    return parse
