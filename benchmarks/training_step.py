"""A training step of the network of Table 1 or 3, with the fused batch normalization and without.

    python benchmarks/training_step.py [--network table1] [--frames 100] [--speakers 1211]

prints the median seconds of a step of system softmax on random crops, forward, backward and Adam,
for each dtype policy with Keras's own BatchNormalization and with the layer that the networks use
(train/fused_normalization.py), as a ratio to Keras's in float32. The ways take turns in one
process. The fused operation is TensorFlow's: on another backend the ratios are about 1.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

from speaker_bases.losses import SpeakerBases
from speaker_bases.models import residual_stage, resnet34
from speaker_bases.train.fused_normalization import use_fused_normalization

POLICIES = ("float32", "mixed_bfloat16")
FUSED = residual_stage.FusedBatchNormalization


def main() -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", choices=("table1", "table3"), default="table1")
    parser.add_argument("--frames", type=int, default=100, help="of a crop (default: 100)")
    parser.add_argument("--batch", type=int, default=100, help="crops in a batch (default: 100)")
    parser.add_argument("--speakers", type=int, default=1211, help="N (default: 1211)")
    parser.add_argument("--rounds", type=int, default=9, help="timed (default: 9)")
    parser.add_argument("--jit", action="store_true", help="compile with XLA (always on JAX)")
    args = parser.parse_args()
    use_fused_normalization()

    rng = np.random.default_rng(0)
    features = rng.normal(size=(args.batch, args.frames, 64)).astype("float32")
    speakers = rng.integers(0, args.speakers, args.batch)
    models = {}
    for policy in POLICIES:
        for norm in (layers.BatchNormalization, FUSED):
            models[policy, norm] = training_model(args, policy, norm)
    seconds = {way: [] for way in models}
    for number in range(args.rounds + 2):  # two to compile and to warm up
        for way, model in models.items():
            start = time.perf_counter()
            model.train_on_batch(features, speakers)
            if number >= 2:
                seconds[way].append(time.perf_counter() - start)
    reference = np.median(seconds[POLICIES[0], layers.BatchNormalization])
    print("| dtype policy | batch normalization | s a step | crops a second | / Keras's float32 |")
    print("| --- | --- | ---: | ---: | ---: |")
    for (policy, norm), times in seconds.items():
        step = np.median(times)
        print(
            f"| {policy} | {'fused' if norm is FUSED else 'Keras'} | {step:.2f} | "
            f"{args.batch / step:.0f} | {step / reference:.2f} |"
        )
    return 0


def training_model(args: argparse.Namespace, policy: str, norm: type) -> keras.Model:
    """A compiled system softmax whose convolutions are normalized by `norm`."""
    keras.config.set_dtype_policy(policy)
    residual_stage.FusedBatchNormalization = norm
    try:
        backbone = resnet34(args.network)
        inputs = keras.Input((args.frames, 64))
        model = keras.Model(inputs, SpeakerBases(args.speakers)(backbone(inputs)))
        model.compile(
            "adam",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=args.jit or keras.backend.backend() == "jax",
        )
    finally:
        residual_stage.FusedBatchNormalization = FUSED
        keras.config.set_dtype_policy("float32")
    return model


if __name__ == "__main__":
    raise SystemExit(main())
