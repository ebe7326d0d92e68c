"""Files that are written whole or not at all, and digests of what they hold."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

REMEMBERED = ".digests.json"
"""The file, beside the files that it is about, that `content_digest` keeps what it has read in."""


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Open a file that appears under its name only when the block ends without an error.

    The text or bytes go to a temporary file beside `path`, which is on the disk before it is
    renamed at the end: a reader never sees half a file, an interrupted writer leaves the old one
    in place, and a power cut leaves the one or the other.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = None if "b" in mode else "utf-8"
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask
    try:
        with open(handle, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        raise


def remove_temporary(*folders: str | os.PathLike) -> None:
    """Remove what killed writers have left in folders; only for one who holds their lock."""
    for folder in folders:
        for path in Path(folder).glob(".*.tmp*"):
            if path.is_file():
                path.unlink(missing_ok=True)


def digest(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's contents, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(path: str | os.PathLike) -> str:
    """The same of a file that may be large: read once, and then remembered.

    What was read is kept in `REMEMBERED` beside the file, with the file's size and time of
    modification in nanoseconds: as long as these are the same, the contents are trusted to be. A
    folder that cannot be written to costs a read each time.
    """
    return content_digests([path])[os.fspath(path)]


def content_digests(paths: Iterable[str | os.PathLike]) -> dict[str, str]:
    """`content_digest` of many files, by path as given; each folder's memory is read once."""
    by_folder: dict[Path, list[str]] = {}
    for path in paths:
        by_folder.setdefault(Path(path).absolute().parent, []).append(os.fspath(path))
    digests = {}
    for folder, names in by_folder.items():
        known = _remembered(folder)
        new = {}
        for path in names:
            status = os.stat(path)
            name, state = os.path.basename(path), [status.st_size, status.st_mtime_ns]
            if known.get(name, [])[:2] != state:
                known[name] = new[name] = [*state, digest(path)]
            digests[path] = known[name][2]
        if new:
            there = {name: entry for name, entry in known.items() if (folder / name).exists()}
            with contextlib.suppress(OSError), atomic_write(folder / REMEMBERED) as file:
                json.dump(there, file, sort_keys=True)
    return digests


def _remembered(folder: Path) -> dict[str, list]:
    """What the folder's memory says, without whatever in it is not of the right form."""
    try:
        entries = json.loads((folder / REMEMBERED).read_text(encoding="utf-8"))
        return {
            name: entry
            for name, entry in entries.items()
            if isinstance(entry, list)
            and list(map(type, entry)) == [int, int, str]
            and len(entry[2]) == 64
        }
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder last; not every file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
