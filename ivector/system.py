"""A trained i-vector system, which may be Kaldi's: from recordings to i-vectors."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..command_line import InputError
from ..run_dir import RunDir
from .extractor import Extractor
from .files import read_extractor, read_full
from .mixtures import FullMixture
from .passes import Passes
from .recordings import Recordings
from .settings import Settings
from .threads import threads

log = logging.getLogger(__name__)


def ivectors(
    run: RunDir, recordings: Recordings, settings: Settings, num_jobs: int
) -> Iterator[tuple[list[str], np.ndarray]]:
    """The i-vectors of recordings; one without a voiced frame has none, which is warned of.

    Args:
        run: an i-vector system's run.
        recordings: whose.
        settings: of the system: selection and posteriors.
        num_jobs: threads.

    Returns:
        Utterances, and (utterances, dim) float64, some at a time.

    Raises:
        InputError: the system's files are missing or damaged, or are of other features; while the
            i-vectors are made, as `Recordings`.
    """
    mixture, extractor = read_system(run.mixture, run.extractor)
    refuse_other_dim(run.mixture, mixture, recordings)
    return _ivectors(mixture, extractor, recordings, settings, num_jobs)


def _ivectors(
    mixture: FullMixture,
    extractor: Extractor,
    recordings: Recordings,
    settings: Settings,
    num_jobs: int,
) -> Iterator[tuple[list[str], np.ndarray]]:
    with threads(num_jobs) as each:
        voiced = Passes(recordings, recordings.utterances, settings, each).voiced()
        silent = [recordings.utterances[row] for row in np.flatnonzero(voiced == 0)]
        if silent:
            log.warning(
                "%s: no voiced frame in %d recordings, which have no i-vector: %s, ...",
                recordings.vad.scp,
                len(silent),
                silent[0],
            )
        utterances = [recordings.utterances[row] for row in np.flatnonzero(voiced)]
        yield from Passes(recordings, utterances, settings, each).ivectors(mixture, extractor)


def read_system(mixture_file: Path, extractor_file: Path) -> tuple[FullMixture, Extractor]:
    """Read ``final.ubm`` and ``final.ie``.

    Raises:
        InputError: one is missing or damaged, or they do not belong together.
    """
    mixture, extractor = read_full(mixture_file), read_extractor(extractor_file)
    if mixture.means.shape != extractor.matrices.shape[:2]:
        components, dim = extractor.matrices.shape[:2]
        raise InputError(
            f"{extractor_file}: of {components} components of {dim} numbers, and {mixture_file} "
            f"has {mixture.means.shape[0]} of {mixture.means.shape[1]}; take those of one system"
        )
    return mixture, extractor


def refuse_other_dim(path: Path, mixture: FullMixture, recordings: Recordings) -> None:
    """Raise an InputError unless a mixture, of that file, is of frames like the recordings'."""
    dim = mixture.means.shape[1]
    if dim != recordings.dim:
        raise InputError(
            f"{path}: of {dim} numbers a frame, and the features of {recordings.cepstra.scp} "
            f"with their deltas have {recordings.dim}; make the features that it was trained on"
        )
