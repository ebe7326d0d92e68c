"""One process at a time at one thing."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from .command_line import InputError


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
    with open(lock_file, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = " ".join(file.read().split()) or "another process is at work here"
            raise InputError(f"{lock_file}: {holder}; wait for it, or stop it") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} is {what}\n")
        file.flush()
        yield
