"""A copy of a data directory whose recordings are pieces of the originals."""

import argparse
import os
from pathlib import Path

import soundfile

from speaker_bases.kaldi_feats.audio import read_recording
from speaker_bases.kaldi_feats.data_dir import read_table, write_data_dir
from speaker_bases.kaldi_feats.files import atomic_write, run_tool


def main(argv: list[str] | None = None) -> int:
    """Cut the recordings of one data directory; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="data directory with wav.scp and utt2spk")
    parser.add_argument("out", type=Path, help="data directory to write, its audio in OUT/wav")
    parser.add_argument("--seconds", type=float, required=True, help="length of a piece")
    parser.add_argument("--pieces", type=int, default=1, help="of each recording (default: 1)")
    args = parser.parse_args(argv)
    return run_tool(lambda: cut(args.data, args.out, args.seconds, args.pieces))


def cut(data_dir: Path, out: Path, seconds: float, pieces: int = 1) -> None:
    """Write OUT: the first seconds of each recording, or several pieces one after the other.

    First seconds keep the utterance's id and the trial lists, then called LIST-SECONDSs; several
    pieces are called UTTERANCE-1, UTTERANCE-2, ...

    Args:
        data_dir: the data directory of whole utterances.
        out: the data directory to write; what is there is replaced.
        seconds: how long a piece is. The last may be shorter; none is empty.
        pieces: at most how many of each recording.

    Raises:
        InputError: a file of the data directory or a recording cannot be read.
    """
    (out / "wav").mkdir(parents=True, exist_ok=True)
    utt2spk = read_table(data_dir / "utt2spk")
    wav_scp, speakers = {}, {}
    for line, (utterance, source) in enumerate(read_table(data_dir / "wav.scp").items(), start=1):
        recording = read_recording(source, f"{data_dir / 'wav.scp'}:{line}")
        length = round(seconds * recording.rate)
        for number in range(pieces):
            samples = recording.samples[number * length : (number + 1) * length]
            if len(samples) == 0:
                break
            name = utterance if pieces == 1 else f"{utterance}-{number + 1}"
            path = out / "wav" / f"{name}.wav"
            with atomic_write(path, "wb") as file:
                soundfile.write(file, samples / 32768, recording.rate, "PCM_16", format="WAV")
            wav_scp[name] = os.fspath(path.resolve())
            speakers[name] = utt2spk[utterance]
    if pieces == 1:
        for trials in sorted((data_dir / "trials").glob("[!.]*")):
            (out / "trials").mkdir(exist_ok=True)
            with atomic_write(out / "trials" / f"{trials.name}-{seconds:g}s") as file:
                file.write(trials.read_text(encoding="utf-8"))
    write_data_dir(out, wav_scp, speakers)


if __name__ == "__main__":
    raise SystemExit(main())
