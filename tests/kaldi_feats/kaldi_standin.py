"""Stands in for Kaldi's compute-fbank-feats, apply-cmvn-sliding, copy-feats and extract-segments.

Called under one of these names. Takes the options that Kaldi's programs document and no others,
appends its command line to $KALDI_STANDIN_LOG, and does on a small scale what they do: the same
formats, warnings and exit codes.
"""

import os
import subprocess
import sys
import wave
from io import BytesIO
from pathlib import Path

import kaldiio
import numpy as np

from speaker_bases.kaldi_feats.fbank.features import Fbank
from speaker_bases.kaldi_feats.fbank.options import DEFAULTS, read_options
from speaker_bases.kaldi_feats.fbank.sliding_mean import subtract_sliding_mean

PROGRAM = Path(sys.argv[0]).name
OPTIONS = {
    "extract-segments": {"min-segment-length", "max-overshoot"},
    "compute-fbank-feats": {"config", *DEFAULTS},
    "apply-cmvn-sliding": {"center", "cmn-window", "min-cmn-window", "norm-vars"},
    "copy-feats": {"compress", "compression-method", "write-num-frames", "htk-in"},
}


def say(kind: str, function: str, message: str) -> None:
    sys.stderr.write(f"{kind} ({PROGRAM}[5.5.1068~1-f4007]:{function}():file.cc:1) {message}\n")


def fail(function: str, message: str) -> None:
    say("ERROR", function, message)
    sys.exit(255)


def write_ark(entries) -> None:
    for name, matrix in entries:
        sys.stdout.buffer.write(f"{name} ".encode())
        kaldiio.save_mat(sys.stdout.buffer, np.asarray(matrix, np.float32))


def waves_of_scp(path: str):
    """The wav files that a table names, or that its commands write."""
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(" ")
        if value.endswith("|"):
            process = subprocess.run(value[:-1], shell=True, stdout=subprocess.PIPE, check=False)
            data = process.stdout
            if process.returncode:
                code = process.returncode * 256
                say("WARNING", "Close", f"Pipe {value} had nonzero return status {code}")
        elif not os.path.exists(value):
            say("WARNING", "EnsureObjectLoaded", f"Failed to open file {value}")
            fail("Value", f"Failed to load object from {value}")
        else:
            data = Path(value).read_bytes()
        if data[:4] != b"RIFF":
            say("ERROR", "Read", f"WaveData: expected RIFF or RIFX, got {data[:4]}")
            fail("Value", f"Failed to load object from {value}")
        yield name, data


def waves_of_ark(file):
    """The wav files of an archive: a name, a blank, and a RIFF chunk each."""
    while name := b"".join(iter(lambda: file.read(1).strip(), b"")).decode():
        head = file.read(8)
        yield name, head + file.read(int.from_bytes(head[4:], "little"))


def samples_of(data: bytes) -> tuple[int, np.ndarray]:
    with wave.open(BytesIO(data)) as file:
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


def extract_segments(options: dict, source: str, segments: str, target: str) -> int:
    assert source.startswith("scp:") and target == "ark:-"
    waves, done = dict(waves_of_scp(source[4:])), 0
    for line in Path(segments).read_text().splitlines():
        name, recording, start, end = line.split()
        rate, samples = samples_of(waves[recording])
        if int(float(start) * rate) >= len(samples):
            say("WARNING", "main", f"Start sample out of range of file, for segment {name}")
            continue
        stop = None if float(end) == -1 else int(float(end) * rate)
        buffer = BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples[int(float(start) * rate) : stop].tobytes())
        sys.stdout.buffer.write(f"{name} ".encode() + buffer.getvalue())
        done += 1
    return 0 if done else 1


def compute_fbank_feats(options: dict, source: str, target: str) -> int:
    assert source.startswith(("scp:", "ark:-")) and target == "ark:-"
    settings = read_options(options["config"])
    fbank, wanted, done = Fbank(settings), settings["sample-frequency"], 0
    waves = waves_of_ark(sys.stdin.buffer) if source == "ark:-" else waves_of_scp(source[4:])
    for name, data in waves:
        rate, samples = samples_of(data)
        if rate != wanted:
            option = "downsample" if rate > wanted else "upsample"
            message = f"Waveform and config sample Frequency mismatch: {rate} .vs {wanted:g}"
            say("ERROR", "ComputeFeatures", f"{message} (use --allow-{option}=true ...")
            say("WARNING", "main", f"Failed to compute features for utterance {name}")
            continue
        features = fbank(samples.astype(np.float32))
        write_ark([(name, features if len(features) else np.zeros((0, 0)))])
        done += 1
    say("LOG", "main", f" Done {done} out of some utterances.")
    return 0 if done else 1


def apply_cmvn_sliding(options: dict, source: str, target: str) -> int:
    assert source == target == "ark:-"
    assert options["center"] == "true" and options["norm-vars"] == "false"
    done = 0
    for name, matrix in kaldiio.load_ark(sys.stdin.buffer):
        if len(matrix) == 0:
            say("WARNING", "main", f"Empty feature matrix for utterance {name}")
            continue
        write_ark([(name, subtract_sliding_mean(matrix, int(options["cmn-window"])))])
        done += 1
    return 0 if done else 1


def copy_feats(options: dict, source: str, target: str) -> int:
    assert source == "ark:-" and target.startswith("ark,scp:")
    ark, scp = target.removeprefix("ark,scp:").split(",")
    method = 1 if options.get("compress") == "true" else None
    counts = options["write-num-frames"]
    assert counts.startswith("ark,t:")
    done = 0
    with (
        open(ark, "wb") as ark_file,
        open(scp, "w") as scp_file,
        open(counts[6:], "w") as count_file,
    ):
        for name, matrix in kaldiio.load_ark(sys.stdin.buffer):
            ark_file.write(f"{name} ".encode())
            scp_file.write(f"{name} {ark}:{ark_file.tell()}\n")
            count_file.write(f"{name} {len(matrix)} \n")
            kaldiio.save_mat(ark_file, matrix, compression_method=method)
            done += 1
    return 0 if done else 1


def main() -> int:
    with open(os.environ["KALDI_STANDIN_LOG"], "a") as log:
        log.write(" ".join([PROGRAM, *sys.argv[1:]]) + "\n")
    options, arguments = {}, []
    for word in sys.argv[1:]:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name not in OPTIONS[PROGRAM] or not equals:
                fail("Read", f"Invalid option {word}")
            options[name] = value
        else:
            arguments.append(word)
    if len(arguments) != (3 if PROGRAM == "extract-segments" else 2):
        return 1
    return globals()[PROGRAM.replace("-", "_")](options, *arguments)


if __name__ == "__main__":
    sys.exit(main())
