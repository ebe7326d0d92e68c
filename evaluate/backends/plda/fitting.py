"""PLDA of a run: estimated from the embeddings of its training set, or taken from Kaldi's files."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ....command_line import InputError
from ....files import content_digest
from ....kaldi_feats.object_writer import write_array
from ....kaldi_feats.objects import read_matrix, read_vector
from ....lock import locked
from ....run_dir import RunDir
from ....stamp import Stamp
from ...scoring.plda import PldaScorer
from ...scoring.projection import Projection
from ...training_set import read_training_set, training_inputs
from .estimation import train_plda
from .files import read_plda, write_plda
from .lda import train_lda
from .statistics import Statistics, collect

log = logging.getLogger(__name__)

FILES = ("plda_file", "lda_file", "mean_file")


@dataclass(frozen=True)
class Settings:
    """How PLDA is estimated; the defaults are those of Kaldi's programs, but for LDA's dimension.

    Attributes:
        lda: whether the embeddings go through LDA first.
        lda_dim: dimensions that LDA keeps; 0: half of the embeddings', but fewer than speakers.
        total_covariance_factor: of LDA; see `train_lda`.
        iterations: of expectation and maximisation.
        smoothing: of the covariance within speakers; see `Plda.smoothed`.
        simple_length_normalization: see `Plda.transformed`.
        plda_file: somebody's model, to be taken as it is instead of one estimated here; then no
            training set is needed, and of the settings above only the last two count.
        lda_file: with `plda_file`: the LDA that goes with it; without it, none.
        mean_file: with `plda_file`: the mean to subtract before LDA; without it, none.
    """

    lda: bool = True
    lda_dim: int = 0
    total_covariance_factor: float = 0.0
    iterations: int = 10
    smoothing: float = 0.0
    simple_length_normalization: bool = False
    plda_file: str = ""
    lda_file: str = ""
    mean_file: str = ""

    def __post_init__(self):
        for name in ("total_covariance_factor", "smoothing"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"--set {name}={getattr(self, name)}: must be from 0 to 1")
        for name, least in (("lda_dim", 0), ("iterations", 1)):
            if getattr(self, name) < least:
                raise InputError(f"--set {name}={getattr(self, name)}: must be {least} or more")
        if (self.lda_file or self.mean_file) and not self.plda_file:
            raise InputError("--set lda_file= and mean_file= go with plda_file=, the model itself")

    def inputs(self) -> dict:
        """What a model depends on besides the training set: the settings that count here."""
        if not self.plda_file:
            return {key: value for key, value in asdict(self).items() if key not in FILES}
        given = {name: getattr(self, name) for name in FILES}
        for name, path in given.items():
            if path and not Path(path).is_file():
                raise InputError(f"{path}: no such file; correct --set {name}=")
        return {
            "smoothing": self.smoothing,
            "simple_length_normalization": self.simple_length_normalization,
        } | {name: content_digest(path) if path else None for name, path in given.items()}


def fit_plda(run: RunDir, train_dir: Path, settings: Settings) -> None:
    """Put a run's PLDA in place unless it is there.

    A run that was copied without the embeddings of its training set is scored by the model it has,
    if that was made with these settings.

    Args:
        run: a run, with the embeddings of its training set (stage 3).
        train_dir: the training set's data directory.
        settings: see there.

    Raises:
        InputError: if a file is missing or damaged, the training set has too few utterances, or
            another process is at work on the run.
    """
    inputs = settings.inputs()
    stamp = Stamp(run.plda_done, inputs, _outputs(run, settings))
    if not settings.plda_file:
        made = stamp.read() or {}
        embeddings = run.embeddings(train_dir.resolve().name)
        copied = not embeddings.is_file() and made.items() >= inputs.items()
        if copied and not stamp.changed_outputs():
            return
        stamp.inputs |= training_inputs(run, train_dir)
    if stamp.is_current():
        log.info("%s: already complete", run.plda)
        return
    model = _given(settings) if settings.plda_file else _estimated(run, train_dir, settings)
    with locked(run.lock, f"training the PLDA of {run.path}"), stamp.renew():
        for path in (run.plda, run.plda_lda, run.plda_mean):
            path.unlink(missing_ok=True)
        write_plda(run.plda, model.plda.smoothed(settings.smoothing))
        if model.projection.lda is not None:
            write_array(run.plda_lda, model.projection.lda)
        if model.projection.mean is not None:
            write_array(run.plda_mean, model.projection.mean)
    log.info("%s is complete", run.plda)


def _outputs(run: RunDir, settings: Settings) -> list[Path]:
    if settings.plda_file:
        has_lda, has_mean = bool(settings.lda_file), bool(settings.mean_file)
    else:
        has_lda, has_mean = settings.lda, True
    return [
        run.plda,
        *([run.plda_lda] if has_lda else []),
        *([run.plda_mean] if has_mean else []),
    ]


def _given(settings: Settings) -> PldaScorer:
    projection = Projection(
        read_vector(settings.mean_file) if settings.mean_file else None,
        read_matrix(settings.lda_file) if settings.lda_file else None,
    )
    model = PldaScorer(projection, read_plda(settings.plda_file))
    model.refuse_misfits(settings.plda_file)
    return model


def _estimated(run: RunDir, train_dir: Path, settings: Settings) -> PldaScorer:
    scp = run.embeddings(train_dir.resolve().name)
    found = read_training_set(run, train_dir)
    embeddings, labels = found.embeddings, found.labels
    projection = Projection(embeddings.mean(axis=0, dtype=np.float64), None)
    statistics = collect(embeddings, labels, projection.centred)
    _refuse_no_spread(statistics, scp)
    dim = embeddings.shape[1]
    if settings.lda:
        dim = _lda_dim(statistics, settings.lda_dim, scp)
        lda = train_lda(statistics, dim, settings.total_covariance_factor)
        projection = Projection(projection.mean, lda)
    _refuse_too_few(statistics, dim, scp)
    try:
        plda = train_plda(collect(embeddings, labels, projection), settings.iterations)
    except np.linalg.LinAlgError:
        raise InputError(
            f"{scp}: the covariance within speakers is singular after at most "
            f"{settings.iterations} iterations; lower --set lda_dim= or iterations="
        ) from None
    log.info(
        "%s: %d embeddings of %d speakers, %d of %d dimensions, %d iterations",
        run.plda,
        len(labels),
        len(statistics.counts),
        dim,
        embeddings.shape[1],
        settings.iterations,
    )
    return PldaScorer(projection, plda)


def _lda_dim(statistics: Statistics, asked: int, scp: Path) -> int:
    """How many dimensions LDA keeps: those of the means of S speakers are S - 1 at most."""
    speakers, whole = statistics.means.shape
    most = min(speakers - 1, whole)
    count = int(statistics.counts.sum())
    if asked > most:
        raise InputError(
            f"{scp}: LDA to {asked} dimensions, and {speakers:,} speakers and embeddings of "
            f"{whole} numbers carry {most}; lower --set lda_dim="
        )
    if count < whole:
        raise InputError(
            f"{scp}: {count:,} embeddings of {whole} numbers are too few for LDA, which needs one "
            "a number; take a larger training set, or --backend cosine"
        )
    return asked or max(1, min(whole // 2, most, count - speakers))


def _refuse_no_spread(statistics: Statistics, scp: Path) -> None:
    """Refuse what says nothing of the covariance between speakers, or of that within them."""
    speakers, count = len(statistics.counts), int(statistics.counts.sum())
    if speakers < 2:
        raise InputError(f"{scp}: embeddings of one speaker; PLDA needs several")
    if count == speakers:
        raise InputError(
            f"{scp}: one utterance for each of {speakers:,} speakers says nothing of how a "
            "speaker's utterances differ; take a training set with more, or --backend cosine"
        )
    if np.trace(statistics.within_scatter) <= 1e-9 * np.trace(statistics.second_moment):
        raise InputError(
            f"{scp}: the utterances of a speaker do not differ; are the embeddings what they "
            "should be?"
        )


def _refuse_too_few(statistics: Statistics, dim: int, scp: Path) -> None:
    """Refuse more dimensions than the covariance within speakers can be estimated in."""
    speakers, count = len(statistics.counts), int(statistics.counts.sum())
    if count - speakers < dim:
        raise InputError(
            f"{scp}: {count:,} utterances of {speakers:,} speakers carry {count - speakers:,} "
            f"dimensions within speakers, and PLDA is of {dim}; lower --set lda_dim="
        )
