"""Enrolled voices in a SQLite file: several utterances a speaker, for one model only."""

import contextlib
import hashlib
import os
import sqlite3
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..command_line import InputError

FORMAT = "2"
SECONDS = 30
"""How long one waits for another process that writes."""

LONGEST_NAME = 200

_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE utterances (
    speaker TEXT NOT NULL,
    digest TEXT NOT NULL,
    embedding BLOB NOT NULL,
    enrolled TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (speaker, digest)
) WITHOUT ROWID;
"""


class VoiceStore:
    """Speakers and the embeddings of their utterances.

    What `enrol` and `remove` have returned from is on the disk: it outlives a kill and a power
    cut. Several processes may read and write at once.

    Args:
        path: the file; it is made if it is not there.
        fingerprint: of the model, in its card. Embeddings of another model are not comparable,
            and a store of another one is refused.
        dim: values of an embedding; the store's own if None.
        create: make the file if it is not there.

    Raises:
        InputError: the file is not such a store, is damaged, or of another model.
    """

    def __init__(
        self, path: str | os.PathLike, fingerprint: str, dim: int | None, create: bool = False
    ):
        self.path = Path(path)
        if not create and not self.path.is_file():
            raise InputError(f"{self.path}: no such store; enrol somebody first")
        with self._errors():
            self._database = sqlite3.connect(self.path, timeout=SECONDS, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            with self._transaction():
                if not self._database.execute("SELECT 1 FROM sqlite_master").fetchone():
                    for statement in filter(str.strip, _TABLES.split(";")):
                        self._database.execute(statement)
                    about = {"format": FORMAT, "fingerprint": fingerprint, "dim": str(dim)}
                    self._database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            about = dict(self._database.execute("SELECT key, value FROM about"))
        if about.get("format") != FORMAT:
            raise InputError(f"{self.path}: not a store of voices of this version")
        self.dim = int(about["dim"]) if dim is None else dim
        if about.get("fingerprint") != fingerprint or about.get("dim") != str(self.dim):
            raise InputError(
                f"{self.path}: enrolled with another model, whose embeddings are not comparable; "
                "use that model, or another store"
            )

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def enrol(self, speaker: str, embeddings: np.ndarray) -> int:
        """Add utterances to a speaker, all of them or none.

        Args:
            speaker: a name; one that is there gets more utterances.
            embeddings: (utterances, dim); one that the speaker has already is not added again.

        Returns:
            How many utterances the speaker then has.

        Raises:
            InputError: the name is empty, too long or has control characters; an embedding is of
                another length, not finite or all zeros; or the file cannot be written.
        """
        _check_name(speaker)
        embeddings = np.asarray(embeddings, dtype="<f4")
        if embeddings.ndim != 2 or embeddings.shape[1] != self.dim or _damaged(embeddings).any():
            raise InputError(
                f"{speaker!r}: expected embeddings (utterances, {self.dim}), finite and none all "
                f"zeros; received {embeddings.shape}"
            )
        rows = [
            (speaker, hashlib.sha256(row.tobytes()).hexdigest(), row.tobytes())
            for row in embeddings
        ]
        with self._errors(), self._transaction():
            self._database.executemany(
                "INSERT OR IGNORE INTO utterances (speaker, digest, embedding) VALUES (?, ?, ?)",
                rows,
            )
            (count,) = self._database.execute(
                "SELECT COUNT(*) FROM utterances WHERE speaker = ?", (speaker,)
            ).fetchone()
        return count

    def remove(self, speaker: str) -> int:
        """Remove a speaker; returns how many utterances went.

        Raises:
            InputError: nobody of that name is enrolled.
        """
        with self._errors(), self._transaction():
            gone = self._database.execute("DELETE FROM utterances WHERE speaker = ?", (speaker,))
            count = gone.rowcount
        if not count:
            raise InputError(f"{self.path}: nobody called {speaker!r} is enrolled")
        return count

    def speakers(self) -> dict[str, int]:
        """How many utterances each speaker has, by name."""
        with self._errors():
            return dict(
                self._database.execute(
                    "SELECT speaker, COUNT(*) FROM utterances GROUP BY speaker ORDER BY speaker"
                )
            )

    def version(self) -> int:
        """Another one whenever the file has changed, by whichever process."""
        with self._errors():
            (version,) = self._database.execute("PRAGMA data_version").fetchone()
        return version + (self._database.total_changes << 32)

    def read(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Everything that is enrolled.

        Returns:
            The speakers' names; the embeddings (utterances, dim) float32, speaker by speaker; and
            how many of them are each one's, (speakers,) int.

        Raises:
            InputError: an embedding in the file is damaged.
        """
        counts: dict[str, int] = {}
        blobs: list[bytes] = []
        with self._errors():
            for speaker, blob in self._database.execute(
                "SELECT speaker, embedding FROM utterances ORDER BY speaker"
            ):
                if not isinstance(blob, bytes) or len(blob) != 4 * self.dim:
                    raise self._damaged(speaker)
                counts[speaker] = counts.get(speaker, 0) + 1
                blobs.append(blob)
        embeddings = np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), self.dim)
        names, numbers = list(counts), np.array(list(counts.values()), dtype=int)
        bad = np.flatnonzero(_damaged(embeddings))
        if len(bad):
            raise self._damaged(names[np.searchsorted(np.cumsum(numbers), bad[0], side="right")])
        return names, embeddings, numbers

    def _damaged(self, speaker: str) -> InputError:
        return InputError(
            f"{self.path}: an embedding of {speaker!r} is damaged; remove the speaker, and enrol "
            "them again"
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise InputError(f"{self.path}: {error}; not a store of voices, or damaged") from error


def _check_name(speaker: str) -> None:
    good = speaker.strip() == speaker and 0 < len(speaker) <= LONGEST_NAME
    if not good or any(unicodedata.category(letter)[0] == "C" for letter in speaker):
        raise InputError(
            f"the name {speaker[:80]!r}: a speaker's name has 1 to {LONGEST_NAME} letters, no "
            "blanks at its ends and no control characters"
        )


def _damaged(embeddings: np.ndarray) -> np.ndarray:
    return ~np.isfinite(embeddings).all(axis=1) | ~embeddings.any(axis=1)
