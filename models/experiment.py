"""Where the files of a trained system lie: the one place that knows."""

import os
from pathlib import Path


class ExperimentDir:
    """One trained system, ``<exp>/<system>/seed<k>``, and the names of the files in it.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.speakers = self.path / "speakers.txt"
        self.model = self.path / "model.keras"
        self.embedder = self.path / "embedder.keras"
        self.log = self.path / "log.csv"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.bvector = self.path / "bvector.keras"
        self.bvector_log = self.path / "bvector.csv"
        self.bvector_done = self.path / ".bvector.done"

    def embeddings(self, data_set: str) -> Path:
        """The scp of the embeddings of one set (``train``, ``test``); its ark lies beside it."""
        return self.path / "embeddings" / f"{data_set}.scp"

    def scores(self, trial_list: str, backend: str = "cosine") -> Path:
        """The scores of one trial list: lines of ``enrol test score``."""
        return self.path / "scores" / f"{trial_list}.{backend}.txt"
