"""A training step of each network, with the fused batch normalization and without.

    python benchmarks/training_step.py [--networks table1] [--frames 100] [--speakers 1211]

prints the median seconds of a step of system softmax on random crops, forward, backward and Adam,
for each dtype policy with Keras's own BatchNormalization and with the layer that the networks use
(train/fused_normalization.py), as a ratio to the first network's with Keras's in float32. The ways
take turns in one process. The fused operation is TensorFlow's: on another backend it has no effect.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from speaker_bases.losses import SpeakerBases
from speaker_bases.models import HEADS, NETWORKS
from speaker_bases.train.fused_normalization import FUSED_NORMALIZATION

POLICIES = ("float32", "mixed_bfloat16")
WAYS = {"Keras": None, "fused": FUSED_NORMALIZATION}


def main() -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", choices=list(NETWORKS), nargs="+", default=["table1"])
    parser.add_argument("--frames", type=int, default=100, help="of a crop (default: 100)")
    parser.add_argument("--batch", type=int, default=100, help="crops in a batch (default: 100)")
    parser.add_argument("--speakers", type=int, default=1211, help="N (default: 1211)")
    parser.add_argument("--rounds", type=int, default=9, help="timed (default: 9)")
    parser.add_argument(
        "--cpu", action="store_true", help="count processor time, on a CPU that has other work too"
    )
    parser.add_argument("--jit", action="store_true", help="compile with XLA (always on JAX)")
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    features = rng.normal(size=(args.batch, args.frames, 64)).astype("float32")
    speakers = rng.integers(0, args.speakers, args.batch)
    models = {}
    for network in args.networks:
        for policy in POLICIES:
            for way in WAYS:
                models[network, policy, way] = training_model(args, network, policy, way)
    seconds = {way: [] for way in models}
    clock = time.process_time if args.cpu else time.perf_counter
    for number in range(args.rounds + 2):  # two to compile and to warm up
        for way, model in models.items():
            start = clock()
            model.train_on_batch(features, speakers)
            if number >= 2:
                seconds[way].append(clock() - start)
    reference = np.median(next(iter(seconds.values())))
    head = ["network", "dtype policy", "batch normalization", "s a step", "crops a second"]
    print(f"| {' | '.join(head)} | / the first |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    for way, times in seconds.items():
        step = np.median(times)
        figures = f"{step:.2f} | {args.batch / step:.0f} | {step / reference:.2f}"
        print(f"| {' | '.join(way)} | {figures} |")
    return 0


def training_model(args: argparse.Namespace, network: str, policy: str, way: str) -> keras.Model:
    """A compiled system softmax whose batch normalizations are computed in one of `WAYS`."""
    keras.config.set_dtype_policy(policy)
    try:
        inputs = keras.Input((args.frames, 64))
        outputs = NETWORKS[network](fused_normalization=WAYS[way])(inputs)
        if network in HEADS:
            outputs = HEADS[network]()(outputs)
        model = keras.Model(inputs, SpeakerBases(args.speakers)(outputs))
        model.compile(
            "adam",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=args.jit or keras.backend.backend() == "jax",
        )
    finally:
        keras.config.set_dtype_policy("float32")
    return model


if __name__ == "__main__":
    raise SystemExit(main())
