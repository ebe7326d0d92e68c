"""One process at a time at one thing."""

import contextlib
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from .command_line import InputError, run_tool


@contextlib.contextmanager
def locked(lock_file: str | os.PathLike, what: str) -> Iterator[None]:
    """Hold a lock for this process: another that asks for it meanwhile is refused.

    The lock is held by the process and not by the file, which stays: it ends with the process,
    however that ends.

    Args:
        lock_file: made if it is not there; it lies beside what it protects.
        what: what is done, for the message that the other one gets: "training exp/a/seed0".

    Raises:
        InputError: another process holds the lock; says which, on which machine.
    """
    lock_file = Path(lock_file)
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with open(lock_file, "a", encoding="utf-8") as file:
        lock(file.fileno(), lock_file, os.getpid(), what)
        yield


def lock(descriptor: int, lock_file: Path, process: int, what: str) -> None:
    """Lock a file that is open, for all processes that have inherited the descriptor.

    Raises:
        InputError: another process holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = lock_file.read_text(encoding="utf-8", errors="replace")
        holder = " ".join(text.split()) or "another process is at work here"
        raise InputError(f"{lock_file}: {holder}; wait for it, or stop it") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {process} on {socket.gethostname()} is {what}\n".encode())


def main(argv: list[str] | None = None) -> int:
    """For shell scripts: `python -m speaker_bases.lock DESCRIPTOR LOCK_FILE PROCESS WHAT`."""
    descriptor, lock_file, process, what = sys.argv[1:] if argv is None else argv
    return run_tool(lambda: lock(int(descriptor), Path(lock_file), int(process), what))


if __name__ == "__main__":
    raise SystemExit(main())
