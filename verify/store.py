"""Enrolled voices in a SQLite file: several utterances a speaker, for one model only."""

import contextlib
import hashlib
import os
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..command_line import InputError

FORMAT = "1"
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
    """Speakers and the unit embeddings of their utterances.

    What `enrol` and `remove` have returned from is on the disk: it outlives a kill and a power
    cut. Several processes may read and write at once.

    Args:
        path: the file; it is made if it is not there.
        fingerprint: of the model, in its card. Embeddings of another model are not comparable,
            and a store of another one is refused.
        dim: values of an embedding.
        create: make the file if it is not there.

    Raises:
        InputError: the file is not such a store, is damaged, or of another model.
    """

    def __init__(self, path: str | os.PathLike, fingerprint: str, dim: int, create: bool = False):
        self.path = Path(path)
        self.dim = dim
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
        if about.get("fingerprint") != fingerprint or about.get("dim") != str(dim):
            raise InputError(
                f"{self.path}: enrolled with another model, whose embeddings are not comparable; "
                "use that model, or another store"
            )
        self._cached: tuple[int, list[str], np.ndarray] | None = None

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
            InputError: the name is empty, too long or has control characters, or the file cannot
                be written.
        """
        _check_name(speaker)
        rows = [
            (speaker, hashlib.sha256(row.tobytes()).hexdigest(), row.tobytes())
            for row in _unit(embeddings).astype("<f4")
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

    def voices(self) -> tuple[list[str], np.ndarray]:
        """Every speaker, and the direction of the mean of the unit embeddings.

        Kept until the file changes, by whichever process.

        Returns:
            The names, and (speakers, dim) float32 unit vectors.

        Raises:
            InputError: an embedding in the file is damaged.
        """
        with self._errors():
            (version,) = self._database.execute("PRAGMA data_version").fetchone()
            version += self._database.total_changes << 32
            if self._cached is None or self._cached[0] != version:
                rows = self._database.execute(
                    "SELECT speaker, embedding FROM utterances ORDER BY speaker"
                )
                self._cached = version, *self._means(rows)
        return self._cached[1:]

    def nearest(self, embedding: np.ndarray, most: int = 5) -> list[tuple[str, float]]:
        """The enrolled speakers with the largest cosines, the first one best.

        Args:
            embedding: (dim,) not all zeros.
            most: how many.
        """
        names, voices = self.voices()
        if not names:
            return []
        cosines = voices @ _unit(embedding[None])[0].astype(np.float32)
        best = np.argpartition(-cosines, min(most, len(names)) - 1)[:most]
        best = best[np.argsort(-cosines[best])]
        return [(names[at], float(cosines[at])) for at in best]

    def _means(self, rows: Iterator[tuple[str, bytes]]) -> tuple[list[str], np.ndarray]:
        names: list[str] = []
        blobs: list[bytes] = []
        owners: list[int] = []
        for speaker, blob in rows:
            if not isinstance(blob, bytes) or len(blob) != 4 * self.dim:
                raise InputError(f"{self.path}: an embedding of {speaker!r} is damaged; remove it")
            if not names or names[-1] != speaker:
                names.append(speaker)
            owners.append(len(names) - 1)
            blobs.append(blob)
        vectors = np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), self.dim)
        if not np.isfinite(vectors).all():
            raise InputError(f"{self.path}: holds an embedding that is not finite; it is damaged")
        sums = np.zeros((len(names), self.dim))
        np.add.at(sums, owners, vectors)
        return names, _unit(sums).astype(np.float32)

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


def _unit(vectors: Sequence | np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
