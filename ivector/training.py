"""Training of an i-vector system, iteration by iteration: mixtures, then the extractor.

After each iteration its model is a file with a stamp, and the one before is removed. A training
that was killed goes on after the last such file, and ends with the same bytes.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..command_line import InputError
from ..files import atomic_write
from ..run_dir import RunDir
from ..stamp import Stamp
from .extractor import Extractor
from .extractor_training import ExtractorIteration
from .files import (
    read_diagonal,
    read_extractor,
    read_full,
    write_diagonal,
    write_extractor,
    write_full,
)
from .initialisation import FRAMES_A_COMPONENT, initial_extractor, initial_mixture
from .log import IterationLog
from .mixture_training import DiagonalIteration, FullIteration
from .mixtures import DiagonalMixture, FullMixture
from .passes import Passes
from .recordings import Recordings
from .settings import Settings
from .threads import Each

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """A kind of model that iterations are made of: how it is called and stored."""

    suffix: str
    title: str
    read: Callable[[Path], Any]
    write: Callable[[Path, Any], None]


DIAGONAL = Kind("dubm", "diagonal mixture", read_diagonal, write_diagonal)
FULL = Kind("ubm", "full mixture", read_full, write_full)
EXTRACTOR = Kind("ie", "extractor", read_extractor, write_extractor)


class Training:
    """Trains an i-vector system in a run's folder, from wherever it stands.

    Args:
        run: whose configuration is in place, and whose lock the caller holds.
        recordings: of the training set.
        settings: of the system.
        fingerprint: changes with the training set.
        seed: of the draws.
        each: a `map`, which may work in threads.

    Raises:
        InputError: there are too few recordings or voiced frames.
    """

    def __init__(
        self,
        run: RunDir,
        recordings: Recordings,
        settings: Settings,
        fingerprint: str,
        seed: int,
        each: Each,
    ):
        self._run = run
        self._settings = settings
        self._seed = seed
        self._each = each
        self._inputs = {"settings": asdict(settings), "data": fingerprint, "seed": seed}
        self._log = IterationLog(run)
        refuse_too_few_recordings(recordings, settings)
        every = Passes(recordings, recordings.utterances, settings, each)
        voiced = every.voiced()
        _refuse_too_few_frames(recordings, int(voiced.sum()), settings)
        silent = len(voiced) - np.count_nonzero(voiced)
        if silent:
            log.warning(
                "%s: %d recordings without a voiced frame; not trained on",
                recordings.vad.scp,
                silent,
            )
        names = [n for n, count in zip(recordings.utterances, voiced, strict=True) if count]
        self._voiced = voiced[voiced > 0]
        self._passes = Passes(recordings, names, settings, each)

    def finish(self) -> None:
        """Train to the end, and put ``final.dubm``, ``final.ubm`` and ``final.ie`` in place."""
        run, settings = self._run, self._settings
        _ = self._diagonal, self._full, self._extractor
        for kind, number, path in (
            (DIAGONAL, settings.diagonal_iterations, run.diagonal_mixture),
            (FULL, settings.full_iterations, run.mixture),
            (EXTRACTOR, settings.extractor_iterations, run.extractor),
        ):
            with atomic_write(path, "wb") as file:
                file.write(self._file(kind, number).read_bytes())

    @cached_property
    def _start(self) -> DiagonalMixture:
        """The mixture that selects components while the diagonal one is trained."""

        def begin() -> DiagonalMixture:
            frames = self._passes.drawn_frames(self._voiced, self._random("frames"))
            return initial_mixture(
                frames,
                self._settings.components,
                self._settings.initial_iterations,
                self._random("mixture"),
                self._each,
            )

        _, there = self._last_there(DIAGONAL, 0)
        return self._kept(DIAGONAL, 0, begin()) if there is None else there

    @cached_property
    def _diagonal(self) -> DiagonalMixture:
        def iterate(mixture: DiagonalMixture, desc: str) -> DiagonalIteration:
            return self._passes.mixture_iteration(DiagonalIteration, mixture, self._start, desc)

        last = self._settings.diagonal_iterations
        return self._iterated(DIAGONAL, last, 0, lambda: self._start, iterate)

    @cached_property
    def _full(self) -> FullMixture:
        def begin() -> FullMixture:
            return self._kept(FULL, 0, FullMixture.of(self._diagonal))

        def iterate(mixture: FullMixture, desc: str) -> FullIteration:
            return self._passes.mixture_iteration(FullIteration, mixture, self._diagonal, desc)

        before, last = self._settings.diagonal_iterations, self._settings.full_iterations
        return self._iterated(FULL, last, before, begin, iterate)

    @cached_property
    def _extractor(self) -> Extractor:
        def begin() -> Extractor:
            start = initial_extractor(self._full, self._settings.dim, self._random("extractor"))
            return self._kept(EXTRACTOR, 0, start)

        def iterate(extractor: Extractor, desc: str) -> ExtractorIteration:
            moments, folder = self._posteriors, self._run.posteriors
            return self._passes.extractor_iteration(extractor, moments, folder, desc)

        before = self._settings.diagonal_iterations + self._settings.full_iterations
        last = self._settings.extractor_iterations
        return self._iterated(EXTRACTOR, last, before, begin, iterate)

    @cached_property
    def _posteriors(self) -> np.ndarray:
        """The posteriors' second moments; they themselves are in their folder."""
        folder = self._run.posteriors
        moments = folder / "moments.npy"
        stamp = Stamp(self._run.iteration_done(folder.name), self._inputs, [moments])
        if not stamp.is_current():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            with stamp.renew(), atomic_write(moments, "wb") as file:
                np.save(file, self._passes.posteriors(self._full, folder))
        return np.load(moments)

    def _random(self, what: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, *what.encode()])

    def _iterated(self, kind: Kind, last: int, before: int, begin, iterate):
        """A model after so many iterations, from the last one that is there.

        Args:
            kind: of the model.
            last: iteration.
            before: iterations of other models, for the log.
            begin: makes the model before the first iteration, and keeps it.
            iterate: from a model and a description to an iteration of it.
        """
        there, model = self._last_there(kind, last)
        if model is None:
            model = begin()
        for number in range(there + 1, last + 1):
            iteration = iterate(model, f"{kind.title} {number}/{last}")
            self._say_what_starves(kind, number, iteration.starved())
            model, loss = iteration.updated(), -iteration.objective()
            self._log.add(before + number, loss)
            model = self._kept(kind, number, model)
            log.info("%s: %.4f a frame before it", self._file(kind, number), -loss)
        return model

    def _last_there(self, kind: Kind, last: int) -> tuple[int, Any]:
        for number in range(last, -1, -1):
            if self._stamp(kind, number).is_current():
                return number, kind.read(self._file(kind, number))
        return 0, None

    def _kept(self, kind: Kind, number: int, model: Any) -> Any:
        """Write a model; returns it as it is read, which differs in the last bits."""
        stamp, file = self._stamp(kind, number), self._file(kind, number)
        with stamp.renew():
            kind.write(file, model)
        if number > 1 or (number == 1 and kind is not DIAGONAL):  # 0.dubm goes on selecting
            for path in (self._stamp(kind, number - 1).path, self._file(kind, number - 1)):
                path.unlink(missing_ok=True)
        return kind.read(file)

    def _file(self, kind: Kind, number: int) -> Path:
        return self._run.iteration(f"{number}.{kind.suffix}")

    def _stamp(self, kind: Kind, number: int) -> Stamp:
        file = self._file(kind, number)
        return Stamp(self._run.iteration_done(file.name), self._inputs, [file])

    def _say_what_starves(self, kind: Kind, number: int, starved: np.ndarray) -> None:
        """Warn of components that stay as they are; raise an InputError if all would."""
        file, components = self._file(kind, number), self._settings.components
        remedy = "have too few frames to be estimated; lower ivector.components"
        if len(starved) == components:
            raise InputError(f"{file}: all of the {components} components {remedy}")
        if len(starved):
            log.warning(
                "%s: %d of the %d components, the first of them number %d, %s",
                file,
                len(starved),
                components,
                starved[0],
                remedy,
            )


def remove_iterations(run: RunDir) -> None:
    """Remove what a complete training needs no more: all but the final models."""
    keep = {run.diagonal_mixture, run.mixture, run.extractor}
    shutil.rmtree(run.posteriors, ignore_errors=True)
    for path in run.ivector.iterdir() if run.ivector.is_dir() else ():
        if path not in keep and path.is_file():
            path.unlink()


def refuse_too_few_recordings(recordings: Recordings, settings: Settings) -> None:
    """Raise an InputError if so many recordings cannot carry i-vectors of that dimension."""
    most = min(len(recordings.utterances), settings.components * recordings.dim)
    if settings.dim > most:
        raise InputError(
            f"{recordings.cepstra.scp}: i-vectors of {settings.dim} numbers, and "
            f"{len(recordings.utterances):,} recordings under {settings.components} components of "
            f"{recordings.dim} numbers carry {most:,}; lower ivector.dim"
        )


def _refuse_too_few_frames(recordings: Recordings, voiced: int, settings: Settings) -> None:
    least = FRAMES_A_COMPONENT * settings.components
    frames = min(voiced, settings.initial_frames)
    if frames < least:
        raise InputError(
            f"{recordings.vad.scp}: {frames:,} voiced frames to begin with for "
            f"{settings.components} components, which need {FRAMES_A_COMPONENT} each; lower "
            "ivector.components"
        )
