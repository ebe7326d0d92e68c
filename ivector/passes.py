"""One pass over all recordings, in threads: what an iteration adds up, posteriors, i-vectors.

Of the results only the order of the recordings decides, not how many threads there are.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

from ..files import atomic_write
from ..progress import progress
from .extractor import Extractor, Statistics
from .extractor_training import ExtractorIteration, second_moments
from .mixture_training import DiagonalIteration
from .mixtures import DiagonalMixture, FullMixture, pruned_posteriors
from .recordings import Recordings
from .settings import Settings
from .threads import Each

BLOCK = 8192
"""Frames whose likelihoods under all components are held at a time."""

LARGEST_SLICE, SLICES_OF_A_SMALL_CORPUS = 32, 64
"""Recordings that a thread works on at a time; not a matter of how many threads there are."""

SLICES_AT_A_TIME = 8
"""Of statistics that are added up at a time: 256 recordings, as large as memory allows."""


class Passes:
    """Passes over some recordings of a data directory.

    Args:
        recordings: theirs.
        utterances: which of them.
        settings: of the system.
        each: a `map`, which may work in threads.
        slice_size: recordings that a thread works on at a time; by their number if None.
    """

    def __init__(
        self,
        recordings: Recordings,
        utterances: list[str],
        settings: Settings,
        each: Each,
        slice_size: int | None = None,
    ):
        self.recordings = recordings
        self.utterances = utterances
        few = max(len(utterances) // SLICES_OF_A_SMALL_CORPUS, 1)
        size = slice_size or min(few, LARGEST_SLICE)
        self.slices = [utterances[at : at + size] for at in range(0, len(utterances), size)]
        self._settings = settings
        self.each = each

    def over_slices(self, function, desc: str) -> Iterator:
        """A function's result for each slice, in their order, with the progress shown."""
        with progress(total=len(self.utterances), desc=desc, unit="utt") as bar:
            for names, result in zip(self.slices, self.each(function, self.slices), strict=True):
                bar.update(len(names))
                yield result

    def voiced(self) -> np.ndarray:
        """How many voiced frames each recording has, (utterances,)."""

        def counts(names: list[str]) -> list[int]:
            return [int(self.recordings.voiced(name).sum()) for name in names]

        return np.concatenate(list(self.over_slices(counts, "voiced frames")))

    def drawn_frames(self, voiced: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Frames drawn at random from all, in the order of the recordings: float32 (frames, dim).

        Args:
            voiced: what `voiced` gave.
            rng: draws.
        """
        ends = np.cumsum(voiced)
        number = min(self._settings.initial_frames, int(ends[-1]))
        drawn = np.sort(rng.choice(int(ends[-1]), number, replace=False))
        bounds = np.searchsorted(drawn, np.concatenate([[0], ends]))
        rows = {
            name: drawn[begin:end] - (last - count)
            for name, begin, end, last, count in zip(
                self.utterances, bounds[:-1], bounds[1:], ends, voiced, strict=True
            )
        }

        def frames(names: list[str]) -> np.ndarray:
            return np.concatenate([self.recordings.features(name)[rows[name]] for name in names])

        return np.concatenate(list(self.over_slices(frames, "frames to begin with")))

    def mixture_iteration(
        self, kind: type[DiagonalIteration], mixture, selecting: DiagonalMixture, desc: str
    ) -> DiagonalIteration:
        """An iteration of EM over every so many frames.

        Args:
            kind: `DiagonalIteration` or `FullIteration`.
            mixture: the mixture before.
            selecting: selects the components of a frame.
            desc: for the progress.
        """
        settings = self._settings

        def part(names: list[str]) -> DiagonalIteration:
            found = kind(mixture)
            frames = [self.recordings.features(name)[:: settings.subsample] for name in names]
            for block in blocks(np.concatenate(frames)):
                found.add(block, selecting.select(block, settings.selected))
            return found

        total = kind(mixture)
        for found in self.over_slices(part, desc):
            total.merge(found)
        return total

    def posteriors(self, mixture: FullMixture, folder: Path) -> np.ndarray:
        """Write the posteriors of all recordings, a file a slice.

        Returns:
            Their second moments, as `ExtractorIteration` takes them.
        """
        mixture.prepare()

        def part(numbered: tuple[int, list[str]]) -> np.ndarray:
            number, names = numbered
            features = [self.recordings.features(name) for name in names]
            joined, posteriors = np.concatenate(features), self._posteriors(mixture, features)
            with atomic_write(folder / f"{number:06d}.npz", "wb") as file:
                np.savez(
                    file,
                    ends=np.cumsum([len(matrix) for matrix in features]),
                    indptr=posteriors.indptr,
                    indices=posteriors.indices,
                    data=posteriors.data,
                )
            return second_moments(joined, posteriors)

        total = 0.0
        with progress(total=len(self.utterances), desc="posteriors", unit="utt") as bar:
            for number, moments in enumerate(self.each(part, enumerate(self.slices))):
                bar.update(len(self.slices[number]))
                total = total + moments
        return total

    def _posteriors(self, mixture: FullMixture, features: list[np.ndarray]) -> sparse.csr_array:
        """Those of some recordings' frames, one after the other: float32 (frames, components)."""
        settings = self._settings
        parts = [
            pruned_posteriors(
                mixture,
                block,
                mixture.diagonal.select(block, settings.selected),
                settings.least_posterior,
            )
            for block in blocks(np.concatenate(features))
        ]
        return sparse.vstack(parts, format="csr").astype(np.float32)

    def extractor_iteration(
        self, extractor: Extractor, moments: np.ndarray, folder: Path, desc: str
    ) -> ExtractorIteration:
        """An iteration of EM for the total-variability matrix.

        Args:
            extractor: the extractor before.
            moments: what `posteriors` returned.
            folder: the one that it wrote to.
            desc: for the progress.
        """
        components = len(extractor.weights)

        def statistics(numbered: tuple[int, list[str]]) -> Statistics:
            number, names = numbered
            with np.load(folder / f"{number:06d}.npz") as file:
                ends, parts = file["ends"], (file["data"], file["indices"], file["indptr"])
            posteriors = sparse.csr_array(parts, shape=(int(ends[-1]), components))
            return Statistics.of_several(
                [self.recordings.features(name) for name in names], posteriors
            )

        extractor.prepare()
        total, numbered = ExtractorIteration(extractor, moments), list(enumerate(self.slices))
        with progress(total=len(self.utterances), desc=desc, unit="utt") as bar:
            for begin in range(0, len(numbered), SLICES_AT_A_TIME):
                some = numbered[begin : begin + SLICES_AT_A_TIME]
                total.add(Statistics.joined(list(self.each(statistics, some))), self.each)
                bar.update(sum(len(names) for _, names in some))
        return total

    def ivectors(
        self, mixture: FullMixture, extractor: Extractor
    ) -> Iterator[tuple[list[str], np.ndarray]]:
        """The utterances and the i-vectors (utterances, dim) of each slice; see `over_slices`."""
        mixture.prepare()
        extractor.prepare()

        def part(names: list[str]) -> np.ndarray:
            features = [self.recordings.features(name) for name in names]
            posteriors = self._posteriors(mixture, features)
            return extractor.ivectors(Statistics.of_several(features, posteriors))

        yield from zip(self.slices, self.each(part, self.slices), strict=True)


def blocks(features: np.ndarray) -> list[np.ndarray]:
    """Features (frames, dim) in parts of at most `BLOCK` frames; at least one part."""
    return [features[at : at + BLOCK] for at in range(0, max(len(features), 1), BLOCK)]
