"""Which of the enrolled voices are nearest to a recording."""

import numpy as np

from ..evaluate.scoring import Scorer, Voices
from .store import VoiceStore


class EnrolledVoices:
    """The voices of a store, ready to be searched; read again when the store changes.

    Args:
        store: where they are.
        scorer: what compares them.
    """

    def __init__(self, store: VoiceStore, scorer: Scorer):
        self._store = store
        self._scorer = scorer
        self._version: int | None = None
        self._names: list[str] = []
        self._embeddings = np.empty((0, store.dim), np.float32)
        self._ends = np.empty(0, int)
        self._voices: Voices | None = None

    def __len__(self) -> int:
        """How many speakers there are."""
        self._refresh()
        return len(self._names)

    def nearest(self, embedding: np.ndarray, most: int = 5) -> list[tuple[str, float]]:
        """The speakers with the highest scores, and these, the first one best.

        All are scored in single precision, those that are returned once more in double.

        Args:
            embedding: (dim,) finite, not all zeros.
            most: how many.

        Raises:
            InputError: an embedding in the store is damaged.
        """
        self._refresh()
        if not self._names:
            return []
        scores = self._voices.scores(embedding)
        best = np.argpartition(-scores, min(most, len(scores)) - 1)[:most]
        exact = np.array([self._score(at, embedding) for at in best])
        order = np.argsort(-exact)
        return [(self._names[best[at]], float(exact[at])) for at in order]

    def _score(self, at: int, embedding: np.ndarray) -> float:
        start = self._ends[at - 1] if at else 0
        rows = self._embeddings[start : self._ends[at]]
        (score,) = self._scorer.enrol(rows, np.array([len(rows)])).scores(embedding)
        return score

    def _refresh(self) -> None:
        version = self._store.version()
        if version == self._version:
            return
        self._names, self._embeddings, counts = self._store.read()
        self._ends = np.cumsum(counts)
        if self._names:
            self._voices = self._scorer.enrol(self._embeddings, counts, np.float32)
        self._version = version
