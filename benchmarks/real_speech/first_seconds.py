"""A copy of a data directory whose recordings are the first seconds of the originals."""

import argparse
import os
from pathlib import Path

import soundfile

from speaker_bases.kaldi_feats.audio import read_recording
from speaker_bases.kaldi_feats.data_dir import read_table, write_data_dir
from speaker_bases.kaldi_feats.files import InputError, atomic_write, run_tool


def main(argv: list[str] | None = None) -> int:
    """Cut the recordings of one data directory; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="data directory with wav.scp, utt2spk and trials/")
    parser.add_argument("out", type=Path, help="data directory to write, its audio in OUT/wav")
    parser.add_argument("--seconds", type=float, default=2.0, help="(default: 2)")
    args = parser.parse_args(argv)
    return run_tool(lambda: cut(args.data, args.out, args.seconds))


def cut(data_dir: Path, out: Path, seconds: float) -> None:
    """Write OUT with the same utterance ids, speakers and trial lists, called LIST-SECONDSs.

    Args:
        data_dir: the data directory of whole utterances.
        out: the data directory to write; what is there is replaced.
        seconds: how much of each recording is kept; a shorter one stays whole.

    Raises:
        InputError: a recording cannot be read, or there is no trial list.
    """
    lists = sorted((data_dir / "trials").glob("[!.]*"))
    if not lists:
        raise InputError(f"{data_dir / 'trials'}: holds no trial list")
    (out / "wav").mkdir(parents=True, exist_ok=True)
    (out / "trials").mkdir(exist_ok=True)
    wav_scp = {}
    for line, (utterance, source) in enumerate(read_table(data_dir / "wav.scp").items(), start=1):
        recording = read_recording(source, f"{data_dir / 'wav.scp'}:{line}")
        path = out / "wav" / f"{utterance}.wav"
        kept = recording.samples[: round(seconds * recording.rate)] / 32768
        with atomic_write(path, "wb") as file:
            soundfile.write(file, kept, recording.rate, format="WAV", subtype="PCM_16")
        wav_scp[utterance] = os.fspath(path.resolve())
    for trials in lists:
        with atomic_write(out / "trials" / f"{trials.name}-{seconds:g}s") as file:
            file.write(trials.read_text(encoding="utf-8"))
    write_data_dir(out, wav_scp, read_table(data_dir / "utt2spk"))


if __name__ == "__main__":
    raise SystemExit(main())
