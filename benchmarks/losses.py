"""Time and memory of L_BC and L_H, forward and backward, against the obvious way and the least.

    python benchmarks/losses.py [--speakers 1211 6112 ...] [--dims 128 1024] [--jit | --no-jit]

prints a Markdown table, one row for each loss, number of speakers N and dimension:

- `L_BC`: BetweenSpeakerVariation. Straightforward: the masked N x N matrix of cosines.
- `L_BC squares`: the same class, form="log_mean_exp", in blocks. Straightforward: the N x N matrix.
- `L_H dense`, `L_H mined`: SpeakerBases and HardNegativeMining in either of their two forms; the
  layer takes the mined one from `SpeakerBases.mine_from` speakers on. Straightforward: all (M, N)
  cosines, the target masked by one-hot labels, a top-k over all of them, and its dense gradient.
- `L_H + L_BC`: both together, L_H in the form that the layer chooses at this N.

The floor is the bare product (M, dim) (dim, N) and its backward, which any loss on all speakers'
scores needs. Ratios: time and memory of ours / straightforward, ours / floor; below 1 is better.

Time: the median over rounds in which the ways take turns in one process, so that other work on
the machine meets all of them. Memory: a process for each way; the most it held at a time
(VmHWM), less what it held when the bases were there, which all ways need, and the same way had run
once on a few speakers. Some 30 MiB of that may be the compiler's: see it where N is large. Linux
only.
"""

import argparse
import gc
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

LOG = logging.getLogger("benchmarks.losses")
BYTES = 4  # float32
MATRICES = ["L_BC matrix", "L_BC squares matrix"]
MOST_PRODUCTS = 2e12  # of L_BC squares, which takes N^2 dim: some minutes
WAYS = ["floor", *MATRICES, "L_BC", "L_BC squares"]
WAYS += ["L_H one-hot", "L_H dense", "L_H mined", "L_H + L_BC"]
# (row of the table, its straightforward way)
ROWS = [
    ("L_BC", "L_BC matrix"),
    ("L_BC squares", "L_BC squares matrix"),
    ("L_H dense", "L_H one-hot"),
    ("L_H mined", "L_H one-hot"),
    ("L_H + L_BC", None),
]


def ways(layer) -> dict:
    """Functions of (embeddings, bases, speakers) to a scalar, by name."""
    from keras import ops

    from speaker_bases.losses import BetweenSpeakerVariation, HardNegativeMining

    num_speakers, num_negatives = layer.num_speakers, layer.num_negatives

    def floor(embeddings, bases, speakers):
        return ops.sum(ops.square(ops.matmul(embeddings, bases)))

    def cosines_of_pairs(bases):
        units = bases / ops.norm(bases, axis=0, keepdims=True)
        cosines = ops.matmul(ops.transpose(units), units)
        return cosines * (1.0 - ops.eye(num_speakers))

    def cosine_matrix(embeddings, bases, speakers):
        return ops.sum(cosines_of_pairs(bases))

    def squares_matrix(embeddings, bases, speakers):
        return ops.log(ops.mean(ops.exp(ops.square(5.0 * cosines_of_pairs(bases)))))

    def one_hot(embeddings, bases, speakers):
        units = embeddings / ops.norm(embeddings, axis=1, keepdims=True)
        cosines = ops.matmul(units, bases / ops.norm(bases, axis=0, keepdims=True))
        is_target = ops.one_hot(speakers, num_speakers)
        target = ops.sum(cosines * is_target, axis=1, keepdims=True)
        hardest, _ = ops.top_k(cosines - 4.0 * is_target, num_negatives)
        return ops.sum(ops.log(1.0 + ops.exp(hardest - target)))

    def between_speaker(embeddings, bases, speakers):
        return BetweenSpeakerVariation()(bases)

    def squares(embeddings, bases, speakers):
        return BetweenSpeakerVariation(scale=5.0, form="log_mean_exp")(bases)

    def hard_negatives(mine_from):
        def run(embeddings, bases, speakers):
            layer.mine_from = mine_from
            cosines, _ = layer.stateless_call([bases], [], embeddings, speakers)
            return HardNegativeMining(num_negatives)(speakers, cosines)

        return run

    chosen = hard_negatives(type(layer).mine_from)
    return {
        "floor": floor,
        "L_BC matrix": cosine_matrix,
        "L_BC squares matrix": squares_matrix,
        "L_BC": between_speaker,
        "L_BC squares": squares,
        "L_H one-hot": one_hot,
        "L_H dense": hard_negatives(num_speakers + 1),
        "L_H mined": hard_negatives(1),
        "L_H + L_BC": lambda *inputs: chosen(*inputs) + between_speaker(*inputs),
    }


def steps(case: dict, names: list[str]) -> dict:
    """By name, a function that runs one way forward and backward and waits for the result."""
    import keras

    from speaker_bases.losses import SpeakerBases

    random = np.random.default_rng(0)

    def normal(shape, dtype=None):
        # Not by Keras: its temporaries would stay with the framework as free memory.
        return keras.ops.convert_to_tensor(random.standard_normal(shape, "float32"))

    size, dim = case["speakers"], case["dim"]
    layer = SpeakerBases(size, "cosine", bases_initializer=normal, num_negatives=case["negatives"])
    layer.build((case["batch"], dim), (case["batch"],))
    embeddings = normal((case["batch"], dim))
    speakers = random.integers(0, size, case["batch"]).astype("int32")
    functions = {name: way for name, way in ways(layer).items() if name in names}
    make = _jax_step if keras.backend.backend() == "jax" else _tensorflow_step
    return {
        name: make(way, embeddings, layer.bases.value, speakers, case["jit"])
        for name, way in functions.items()
    }


def _tensorflow_step(way, embeddings, bases, speakers, jit):
    import tensorflow as tf

    speakers = tf.constant(speakers)

    @tf.function(jit_compile=jit)
    def step():
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            value = way(embeddings, tf.convert_to_tensor(bases), speakers)
        return value, tape.gradient(value, [embeddings, bases])

    def run():
        return step()[0].numpy()

    return run


def _jax_step(way, embeddings, bases, speakers, jit):
    import jax

    step = jax.jit(jax.value_and_grad(way, argnums=(0, 1)))

    def run():
        return jax.block_until_ready(step(embeddings, bases, speakers))[0]

    return run


def measure_time(case: dict) -> dict:
    """Median seconds of each way, their rounds taking turns."""
    runs = steps(case, case["ways"])
    seconds = {name: [] for name in runs}
    for number in range(-1, case["rounds"]):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            if number >= 0:  # the first round compiles
                seconds[name].append(time.perf_counter() - begin)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def measure_memory(case: dict) -> dict:
    """Bytes held at most by the one way of this case, beyond what was there before."""
    (name,) = case["ways"]
    small = {**case, "speakers": 2 * (1 + case["negatives"])}
    steps(small, [name])[name]()
    run = steps(case, [name])[name]
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    for _ in range(2):
        run()
    return {name: _status("VmHWM") - before}


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def needed_bytes(name: str, case: dict) -> int:
    """About what a way needs, to leave out what does not fit."""
    n, dim, batch = case["speakers"], case["dim"], case["batch"]
    matrix = 4 * n * n if name in MATRICES else 6 * batch * n
    return BYTES * (5 * n * dim + matrix)


def in_new_process(case: dict, job: str) -> dict:
    command = [sys.executable, __file__, "--job", job, json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        LOG.warning("%s of %s failed:\n%s", job, case, done.stderr[-2000:])
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def measure(case: dict, rounds: int) -> list[str]:
    """The table's rows for one N and dim."""
    available = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) * 1024
    fitting = [name for name in WAYS if needed_bytes(name, case) < available / 2]
    if case["speakers"] ** 2 * case["dim"] > MOST_PRODUCTS and "L_BC squares" in fitting:
        fitting.remove("L_BC squares")
    LOG.info("N = %d, dim = %d: %s", case["speakers"], case["dim"], ", ".join(fitting))
    seconds = in_new_process({**case, "ways": fitting, "rounds": rounds}, "time")
    memory = {}
    for name in fitting:
        memory |= in_new_process({**case, "ways": [name]}, "memory")

    def ratio(values, ours, other):
        known = other in values and ours in values and values[other] > 0
        return f"{values[ours] / values[other]:.3g}" if known else "-"

    rows = []
    for ours, straightforward in ROWS:
        cells = [f"{case['speakers']:,}", str(case["dim"]), ours]
        for values, unit, digits in [(seconds, 1e-3, 1), (memory, 2**20, 0)]:
            cells.append(f"{values[ours] / unit:,.{digits}f}" if ours in values else "-")
            cells += [ratio(values, ours, straightforward), ratio(values, ours, "floor")]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/losses.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--speakers", type=int, nargs="+", default=[1211, 6112, 100_000, 1_000_000], metavar="N"
    )
    parser.add_argument("--dims", type=int, nargs="+", default=[128, 1024], metavar="DIM")
    parser.add_argument("--batch", type=int, default=100, help="M (default %(default)s)")
    parser.add_argument("--negatives", type=int, default=100, help="H (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="timed (default %(default)s)")
    parser.add_argument(
        "--jit",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compile with XLA (always on JAX)",
    )
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.job:
        job, case = args.job[0], json.loads(args.job[1])
        print(json.dumps((measure_time if job == "time" else measure_memory)(case)))
        return 0

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print(
        "| N | dim | loss | ms | / straightforward | / floor | MiB | / straightforward | / floor |"
    )
    print("| --- " * 9 + "|", flush=True)
    for dim in args.dims:
        for speakers in args.speakers:
            case = {"speakers": speakers, "dim": dim, "batch": args.batch}
            case |= {"negatives": args.negatives, "jit": args.jit}
            for row in measure(case, args.rounds):
                print(row, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
