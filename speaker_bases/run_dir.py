"""Where the files of a training run lie, and what its configuration says: the one place that knows.

A run is one system trained with one seed, ``<exp>/<system>/seed<k>``.
"""

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from .command_line import InputError
from .files import atomic_write, content_digest
from .yaml_files import read_yaml

REQUIRED = ("system", "seed", "loss", "features")
"""What every configuration of a run says."""


class RunDir:
    """The names of the files of one run, and its configuration.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        # Beside the folder, which a training of something else moves away.
        self.lock = self.path.parent / f".{self.path.name}.lock"
        self.logs = self.path / "log"  # what the tools said, by run.sh
        # stage 2
        self.config = self.path / "config.yaml"
        self.speakers = self.path / "speakers.txt"
        self.model = self.path / "model.keras"
        self.embedder = self.path / "embedder.keras"
        self.trained = self.path / ".train.done"
        self.log = self.path / "log.csv"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / "best"  # of the epochs measured on held-out speakers
        self.tensorboard = self.path / "tensorboard"
        # stage 2 of an i-vector system: Kaldi's files
        self.ivector = self.path / "ivector"
        self.diagonal_mixture = self.ivector / "final.dubm"
        self.mixture = self.ivector / "final.ubm"
        self.extractor = self.ivector / "final.ie"
        self.posteriors = self.ivector / "posteriors"  # while it trains
        # what a back-end learns in stage 4
        self.bvector = self.path / "bvector.keras"
        self.bvector_log = self.path / "bvector.csv"
        self.bvector_done = self.path / ".bvector.done"
        self.plda = self.path / "plda" / "plda"
        self.plda_lda = self.path / "plda" / "lda.mat"
        self.plda_mean = self.path / "plda" / "mean.vec"
        self.plda_done = self.path / "plda" / ".done"

    def iteration(self, name: str) -> Path:
        """What an iteration of an i-vector system's training has made, such as ``3.ie``."""
        return self.ivector / name

    def iteration_done(self, name: str) -> Path:
        """The stamp of that iteration."""
        return self.ivector / f".{name}.done"

    def embedder_digest(self) -> str | None:
        """Changes with what makes this run's embeddings of features; None if nothing is there.

        That is a network, or a mixture of Gaussians and an i-vector extractor.
        """
        if self.embedder.is_file():
            return content_digest(self.embedder)
        parts = (self.mixture, self.extractor)
        if not all(part.is_file() for part in parts):
            return None
        return hashlib.sha256("".join(map(content_digest, parts)).encode()).hexdigest()

    def refuse_no_network(self) -> None:
        """Raise an InputError unless the run has a network."""
        if self.embedder.is_file():
            return
        if "ivector" in self.read_config():
            raise InputError(f"{self.path}: an i-vector system, and this takes a network")
        raise InputError(f"{self.embedder}: missing; finish the training first (stage 2)")

    def cohort(self, name: str) -> Path:
        """The impostors that scores are normalised by."""
        return self.path / f"cohort.{name}.npz"

    def cohort_done(self, name: str) -> Path:
        """The stamp of those impostors."""
        return self.path / f".cohort.{name}.npz.done"

    def calibration(self, trial_list: str, backend: str) -> Path:
        """What turns the scores of one back-end into log-likelihood ratios."""
        return self.path / "calibration" / f"{trial_list}.{backend}.json"

    def calibrations(self) -> Iterator[Path]:
        """Every file of `calibration`."""
        return iter(sorted((self.path / "calibration").glob("[!.]*.json")))

    @property
    def system(self) -> str:
        """The name of the folder that holds the system's seeds."""
        return self.path.parent.name

    # stage 3

    def embeddings(self, name: str) -> Path:
        """The scp of the embeddings of one set (``train``, ``test``); its ark lies beside it."""
        return self.path / "embeddings" / f"{name}.scp"

    def embeddings_done(self, name: str) -> Path:
        """The stamp of those embeddings; another program's have none."""
        return self.path / "embeddings" / f".{name}.done"

    # stage 4

    def scores(self, trial_list: str, backend: str = "cosine") -> Path:
        """The scores of one trial list: lines of ``enrol test score``."""
        return self.path / "scores" / f"{trial_list}.{backend}.txt"

    def scores_done(self, trial_list: str, backend: str = "cosine") -> Path:
        """The stamp of those scores; another program's have none."""
        return self.path / "scores" / f".{trial_list}.{backend}.txt.done"

    def scored(self) -> Iterator[tuple[str, str]]:
        """The trial list and the back-end of every score file."""
        for path in sorted((self.path / "scores").glob("[!.]*.*.txt")):
            trial_list, backend = path.name.removesuffix(".txt").rsplit(".", 1)
            yield trial_list, backend

    # what the files hold

    def read_config(self) -> dict:
        """Read ``config.yaml``.

        Raises:
            InputError: if it is missing, is not YAML, or lacks one of `REQUIRED`.
        """
        if not self.config.is_file():
            raise InputError(f"{self.config}: missing; train the system first (stage 2)")
        config = read_yaml(self.config)
        missing = [key for key in REQUIRED if key not in config]
        if missing:
            raise InputError(f"{self.config}: lacks {', '.join(missing)}; train the system again")
        return config

    def read_held_out(self) -> set[str]:
        """The speakers of the training set that were held out to choose the epoch.

        Raises:
            InputError: as `read_config`.
        """
        return set(self.read_config().get("held_out", ()))

    def write_config(self, config: dict) -> None:
        """Write ``config.yaml``, whole or not at all."""
        with atomic_write(self.config) as file:
            yaml.safe_dump(config, file, sort_keys=False, allow_unicode=True)

    def read_speakers(self) -> list[str]:
        """The training speakers in the order of their bases; none for a baseline.

        Raises:
            InputError: if ``speakers.txt`` is missing.
        """
        if not self.speakers.is_file():
            raise InputError(f"{self.speakers}: missing; finish the training first (stage 2)")
        return self.speakers.read_text(encoding="utf-8").split()

    def write_speakers(self, speakers: list[str]) -> None:
        """Write ``speakers.txt``, a line each."""
        with atomic_write(self.speakers) as file:
            file.writelines(f"{speaker}\n" for speaker in speakers)


def read_log(path: Path) -> list[dict[str, str]]:
    """The lines of a ``log.csv``: `epoch`, `step`, `seconds` and each loss, as text.

    Raises:
        InputError: with the line, if the file is missing or a line is not of its form.
    """
    try:
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
        if "\r" in text:
            raise csv.Error("a line's end within a line")
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; train the system first (stage 2)") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: damaged: {error}; move it away") from None
    for line, row in enumerate(rows, start=2):
        numbers = [row.get(name) or "" for name in ("epoch", "step", "seconds")]
        if None in row or None in row.values() or not all(map(_is_number, numbers)):
            raise InputError(f"{path}:{line}: not a line of a training's log; move the file away")
    return rows


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal() and text.isascii() and len(text) < 20


def runs(exp: str | os.PathLike) -> Iterator[RunDir]:
    """The runs under ``<exp>`` that have a configuration, by system and seed."""
    return (run for run in run_folders(exp) if run.config.is_file())


def run_folders(exp: str | os.PathLike) -> Iterator[RunDir]:
    """The folders of runs under ``<exp>``, whatever they hold, by system and seed."""
    return (RunDir(path) for path in sorted(Path(exp).glob("*/seed*")) if path.is_dir())
