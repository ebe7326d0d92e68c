"""Scores that another program made."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...command_line import InputError
from ...run_dir import RunDir


class Imported:
    """What such scores are called among those of the back-ends; see `Backend`, and `import_run`."""

    settings: Mapping[str, int | float] = {}

    def fit(self, run: RunDir, train_dir: Path, settings: Mapping[str, int | float]) -> None:
        """Nothing to learn."""

    def made_of(self, run: RunDir) -> dict[str, str | None]:
        """Nobody knows."""
        return {}

    def scores(
        self, run: RunDir, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray
    ) -> np.ndarray:
        """Refuse.

        Raises:
            InputError: only that program can make more of them.
        """
        raise InputError(
            f"{run.path}: its scores are another program's, which cannot be made here; import "
            "them, or take another --backend"
        )
