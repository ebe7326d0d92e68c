"""Scoring at VoxCeleb1's full size: cosine, EER and minDCF of the 581,480 trials of Vox1-E.

    python benchmarks/scoring.py

Random embeddings of 1,251 speakers stand in for real ones; times do not depend on their values.
The references, measured in the same run: a Python loop over the trials (on a part of them, and
extrapolated), and scikit-learn's roc_curve. Aim: cosine + EER + minDCF in under 5 s and 2 GB.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_curve

from speaker_bases.error_rates import eer, min_dcf
from speaker_bases.evaluate.interval import eer_interval
from speaker_bases.evaluate.scoring.cosine import cosine_scores
from speaker_bases.kaldi_feats.data_dir import write_table
from speaker_bases.kaldi_feats.reader import VectorWriter
from speaker_bases.kaldi_feats.trials import Trials, write_trials
from speaker_bases.run_dir import RunDir

LOOP_TRIALS = 20_000


class Clock:
    """Prints what took how long, and how that compares with a reference."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    def run(self, name: str, work, factor: float = 1.0, note: str = ""):
        """Time `work()`; multiply by `factor` where it does only a part."""
        start = time.perf_counter()
        result = work()
        self.seconds[name] = factor * (time.perf_counter() - start)
        print(f"{name:44s} {self.seconds[name]:9.2f} s  {note}", flush=True)
        return result

    def ratio(self, ours: tuple[str, ...], references: tuple[str, ...]) -> None:
        total, theirs = (sum(self.seconds[name] for name in names) for names in (ours, references))
        print(
            f"{' + '.join(ours)}: {total:.2f} s, {total / theirs:.3g} of the time of "
            f"{' + '.join(references)}"
        )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=581_480)
    parser.add_argument("--utterances", type=int, default=145_375)
    parser.add_argument("--speakers", type=int, default=1_251)
    parser.add_argument("--dim", type=int, default=1_024)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--bvector", action="store_true", help="also the b-vector's scores; aim: under 2 minutes"
    )
    parser.add_argument(
        "--stage", action="store_true", help="also stage 4 as a whole, from ark/scp to score file"
    )
    args = parser.parse_args(argv)
    print(f"{args.trials:,} trials, {args.utterances:,} embeddings of {args.dim} dimensions")
    embeddings, speakers, enrol, test = make_data(args)
    is_target = speakers[enrol] == speakers[test]
    print(f"{'the embeddings themselves':44s} {embeddings.nbytes / 1e9:9.2f} GB")

    clock = Clock()
    scores = clock.run("cosine", lambda: cosine_scores(embeddings, enrol, test))
    rate = clock.run("EER", lambda: eer(scores, is_target))
    clock.run("minDCF", lambda: min_dcf(scores, is_target, p_target=0.01))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{'peak memory so far':44s} {peak:9.2f} GB")
    people = speakers[enrol], speakers[test]
    clock.run("EER interval", lambda: eer_interval(scores, is_target, *people))

    part = min(LOOP_TRIALS, args.trials)
    looped = clock.run(
        "Python loop (cosine)",
        lambda: python_loop(embeddings, enrol[:part], test[:part]),
        factor=args.trials / part,
        note=f"extrapolated from {part:,} trials",
    )
    reference = clock.run("scikit-learn roc_curve", lambda: sklearn_eer(scores, is_target))
    clock.ratio(("cosine",), ("Python loop (cosine)",))
    clock.ratio(("EER",), ("scikit-learn roc_curve",))
    clock.ratio(("cosine", "EER"), ("Python loop (cosine)", "scikit-learn roc_curve"))
    total = sum(clock.seconds[name] for name in ("cosine", "EER", "minDCF"))
    print(f"cosine + EER + minDCF: {total:.2f} s, {peak:.2f} GB")
    difference = np.abs(looped - scores[:part]).max()
    print(
        f"largest difference to the loop {difference:.1e}; EER {rate:.6f}, theirs {reference:.6f}"
    )
    if args.bvector:
        score_bvector(clock, embeddings, enrol, test)
    if args.stage:
        stage_4(clock, embeddings, speakers, enrol, test)
    return 0 if difference < 1e-6 and abs(rate - reference) < 1e-9 else 1


def make_data(args: argparse.Namespace):
    """Embeddings (utterances, dim) float32, their speakers, and the two sides of the trials."""
    draws = np.random.default_rng(args.seed)
    speakers = np.sort(draws.integers(0, args.speakers, args.utterances))
    centres = draws.standard_normal((args.speakers, args.dim), dtype=np.float32)
    embeddings = np.empty((args.utterances, args.dim), dtype=np.float32)
    for start in range(0, args.utterances, 4096):
        rows = speakers[start : start + 4096]
        noise = draws.standard_normal((len(rows), args.dim), dtype=np.float32)
        embeddings[start : start + 4096] = 0.3 * centres[rows] + noise
    enrol = draws.integers(0, args.utterances, args.trials)
    # Half of the partners from the neighbourhood, where utterances of the same speaker are.
    near = np.clip(enrol + draws.integers(-50, 51, args.trials), 0, args.utterances - 1)
    anyone = draws.integers(0, args.utterances, args.trials)
    test = np.where(draws.random(args.trials) < 0.5, near, anyone)
    return embeddings, speakers, enrol, test


def python_loop(embeddings, enrol, test) -> np.ndarray:
    """What one writes first: a cosine at a time."""
    scores = []
    for a, b in zip(enrol, test, strict=True):
        u, v = embeddings[a], embeddings[b]
        scores.append(np.dot(u, v) / (np.linalg.norm(u) * np.linalg.norm(v)))
    return np.array(scores)


def sklearn_eer(scores, is_target) -> float:
    """The same EER from scikit-learn's curve."""
    false_alarm, hit, _ = roc_curve(is_target, scores, drop_intermediate=False)
    difference = false_alarm - (1 - hit)
    right = int(np.argmax(difference >= 0))
    share = difference[right - 1] / (difference[right - 1] - difference[right])
    return false_alarm[right - 1] + share * (false_alarm[right] - false_alarm[right - 1])


def score_bvector(clock: Clock, embeddings, enrol, test) -> None:
    """A classifier of the paper's size with random weights, over both orders of every trial."""
    from speaker_bases.evaluate.backends.bvector.network import bvector
    from speaker_bases.evaluate.backends.bvector.scoring import bvector_scores

    dim = embeddings.shape[1]
    model = bvector(np.zeros(dim), np.ones(dim))
    path = Path("bvector.keras")
    clock.run("b-vector", lambda: bvector_scores(model, embeddings, enrol, test, path))
    part = min(500, len(enrol))

    def one_by_one():
        for a, b in zip(enrol[:part], test[:part], strict=True):
            for first, second in ((a, b), (b, a)):
                model([embeddings[None, first], embeddings[None, second]])

    note = f"extrapolated from {part:,} trials"
    clock.run("Python loop (b-vector)", one_by_one, factor=len(enrol) / part, note=note)
    clock.ratio(("b-vector",), ("Python loop (b-vector)",))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{'peak memory so far':44s} {peak:9.2f} GB")


def stage_4(clock: Clock, embeddings, speakers, enrol, test) -> None:
    """The command itself on files of the true size: reading, scoring, writing."""
    names = [f"id{s:05d}-{row:011d}-00001" for row, s in enumerate(speakers)]
    pairs = dict.fromkeys(zip(enrol.tolist(), test.tolist(), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        data_dir, run = Path(folder, "data", "test"), RunDir(Path(folder, "exp"))
        write_table(data_dir / "utt2spk", {name: name[:7] for name in names})
        first, second = zip(*pairs, strict=True)
        first, second = np.array(first), np.array(second)
        labels = speakers[first] == speakers[second]
        sides = [[names[row] for row in side] for side in (first, second)]
        write_trials(data_dir / "trials" / "random", Trials(*sides, labels))
        with VectorWriter(run.embeddings("test")) as writer:
            for name, vector in zip(names, embeddings, strict=True):
                writer.write(name, vector)
        run.write_speakers(["somebody-else"])
        run.write_config({"system": "random", "seed": 0, "loss": "none", "features": {}})
        command = [sys.executable, "-m", "speaker_bases.evaluate.score", "--list", "random"]
        command += ["--run", str(run.path), "--data-dir", str(data_dir)]
        clock.run("stage 4 from files to file", lambda: subprocess.run(command, check=True))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        print(f"{'its peak memory':44s} {peak:9.2f} GB")


if __name__ == "__main__":
    raise SystemExit(main())
