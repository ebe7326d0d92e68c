"""What hard negatives cost: mined in phases of their own, and in every step as L_H has it.

    python benchmarks/mining.py [--crops 20] [--rounds 3] [--every 1 5]

Two tables in Markdown, of CPU seconds, all cores together: those of the clock would depend on what
else the machine does. The first holds the rates that are measured, in turns in one process:

- a training step of Table 1's network by the contrastive loss, and one of VGG-M with everything
  frozen but fc8, for one crop of 304 frames;
- the embedding of one whole utterance by either, padded as the recipe pads it;
- L_H's choice of the 100 hardest of N bases for 100 utterances (`hardest_negatives`; their cosines
  are those that the loss needs anyway);
- the search for the hardest pairs, a pool of ten times as many as are kept, among the embeddings of
  all training utterances, for one pair of the pool; and for one pair where all pairs are searched.

The second has what an epoch costs with N = 1,211 speakers (VoxCeleb1: 148,642 utterances of 8.2 s)
and 6,112 (VoxCeleb2: 1,128,246 of 7.8 s): seconds of mining, its share of mining and training
together, how many times L_H's it is, and how old negatives are when they are trained on. "measured"
stands behind what was run at that size; the rest is computed from the rates.
"""

import argparse
import math
import os
import time
from dataclasses import dataclass

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from speaker_bases.kaldi_feats.batches import padded_length
from speaker_bases.losses import Contrastive
from speaker_bases.losses.mining import hardest_negatives
from speaker_bases.models import NETWORKS
from speaker_bases.models.utterance_embedder import UtteranceEmbedder
from speaker_bases.train.embedding import BATCH_FRAMES
from speaker_bases.train.fused_normalization import FUSED_NORMALIZATION
from speaker_bases.train.pair_mining import draw_negatives, hardest_pairs
from speaker_bases.train.pairs import Pairs

BATCH, CROP, NEGATIVES = 100, 304, 100
SHARE, HARDEST = 0.5, 0.1
LARGEST = 1 << 30
"""Bytes of embeddings that are searched; of more, a part of this size."""


@dataclass(frozen=True)
class Corpus:
    """Training speakers, their utterances, and frames of the mean utterance."""

    speakers: int
    utterances: int
    frames: int

    @property
    def steps(self) -> int:
        """Mini-batches of an epoch."""
        return self.utterances // BATCH


CORPORA = (Corpus(1211, 148_642, 820), Corpus(6112, 1_128_246, 780))
NETS = {"table1": ("Table 1", {}), "vgg_m": ("VGG-M, all but fc8 frozen", {"fc8_units": 1024})}
DIMS = {"table1": 128, "vgg_m": 1024}


def main() -> int:
    """Print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--crops", type=int, default=20, help="in a timed step (default: 20)")
    parser.add_argument("--rounds", type=int, default=3, help="timed (default: 3)")
    parser.add_argument(
        "--every", type=int, nargs="+", default=[1, 5], help="epochs between phases (default: 1 5)"
    )
    args = parser.parse_args()
    work = dict(tasks(args.crops))
    times: dict[tuple, list[float]] = {name: [] for name in work}
    for number in range(args.rounds + 1):  # one to compile and to warm up
        for name, (task, units) in work.items():
            start = time.process_time()
            task()
            if number:
                times[name].append((time.process_time() - start) / units)
    rates = {name: float(np.median(seconds)) for name, seconds in times.items()}
    print_rates(rates)
    print_costs(rates, args.every)
    return 0


def tasks(crops: int):
    """Each measured thing: its name, a function that does it, and how many units it does."""
    rng = np.random.default_rng(0)
    for net, (_, settings) in NETS.items():
        backbone = NETWORKS[net](fused_normalization=FUSED_NORMALIZATION, **settings)
        if net == "vgg_m":
            for layer in backbone.layers:
                layer.trainable = layer.name == "fc8"
        bands, dim = backbone.input_shape[-1], DIMS[net]
        yield ("step", net), (training_step(backbone, bands, crops, rng), crops)
        yield ("embed", net), embedding(backbone, bands, CORPORA[0].frames, rng)
        for corpus in CORPORA:
            yield ("search", net, corpus), search(corpus, dim, rng)
        yield ("exhaustive", net), exhaustive(dim, rng)
    for corpus in CORPORA:
        yield ("L_H", corpus), (choice(corpus.speakers, rng), 1)


def training_step(backbone, bands: int, crops: int, rng):
    features = keras.Input((CROP, bands))
    speakers = keras.Input((), dtype="int32")
    outputs = Contrastive(reduction="mean")(backbone(features), speakers)
    model = keras.Model([features, speakers], outputs)
    model.compile("adam", loss=None)
    batch = rng.normal(size=(crops, CROP, bands)).astype("float32"), rng.integers(0, 9, crops)
    return lambda: model.train_on_batch(list(batch))


def embedding(backbone, bands: int, frames: int, rng):
    embedder, padded = UtteranceEmbedder(backbone), padded_length(frames)
    rows = BATCH_FRAMES // padded
    features = rng.normal(size=(rows, padded, bands)).astype("float32")
    lengths = np.full(rows, frames, "int32")
    return (lambda: embedder.predict_on_batch([features, lengths])), rows


def searched_at_a_time(corpus: Corpus, dim: int) -> int:
    """How many of a corpus's embeddings the search is run on: all, if they are not too large."""
    return min(corpus.utterances, LARGEST // (4 * dim))


def search(corpus: Corpus, dim: int, rng):
    """The pool of one epoch among the embeddings of all utterances, or a part of both."""
    utterances = searched_at_a_time(corpus, dim)
    embeddings = rng.normal(size=(utterances, dim)).astype("float32")
    batches = Pairs(np.arange(utterances) % corpus.speakers, BATCH // 2, 1, 0, SHARE)
    number = batches.steps_per_epoch * batches.mined_per_batch
    pool = math.ceil(number / HARDEST)

    def task():
        hardest_pairs(embeddings, draw_negatives(batches, pool, rng), number)

    return task, pool


def exhaustive(dim: int, rng):
    rows = rng.normal(size=(4096, dim)).astype("float32")
    squares = (rows**2).sum(axis=1)

    def task():
        distances = squares[:, None] + squares - 2 * rows @ rows.T
        np.partition(distances, int(HARDEST * len(rows)), axis=1)

    return task, len(rows) ** 2


def choice(num_speakers: int, rng):
    cosines = keras.ops.convert_to_tensor(rng.uniform(-1, 1, (BATCH, num_speakers)), "float32")
    speakers = keras.ops.convert_to_tensor(rng.integers(0, num_speakers, BATCH), "int32")
    if keras.backend.backend() == "jax":
        import jax

        chosen = jax.jit(lambda: hardest_negatives(cosines, speakers, NEGATIVES))
    else:
        import tensorflow as tf

        chosen = tf.function(lambda: hardest_negatives(cosines, speakers, NEGATIVES))
    return lambda: keras.ops.convert_to_numpy(chosen())


def print_rates(rates: dict) -> None:
    print("| measured | CPU time | / training |\n| --- | ---: | ---: |")
    for net, (title, _) in NETS.items():
        step = rates["step", net]
        print(f"| {title}: training, one crop | {1e3 * step:.1f} ms | 1 |")
        embed = rates["embed", net]
        print(f"| {title}: embedding, one utterance | {1e3 * embed:.1f} ms | {embed / step:.2f} |")
        for corpus in CORPORA:
            pair = rates["search", net, corpus]
            what = f"search, one pair of the pool, N = {corpus.speakers:,}"
            print(f"| {title}: {what} | {1e6 * pair:.2f} us | {pair / step:.2g} |")
        pair = rates["exhaustive", net]
        print(f"| {title}: search of all pairs, one | {1e9 * pair:.1f} ns | {pair / step:.2g} |")
    for corpus in CORPORA:
        chosen, step = rates["L_H", corpus], BATCH * rates["step", "table1"]
        print(
            f"| L_H: choice of {NEGATIVES} of {corpus.speakers:,}, one step of {BATCH} "
            f"| {1e3 * chosen:.2f} ms | {chosen / step:.2g} |"
        )


def print_costs(rates: dict, intervals: list[int]) -> None:
    head = ["N", "network", "mining", "embedding, s", "search, s", "mining, s an epoch"]
    head += ["share of training", "/ L_H", "age in steps, mean", "most"]
    print("\n| " + " | ".join(head) + " |")
    print("| --- | --- | --- |" + " ---: |" * 7)
    for corpus in CORPORA:
        reference = corpus.steps * rates["L_H", corpus]
        training = BATCH * corpus.steps * rates["step", "table1"]
        share = reference / (reference + training)
        print(
            f"| {corpus.speakers:,} | Table 1 | L_H, every step | - | - "
            f"| {reference:,.1f} (a step measured) "
            f"| {100 * share:.3g} % | 1 | 0 | 0 |"
        )
        for net, (title, _) in NETS.items():
            training = BATCH * corpus.steps * rates["step", net]
            frames = corpus.frames / CORPORA[0].frames
            embedded = corpus.utterances * frames * rates["embed", net]
            mined = corpus.steps * round(SHARE * (BATCH // 2 - BATCH // 4))
            searched = mined / HARDEST * rates["search", net, corpus]
            whole = searched_at_a_time(corpus, DIMS[net]) == corpus.utterances
            note = " (measured)" if whole else ""
            for every in intervals:
                phase = embedded + every * searched
                epoch = phase / every
                steps = every * corpus.steps
                print(
                    f"| {corpus.speakers:,} | {title} | a phase every "
                    f"{f'{every} epochs' if every > 1 else 'epoch'} | {embedded:,.0f} "
                    f"| {every * searched:,.2f}{note if every == 1 else ''} | {epoch:,.0f} "
                    f"| {100 * epoch / (epoch + training):.0f} % | {epoch / reference:,.0f} "
                    f"| {(steps - 1) / 2:,.0f} | {steps - 1:,} |"
                )
            everything = corpus.utterances**2 / 2 * rates["exhaustive", net]
            print(
                f"| {corpus.speakers:,} | {title} | the search alone, of all pairs | - "
                f"| {everything:,.0f} | - | - | - | - | - |"
            )


if __name__ == "__main__":
    raise SystemExit(main())
