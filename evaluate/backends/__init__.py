"""How two embeddings are compared: one module a back-end, found by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from ...registry import Registry
from ...run_dir import RunDir

Setting = bool | int | float | str
"""A setting's value; what ``--set`` gives is read as the type of the default."""


class Backend(Protocol):
    """A way to compare two embeddings, which may have to learn from the training set first.

    A model of several utterances is scored as the mean of their unit embeddings, unless a back-end
    has a rule of its own: a method ``model_scores(run, embeddings, models, test)``; see
    `enrolment.score_models`.

    Attributes:
        settings: the names of its settings and their defaults; ``--set`` changes them.
    """

    settings: Mapping[str, Setting]

    def fit(self, run: RunDir, train_dir: Path, settings: Mapping[str, Setting]) -> None:
        """Learn what the scores need, unless it is there; write it into the run's folder.

        Args:
            run: a trained run, with the embeddings of its training set.
            train_dir: the training set's data directory.
            settings: a value for each of `settings`.

        Raises:
            InputError: if something is missing, or does not fit together.
        """

    def made_of(self, run: RunDir) -> dict[str, str | None]:
        """What the scores depend on besides the embeddings: digests of what was learnt."""

    def scores(
        self, run: RunDir, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray
    ) -> np.ndarray:
        """Score trials.

        Args:
            run: the run.
            embeddings: (utterances, dim) float32, finite, no row all zeros.
            enrol: (trials,) int, the row of each trial's first utterance.
            test: (trials,) int, the row of the second.

        Returns:
            (trials,) float64, larger for the same speaker.

        Raises:
            InputError: if what the back-end has learnt is missing or not of this run.
        """


BACKENDS: Registry[Backend] = Registry("back-end")

from .as_norm import AsNorm  # noqa: E402  they take `Backend` from here
from .bvector import BVector  # noqa: E402
from .cosine import Cosine  # noqa: E402
from .euclidean import Euclidean  # noqa: E402
from .imported import Imported  # noqa: E402
from .plda import PldaBackend  # noqa: E402

BACKENDS.add("cosine", Cosine())
BACKENDS.add("euclidean", Euclidean())
BACKENDS.add("bvector", BVector())
BACKENDS.add("imported", Imported())
BACKENDS.add("plda", PldaBackend())
BACKENDS.add("as-norm-bases", AsNorm("bases"))
BACKENDS.add("as-norm-means", AsNorm("means"))
