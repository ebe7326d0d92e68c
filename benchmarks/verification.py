"""A system as a tool: are its decisions stage 4's, and how long does one take?

Prints the largest difference of the scores of a trial list through the Python interface from stage
4's, by the run's own network and by the exported one, and how many decisions differ; then the time
of one verification, cold (a new process) and warm, of both, in one run; then the time to find a
voice among 100,000 enrolled ones.
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
from speaker_bases.evaluate.trial_list import load_trial_list
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.run_dir import RunDir
from speaker_bases.verify import Verifier
from speaker_bases.verify.store import VoiceStore

NEAR = 1e-4
"""Of the threshold, within which a decision may turn round."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="calibrated on --list")
    parser.add_argument("--data-dir", type=Path, required=True, help="with trials/ and wav.scp")
    parser.add_argument("--list", required=True)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    load_keras()
    from speaker_bases.verify.export import export

    run = RunDir(args.run)
    trials = load_trial_list(args.data_dir, args.list)
    stage_4 = read_scores(run.scores(args.list, "cosine"), trials.trials, trials.path)
    wav_scp = read_table(args.data_dir / "wav.scp")
    used = sorted({*trials.trials.enrol, *trials.trials.test})
    row = {name: number for number, name in enumerate(used)}
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "model.onnx"
        export(run, exported, "onnx", args.list)
        for source in (run.path, exported):
            verifier = Verifier.load(source, args.list)
            begin = time.monotonic()
            embeddings = verifier.embed(wav_scp[name] for name in used).astype(np.float64)
            seconds = time.monotonic() - begin
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            sides = ([row[u] for u in side] for side in (trials.trials.enrol, trials.trials.test))
            scores = np.vecdot(*(embeddings[side] for side in sides))
            report(source.name, scores, stage_4, verifier.threshold()[0])
            print(f"    {len(used):,} recordings in {seconds:.0f} s")
        pair = [wav_scp[used[0]], wav_scp[used[-1]]]
        times(run.path, exported, args.list, pair, args.repeats)
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


def times(run: Path, exported: Path, trial_list: str, pair: list[str], repeats: int) -> None:
    """Seconds of one verification: cold as a command, warm within a process."""
    sources = {"Keras": ["--run", run, "--list", trial_list], "ONNX Runtime": ["--model", exported]}
    cold, warm = {}, {}
    for name, options in sources.items():
        command = [sys.executable, "-m", "speaker_bases.verify", "verify", *options, *pair]
        seconds = []
        for _ in range(3):
            begin = time.monotonic()
            subprocess.run([str(word) for word in command], capture_output=True)
            seconds.append(time.monotonic() - begin)
        cold[name] = float(np.median(seconds))
        verifier = Verifier.load(options[1], trial_list)
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
    rows = random.normal(size=(speakers, dim))
    with store._transaction():
        store._database.executemany(
            "INSERT INTO utterances (speaker, digest, embedding) VALUES (?, ?, ?)",
            ((f"s{n}", str(n), row.astype("<f4").tobytes()) for n, row in enumerate(rows)),
        )
    begin = time.monotonic()
    store.nearest(rows[0])
    first = time.monotonic() - begin
    seconds = []
    for row in rows[:50]:
        begin = time.monotonic()
        store.nearest(row)
        seconds.append(time.monotonic() - begin)
    print(
        f"nearest of {speakers:,} voices of {dim} dimensions: {1000 * np.median(seconds):.1f} ms, "
        f"the first time {first:.1f} s"
    )


if __name__ == "__main__":
    main()
