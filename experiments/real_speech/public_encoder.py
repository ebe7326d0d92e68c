"""A public encoder on the same trial lists, to tell how hard they are: Resemblyzer's.

    pip install resemblyzer "setuptools<80"
    python experiments/real_speech/public_encoder.py --data data_real_speech --exp exp_real_speech

Resemblyzer 0.1.4 holds an LSTM trained with GE2E on thousands of speakers of LibriSpeech's
train-other, VoxCeleb1 and VoxCeleb2; it takes the recordings, not our features. Its embeddings are
written as those of a system EXP/resemblyzer/seed0, scored by cosine and recorded like any other.
"""

import argparse
import importlib.metadata
from pathlib import Path

from record import record

from speaker_bases.command_line import InputError, run_tool
from speaker_bases.evaluate.score import score
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.kaldi_feats.reader import VectorWriter
from speaker_bases.progress import progress
from speaker_bases.run_dir import RunDir

NAME = "resemblyzer"


def main(argv: list[str] | None = None) -> int:
    """Embed, score and record the test set; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("data_real_speech"))
    parser.add_argument("--exp", type=Path, default=Path("exp_real_speech"))
    parser.add_argument("--csv", type=Path, default=Path("docs/real-speech/runs.csv"))
    args = parser.parse_args(argv)
    return run_tool(lambda: run(args.data, args.exp, args.csv))


def run(data: Path, exp: Path, csv: Path) -> None:
    """Embed, score and record ``data/test``.

    Raises:
        InputError: Resemblyzer is not installed, or the data directory is not there.
    """
    data_dir = data / "test"
    run = RunDir(exp / NAME / "seed0")
    embed(run, data_dir)
    score(run, data_dir)
    record(csv, run.path, data_dir, "-", "", "python experiments/real_speech/public_encoder.py")


def embed(run: RunDir, data_dir: Path) -> None:
    """Write the embeddings of a data directory, from its ``wav.scp``."""
    try:
        import resemblyzer
    except ImportError as error:
        raise InputError(f'{error}; pip install resemblyzer "setuptools<80"') from error
    encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)
    recordings = read_table(data_dir / "wav.scp")
    with VectorWriter(run.embeddings(data_dir.name)) as writer:
        for utterance, path in progress(recordings.items(), desc=str(data_dir)):
            sound = resemblyzer.preprocess_wav(Path(path))
            writer.write(utterance, encoder.embed_utterance(sound))
    config = {
        "system": NAME,
        "loss": f"L_G: the LSTM of Resemblyzer {importlib.metadata.version(NAME)}, "
        "trained elsewhere on thousands of speakers",
        "seed": 0,
        "features": {},  # none of ours
    }
    run.write_speakers([])  # trained on nobody of these
    run.write_config(config)


if __name__ == "__main__":
    raise SystemExit(main())
