"""What an i-vector system costs on VoxCeleb1, from a thousandth of it measured here.

    python benchmarks/ivector.py --audio DIR_OF_WAV_OR_FLAC [--nj 2] [--components 1024] [--dim 400]

160 utterances of 8.2 s, VoxCeleb's mean, are cut from the speech of a folder. Each pass that
`conf/systems/ivector.yaml` makes over all recordings is made over these once, and its time counted
for VoxCeleb1's 148,642, and for its iterations. What an iteration does once, whatever the number of
recordings, is measured apart. CPU seconds are those of all threads, and hours are CPU hours divided
by the threads: on a machine with other work, the wall clock says more.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from speaker_bases.ivector.initialisation import initial_extractor, initial_mixture
from speaker_bases.ivector.mixture_training import DiagonalIteration, FullIteration
from speaker_bases.ivector.mixtures import FullMixture
from speaker_bases.ivector.passes import LARGEST_SLICE, Passes
from speaker_bases.ivector.recordings import Recordings
from speaker_bases.ivector.settings import Settings
from speaker_bases.ivector.threads import Each, threads
from speaker_bases.kaldi_feats.fbank.options import read_options
from speaker_bases.kaldi_feats.kinds import MFCC, FeatureSettings
from speaker_bases.kaldi_feats.mfcc.cepstra import read_mfcc_options
from speaker_bases.kaldi_feats.reader import MatrixWriter, VectorWriter

ROOT = Path(__file__).resolve().parents[1]
SECONDS, RATE = 8.2, 16000
TRAINING, EVERYTHING = 148_642, 153_516
UTTERANCES = 5 * LARGEST_SLICE  # 160: a thousandth, and whole slices


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--audio", type=Path, required=True, help="speech, wav or flac, 16 kHz")
    parser.add_argument("--nj", type=int, default=2, help="threads (2)")
    parser.add_argument("--components", type=int, default=1024)
    parser.add_argument("--dim", type=int, default=400)
    args = parser.parse_args(argv)
    settings = Settings(components=args.components, dim=args.dim)
    with tempfile.TemporaryDirectory() as folder, threads(args.nj) as each:
        with Clock("cepstra and voiced frames, one thread"):
            write_cepstra(args.audio, Path(folder))
        recordings = Recordings(folder, settings)

        def passes(times: int = 1) -> Passes:
            utterances = times * recordings.utterances
            return Passes(recordings, utterances, settings, each, LARGEST_SLICE)

        measure(passes, settings, each, args.nj, Path(folder))
    return 0


def measure(
    passes_over: Callable[[int], Passes], settings: Settings, each: Each, jobs: int, folder: Path
) -> None:
    """Make every pass once, and print what the whole corpus takes.

    Args:
        passes_over: makes passes over the recordings, so many times each.
        settings: of the system.
        each: a `map` in threads.
        jobs: how many these are.
        folder: to work in.
    """
    rng, hours, passes = np.random.default_rng(0), [], passes_over(1)
    voiced = passes.voiced()
    print(f"  {voiced.sum() / len(voiced):.0f} voiced frames an utterance")

    def of_corpus(cpu: float, times: int, corpus: int = TRAINING) -> None:
        total = cpu / len(voiced) * corpus / jobs / 3600
        hours.append(total * times)
        print(
            f"  {1000 * cpu / len(voiced):.1f} CPU ms an utterance: {60 * total:.0f} minutes "
            f"of VoxCeleb1 in {jobs} threads, {times} times"
        )

    frames = passes.drawn_frames(voiced, rng)
    with Clock(f"mixture to begin with, two iterations over {len(frames):,} frames") as clock:
        start = initial_mixture(frames, settings.components, 2, rng, each)
    share = settings.initial_frames / len(frames) * settings.initial_iterations / 2
    hours.append(clock.cpu * share / jobs / 3600)
    print(f"  {60 * hours[-1]:.0f} minutes for 20 over 500,000 frames")
    with Clock("diagonal mixture, an iteration") as clock:
        diagonal = passes.mixture_iteration(DiagonalIteration, start, start, "diagonal").updated()
    of_corpus(clock.cpu, settings.diagonal_iterations)
    full = FullMixture.of(diagonal)
    with Clock("full mixture, an iteration") as clock:
        full = passes.mixture_iteration(FullIteration, full, diagonal, "full").updated()
    of_corpus(clock.cpu, settings.full_iterations)
    posteriors = folder / "posteriors"
    with Clock("posteriors") as clock:
        moments = passes.posteriors(full, posteriors)
    of_corpus(clock.cpu, 1)
    for number, path in enumerate(2 * sorted(posteriors.iterdir()), start=len(passes.slices)):
        shutil.copy(path, posteriors / f"{number:06d}.npz")
    extractor = initial_extractor(full, settings.dim, rng)
    clocks = []
    for times in (1, 3):
        with Clock(f"extractor, an iteration over the recordings {times} times") as clock:
            iteration = passes_over(times).extractor_iteration(
                extractor, times * moments, posteriors, ""
            )
        clocks.append(clock.cpu)
    each_time = (clocks[1] - clocks[0]) / 2
    of_corpus(each_time, settings.extractor_iterations)
    with Clock("extractor, what an iteration ends with") as clock:
        extractor = iteration.updated()
    once = max(clocks[0] - each_time, 0.0) + clock.cpu
    hours.append(once / 3600 * settings.extractor_iterations)
    print(f"  with what it begins with, {once / 60:.1f} minutes an iteration, whatever the corpus")
    extractor.prepare()
    with Clock("i-vectors") as clock:
        for _ in passes.ivectors(full, extractor):
            pass
    of_corpus(clock.cpu, 1, EVERYTHING)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"in all: {sum(hours):.1f} hours in {jobs} threads; at most {peak:.1f} GB of memory")


class Clock:
    """Prints the wall-clock and the CPU seconds of its block."""

    def __init__(self, what: str):
        self._what = what

    def __enter__(self) -> "Clock":
        self._wall, self._before = time.perf_counter(), _cpu_seconds()
        return self

    def __exit__(self, error_type, error, traceback) -> None:
        self.cpu = _cpu_seconds() - self._before
        wall = time.perf_counter() - self._wall
        print(f"{self._what}: {wall:.1f} s, {self.cpu:.1f} CPU s", flush=True)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def write_cepstra(audio: Path, folder: Path) -> None:
    """Write the data directory of a thousandth of VoxCeleb1, cut from other speech."""
    vad = read_options(ROOT / "conf" / "vad.conf", MFCC.steps["compute-vad"])
    options = read_mfcc_options(ROOT / "conf" / "mfcc.conf")
    settings, extractor = (
        FeatureSettings(MFCC, options, {"compute-vad": vad}),
        MFCC.extractor(options),
    )
    size = round(SECONDS * RATE)
    with MatrixWriter(folder / "feats.scp") as feats, VectorWriter(folder / "vad.scp") as decisions:
        for number, samples in zip(range(UTTERANCES), _pieces(audio, size), strict=False):
            tables = MFCC.finished(extractor(samples), settings)
            feats.write(f"{number:04d}", tables["feats"])
            decisions.write(f"{number:04d}", tables["vad"])
    if number + 1 < UTTERANCES:
        sys.exit(f"{audio}: not {UTTERANCES * SECONDS / 60:.0f} minutes of speech")


def _pieces(audio: Path, size: int):
    """The speech of a folder's files, one after the other, in pieces of so many samples."""
    rest = np.zeros(0, np.float32)
    for path in sorted(path for path in audio.rglob("*") if path.suffix in (".wav", ".flac")):
        samples, _ = soundfile.read(path, dtype="float32")
        rest = np.concatenate([rest, 32768 * samples])
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]


if __name__ == "__main__":
    raise SystemExit(main())
