"""What a full run on VoxCeleb needs on this machine: hours and disk, from rates measured here.

    python benchmarks/full_run.py --audio DIR_OF_WAV_OR_FLAC [--batch 100] [--steps 5]

Measures, on the device that Keras takes (a GPU if there is one):

- a training step of each network with the corpus' number of speakers, on random crops of the
  corpus' length, data at hand: reading features is not in it;
- embedding whole utterances of 8.2 s, VoxCeleb's mean;
- a core's filter banks with the sliding mean, and ffmpeg's decoding of an m4a of such a length.

The reference of the first two is a large product of float32 matrices on the same device: printed is
which share of its operations a second they reach (operations of a training step: three times the
forward pass').
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]
UTTERANCE_SECONDS = 8.2
# Utterances for training and in all, speakers, hours in all, of which m4a files.
# https://www.robots.ox.ac.uk/~vgg/data/voxceleb/
CORPORA = {
    "voxceleb1": (148_642, 153_516, 1_211, 352, 0),
    "voxceleb2": (1_128_246, 1_128_246 + 153_516, 6_112, 2_442 + 352, 1_128_246),
}
SYSTEMS = {"voxceleb1": "proposed2", "voxceleb2": "vox2_proposed_h100"}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--audio", type=Path, required=True, help="speech, wav or flac, 16 kHz")
    parser.add_argument("--corpora", nargs="+", choices=list(CORPORA), default=list(CORPORA))
    parser.add_argument("--batch", type=int, default=100, help="crops in a step (100)")
    parser.add_argument("--steps", type=int, default=5, help="steps that are timed (5)")
    args = parser.parse_args(argv)
    reference = product_rate()
    print(f"{device()}: product of float32 matrices {reference / 1e12:.3g} TFLOP/s")
    fbank, ffmpeg = audio_rates(args.audio)
    for corpus in args.corpora:
        training, everything, speakers, hours, m4a = CORPORA[corpus]
        print(f"\n{corpus}: {hours:,} hours, {everything:,} utterances, {training:,} for training")
        print(f"  features on disk: {hours * 3600 * 100 * 64 * 4 / 1e9:.0f} GB in float32")
        line = f"  stage 1: {hours / fbank:.1f} core hours of filter banks"
        if m4a:
            line += f", {m4a * ffmpeg / 3600:.1f} of ffmpeg" if ffmpeg else ", ffmpeg not here"
        print(line)
        measure_network(args, corpus, training, everything, speakers, reference)
    return 0


def measure_network(args, corpus, training, everything, speakers, reference) -> None:
    """Print a network's training and embedding rates and what they mean for the corpus."""
    import keras

    from speaker_bases.models.resnet import resnet34
    from speaker_bases.train.config import load_config
    from speaker_bases.train.systems import build_model

    keras.utils.set_random_seed(0)
    system, conf = SYSTEMS[corpus], ROOT / "conf"
    config = load_config(conf / f"systems/{system}.yaml", conf / f"corpora/{corpus}.yaml")
    frames, epochs, table = config["crop_frames"], config["epochs"], config["network"]
    model = build_model(config, speakers, steps=1)
    draws = np.random.default_rng(0)
    crops = draws.standard_normal((args.batch, frames, 64), dtype=np.float32)
    labels = draws.integers(0, speakers, args.batch).astype(np.int32)
    step = seconds(lambda: model.train_on_batch([crops, labels], labels), args.steps) / args.batch
    whole = draws.standard_normal((1, round(100 * UTTERANCE_SECONDS), 64), dtype=np.float32)
    whole = np.repeat(whole, max(1, args.batch // 8), axis=0)
    backbone = resnet34(table)
    embed = seconds(lambda: backbone.predict_on_batch(whole), args.steps) / len(whole)
    share = 3 * operations(table, frames) / step / reference
    print(
        f"  training {system}: {1 / step:.3g} crops of {frames} frames a second in batches of "
        f"{args.batch}, {share:.2f} of the product's rate\n"
        f"  an epoch: {training * step / 3600:.2f} hours, {epochs} epochs: "
        f"{epochs * training * step / 86400:.1f} days"
    )
    share = operations(table, whole.shape[1]) / embed / reference
    print(
        f"  embedding: {1 / embed:.3g} utterances of {UTTERANCE_SECONDS} s a second, {share:.2f} "
        f"of the product's rate; all: {everything * embed / 3600:.2f} hours"
    )
    print(f"  memory so far: {memory()}", flush=True)


def seconds(work, repetitions: int) -> float:
    """The median time of one call, after two that compile and warm up."""
    times = []
    for _ in range(repetitions + 2):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times[2:]))


def operations(table: str, frames: int) -> float:
    """Additions and multiplications of the convolutions in one forward pass of one crop."""
    from speaker_bases.models.resnet import NUM_MEL_BINS, TABLES

    rows = TABLES[table]
    height, width = -(-frames // rows.conv1_strides[0]), NUM_MEL_BINS // rows.conv1_strides[1]
    channels = rows.conv1_filters
    products = 7 * 7 * channels * height * width
    for filters, blocks, strides in zip(
        rows.stage_filters, rows.stage_blocks, rows.stage_strides, strict=True
    ):
        height, width = -(-height // strides[0]), -(-width // strides[1])
        kernels = 9 * filters * (channels + (2 * blocks - 1) * filters)
        if strides != (1, 1) or channels != filters:
            kernels += channels * filters  # the shortcut
        products += kernels * height * width
        channels = filters
    return 2.0 * products


def product_rate(size: int = 4096, repetitions: int = 5) -> float:
    """Operations a second of (size, size) times (size, size)."""
    import keras
    from keras import ops

    matrix = ops.convert_to_tensor(np.random.default_rng(0).random((size, size), np.float32))
    total = lambda: float(keras.ops.max(ops.matmul(matrix, matrix)))  # noqa: E731  waits for it
    return 2 * size**3 / seconds(total, repetitions)


def audio_rates(folder: Path) -> tuple[float, float | None]:
    """Times real time of the filter banks, CPU seconds of ffmpeg a file, on one core."""
    from speaker_bases.kaldi_feats.audio import CONVERTERS
    from speaker_bases.kaldi_feats.fbank.features import Fbank
    from speaker_bases.kaldi_feats.fbank.options import read_options
    from speaker_bases.kaldi_feats.fbank.sliding_mean import subtract_sliding_mean

    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))[:40]
    if not paths:
        sys.exit(f"{folder}: no wav or flac files in it")
    extract = Fbank(read_options(ROOT / "conf" / "fbank.conf"))
    start, length = cpu_seconds(resource.RUSAGE_SELF), 0.0
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        subtract_sliding_mean(extract(samples * 32768), 300)
        length += len(samples) / rate
    fbank = length / (cpu_seconds(resource.RUSAGE_SELF) - start)
    print(f"a core: filter banks {fbank:.0f} times real time", end="")
    if shutil.which("ffmpeg") is None:
        print()
        return fbank, None
    with tempfile.TemporaryDirectory() as scratch:
        wav, m4a = Path(scratch, "one.wav"), Path(scratch, "one.m4a")
        repeated = np.resize(samples, round(UTTERANCE_SECONDS * rate))
        soundfile.write(wav, repeated, rate, subtype="PCM_16")
        subprocess.run(["ffmpeg", "-v", "error", "-i", wav, "-c:a", "aac", m4a], check=True)
        command = CONVERTERS["ffmpeg"].format(m4a).removesuffix("|")
        start = cpu_seconds(resource.RUSAGE_CHILDREN)
        for _ in range(5):
            subprocess.run(f"{command} >{os.devnull}", shell=True, check=True)
        ffmpeg = (cpu_seconds(resource.RUSAGE_CHILDREN) - start) / 5
    print(f", ffmpeg {ffmpeg:.3f} CPU seconds a file of {UTTERANCE_SECONDS} s")
    return fbank, ffmpeg


def cpu_seconds(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def device() -> str:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    return ", ".join(keras.distribution.list_devices())


def memory() -> str:
    """The most that was held at a time: the accelerator's where Keras's backend tells, or ours."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        held = jax.devices()[0].memory_stats()
        if held:
            return f"{held['peak_bytes_in_use'] / 1e9:.1f} GB of the device"
    elif keras.backend.backend() == "tensorflow":
        import tensorflow

        if tensorflow.config.list_physical_devices("GPU"):
            held = tensorflow.config.experimental.get_memory_info("GPU:0")
            return f"{held['peak'] / 1e9:.1f} GB of the device"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB of the machine"


if __name__ == "__main__":
    raise SystemExit(main())
