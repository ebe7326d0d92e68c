"""A system as a tool: are its decisions stage 4's, and how long does one take?

Prints the largest difference of the scores of a trial list through the Python interface from stage
4's, by the run's own network and by the exported one, and how many decisions differ; then the time
of one verification, cold (a new process) and warm, of both, in one run; then the time to find a
voice among 100,000 enrolled ones, by each back-end.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from speaker_bases.backend import load_keras
from speaker_bases.evaluate.score_file import read_scores
from speaker_bases.evaluate.scoring import Scorer
from speaker_bases.evaluate.scoring.as_norm import AsNormScorer
from speaker_bases.evaluate.scoring.cosine import CosineScorer
from speaker_bases.evaluate.scoring.enrolment import unit
from speaker_bases.evaluate.scoring.plda import PldaScorer
from speaker_bases.evaluate.scoring.projection import Projection
from speaker_bases.evaluate.scoring.two_covariance import Plda
from speaker_bases.evaluate.trial_list import load_trial_list
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.run_dir import RunDir
from speaker_bases.verify import Verifier
from speaker_bases.verify.store import VoiceStore
from speaker_bases.verify.voices import EnrolledVoices

NEAR = 1e-4
"""Of the threshold, within which a decision may turn round."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="calibrated on --list")
    parser.add_argument("--data-dir", type=Path, required=True, help="with trials/ and wav.scp")
    parser.add_argument("--list", required=True)
    parser.add_argument("--backend", default="cosine", help="of the scores (%(default)s)")
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    load_keras()
    from speaker_bases.verify.export import export

    run = RunDir(args.run)
    trials = load_trial_list(args.data_dir, args.list)
    stage_4 = read_scores(run.scores(args.list, args.backend), trials.trials, trials.path)
    wav_scp = read_table(args.data_dir / "wav.scp")
    used = sorted({*trials.trials.enrol, *trials.trials.test})
    row = {name: number for number, name in enumerate(used)}
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "model.onnx"
        export(run, exported, "onnx", args.list, backend=args.backend)
        options = {run.path: (args.list, args.backend), exported: ()}
        for source, named in options.items():
            verifier = Verifier.load(source, *named)
            begin = time.monotonic()
            embeddings = verifier.embed(wav_scp[name] for name in used)
            seconds = time.monotonic() - begin
            sides = ([row[u] for u in side] for side in (trials.trials.enrol, trials.trials.test))
            scores = np.array(
                [
                    verifier.score(embeddings[e : e + 1], embeddings[t])
                    for e, t in zip(*sides, strict=True)
                ]
            )
            report(source.name, scores, stage_4, verifier.threshold()[0])
            print(f"    {len(used):,} recordings in {seconds:.0f} s")
        pair = [wav_scp[used[0]], wav_scp[used[-1]]]
        times(options, pair, args.repeats)
        voices(Path(folder) / "voices.sqlite")


def report(name: str, scores: np.ndarray, stage_4: np.ndarray, threshold: float) -> None:
    worst = np.abs(scores - stage_4).max()
    other = (scores >= threshold) != (stage_4 >= threshold)
    far = other & (np.abs(stage_4 - threshold) > NEAR)
    print(
        f"{name}: {len(scores):,} scores differ from stage 4's by {worst:.1e} at most; "
        f"{other.sum()} decisions differ, {far.sum()} of them farther than {NEAR:g} from the "
        "threshold"
    )


def times(options: dict[Path, tuple], pair: list[str], repeats: int) -> None:
    """Seconds of one verification: cold as a command, warm within a process."""
    run, exported = options
    trial_list, backend = options[run]
    sources = {
        "Keras": (run, ["--run", run, "--list", trial_list, "--backend", backend]),
        "ONNX Runtime": (exported, ["--model", exported]),
    }
    cold, warm = {}, {}
    for name, (source, words) in sources.items():
        command = [sys.executable, "-m", "speaker_bases.verify", "verify", *words, *pair]
        seconds = []
        for _ in range(3):
            begin = time.monotonic()
            subprocess.run([str(word) for word in command], capture_output=True)
            seconds.append(time.monotonic() - begin)
        cold[name] = float(np.median(seconds))
        verifier = Verifier.load(source, *options[source])
        verifier.verify(*pair)
        seconds = []
        for _ in range(repeats):
            begin = time.monotonic()
            verifier.verify(*pair)
            seconds.append(time.monotonic() - begin)
        warm[name] = float(np.median(seconds))
    for what, found in (("cold", cold), ("warm", warm)):
        first, second = found.values()
        print(
            f"{what}: Keras {1000 * first:.0f} ms, ONNX Runtime {1000 * second:.0f} ms, "
            f"{first / second:.1f} times"
        )


def voices(path: Path, speakers: int = 100_000, dim: int = 128) -> None:
    """Milliseconds to score everybody enrolled."""
    random = np.random.default_rng(0)
    store = VoiceStore(path, "none", dim, create=True)
    rows = random.normal(size=(speakers, dim)).astype("<f4")
    with store._transaction():
        store._database.executemany(
            "INSERT INTO utterances (speaker, digest, embedding) VALUES (?, ?, ?)",
            ((f"s{n}", str(n), row.tobytes()) for n, row in enumerate(rows)),
        )
    for name, scorer in scorers(random, dim).items():
        enrolled = EnrolledVoices(store, scorer)
        seconds, busy = [], []
        for row in rows[:51]:
            begin, used = time.monotonic(), time.process_time()
            enrolled.nearest(row)
            seconds.append(time.monotonic() - begin)
            busy.append(time.process_time() - used)
        print(
            f"{name}: nearest of {speakers:,} voices of {dim} dimensions: "
            f"{1000 * np.median(seconds[1:]):.1f} ms, {1000 * np.median(busy[1:]):.1f} ms of "
            f"processor time, the first time {seconds[0]:.1f} s"
        )


def scorers(random: np.random.Generator, dim: int) -> dict[str, Scorer]:
    """Back-ends of the usual sizes: what is in them does not count for the time."""
    lda = random.normal(size=(dim // 2, dim))
    psi = np.sort(random.exponential(size=dim // 2))[::-1]
    plda = Plda(np.zeros(dim // 2), np.eye(dim // 2), psi)
    whole = Plda(np.zeros(dim), np.eye(dim), random.exponential(size=dim))
    return {
        "cosine": CosineScorer(),
        "PLDA": PldaScorer(Projection(np.zeros(dim), lda), plda),
        "PLDA without LDA": PldaScorer(Projection(np.zeros(dim), None), whole),
        "AS-norm, 1,211 impostors": AsNormScorer(unit(random.normal(size=(1211, dim))), 300),
    }


if __name__ == "__main__":
    main()
