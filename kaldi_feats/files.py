"""What every command-line tool here shares: errors a user can act on, and files written whole."""

import contextlib
import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO


class InputError(Exception):
    """A mistake in what the user gave; its text is one line: where, what, and what to do.

    Where a file is at fault the text starts with ``path:line:``, or ``path:`` if no line is.
    """


def run_tool(main: Callable[[], None]) -> int:
    """Run a command-line tool's body and turn what stops it into an exit code.

    Returns 0 on success, 1 after an `InputError` or an `OSError` (one line on stderr, no
    traceback), 130 after Ctrl-C. Anything else is a bug of ours and keeps its traceback.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    try:
        main()
    except (InputError, OSError) as error:
        text = " ".join(str(error).split())
        program = Path(sys.argv[0])
        name = program.parent.name if program.stem == "__main__" else program.stem
        sys.stderr.write(f"{name}: error: {text}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run the same command again to continue\n")
        return 130
    return 0


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a file that appears under its name only when the block ends without an error.

    The text or bytes go to a temporary file beside `path`, which is renamed at the end, so that
    a reader never sees half a file and an interrupted writer leaves the old one in place.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = None if "b" in mode else "utf-8"
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with open(handle, mode, encoding=encoding) as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(beside, 0o666 & ~umask)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        raise


def digest(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's contents, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Stamp:
    """A small JSON file beside a stage's output that says the output is complete, and of what.

    A stage is skipped if its stamp equals the inputs it would now be made from; the stamp is
    removed before the stage's work begins and written after it ends::

        stamp = Stamp(folder / ".fbank.done", {"wav.scp": digest(wav_scp), "nj": 4})
        if not stamp.is_current():
            with stamp.renew():
                ...  # make the output

    Args:
        path: where the stamp lies.
        inputs: what the output depends on, as JSON values: settings, and digests of files.
    """

    def __init__(self, path: str | os.PathLike, inputs: dict):
        self.path = Path(path)
        self.inputs = json.loads(json.dumps(inputs, sort_keys=True))

    def is_current(self) -> bool:
        """Whether the output was completed from these very inputs."""
        try:
            return json.loads(self.path.read_text(encoding="utf-8")) == self.inputs
        except (FileNotFoundError, json.JSONDecodeError):
            return False

    @contextlib.contextmanager
    def renew(self) -> Iterator[None]:
        """Take the stamp away for as long as the output is being made."""
        self.path.unlink(missing_ok=True)
        yield
        with atomic_write(self.path) as file:
            json.dump(self.inputs, file, sort_keys=True, indent=1)
            file.write("\n")
