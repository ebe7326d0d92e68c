"""The toy: eight made-up speakers on a plane, and a tiny network that is trained in a second.

Its embeddings have two dimensions, so that all of it can be drawn. It is built as the real systems
are: a backbone, the layers that a loss needs, `compile` and `fit`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from speaker_bases.losses import CenterLoss, SpeakerBases

from .restart import restart

SPEAKERS, UTTERANCES, INPUTS = 8, 30, 16
BATCH, EPOCHS = 80, 40

_random = np.random.default_rng(3)
PROTOTYPES = _random.normal(size=(SPEAKERS, INPUTS))
y = np.repeat(np.arange(SPEAKERS), UTTERANCES).astype("int32")
x = (PROTOTYPES[y] + 0.6 * _random.normal(size=(len(y), INPUTS))).astype("float32")
"""Features (utterances, 16) of the speakers `y`, the same for every loss and seed."""


@dataclass
class Run:
    """Where everything was after each epoch of one training; entry 0 is before the first step.

    Attributes:
        embeddings: a list of (utterances, 2).
        bases: a list of (2, speakers); empty if the model has no layer `bases`.
        centers: a list of (speakers, 2); empty if the model has no layer `center`.
        y: (utterances,), the speakers.
    """

    y: np.ndarray
    embeddings: list[np.ndarray] = field(default_factory=list)
    bases: list[np.ndarray] = field(default_factory=list)
    centers: list[np.ndarray] = field(default_factory=list)


def bases(**options) -> SpeakerBases:
    """A `SpeakerBases` layer for the toy's speakers."""
    return SpeakerBases(SPEAKERS, name="bases", **options)


def centers(weight: float = 0.02) -> CenterLoss:
    """A `CenterLoss` layer for the toy's speakers, with a lambda that suits its size."""
    return CenterLoss(SPEAKERS, weight=weight, centers_initializer="zeros", name="center")


def every_speaker(random: np.random.Generator) -> Iterable[np.ndarray]:
    """An epoch of batches: all utterances in a new order, 80 at a time."""
    return random.permutation(len(y)).reshape(-1, BATCH)


def some_speakers(number: int) -> Callable[[np.random.Generator], Iterable[np.ndarray]]:
    """Batches that hold utterances of only ``number`` speakers, 80 at a time, three an epoch."""

    def batches(random):
        for _ in range(len(y) // BATCH):
            chosen = random.choice(SPEAKERS, number, replace=False)
            pool = np.flatnonzero(np.isin(y, chosen))
            yield random.choice(pool, BATCH, replace=len(pool) < BATCH)

    return batches


def train(
    heads: Callable[[], Sequence[keras.layers.Layer]],
    loss: keras.losses.Loss | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    seeds: Iterable[int] = (0,),
    epochs: int = EPOCHS,
    batches: Callable[[np.random.Generator], Iterable[np.ndarray]] = every_speaker,
    learning_rate: float = 0.01,
) -> dict[int, Run]:
    """Train the toy once for each seed.

    A seed stands for the initial weights and the order of the utterances; whatever the heads,
    the same seed gives the same backbone and the same order.

    Args:
        heads: makes the layers behind the backbone; each is called with (what the one before it
            returned, speakers).
        loss: the loss on the last one's output; None if the layers add theirs.
        callbacks: of `fit`.
        seeds: one training each.
        epochs: of three batches of 80.
        batches: makes an epoch of batches, each the numbers of its utterances.
        learning_rate: of Adam.

    Returns:
        The `Run` of each seed.
    """
    runs = {}
    model = None
    for seed in seeds:
        fresh = _build(heads, seed)
        if model is None:
            model = fresh
            model.compile(keras.optimizers.Adam(learning_rate), loss)
        else:
            restart(model, fresh)
        random = np.random.default_rng(seed)
        order = np.concatenate([batch for _ in range(epochs) for batch in batches(random)])
        watch = _Watch(steps=len(order) // BATCH // epochs)
        model.fit(
            [x[order], y[order]],
            y[order],
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
            callbacks=[watch, *callbacks],
        )
        runs[seed] = watch.run
    return runs


def _copy(tensor) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(tensor))  # not a view of what training overwrites


def _build(heads, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    features, speakers = keras.Input((INPUTS,)), keras.Input((), dtype="int32")
    backbone = keras.Sequential(
        [keras.Input((INPUTS,)), keras.layers.Dense(64, "leaky_relu"), keras.layers.Dense(2)],
        name="backbone",
    )
    output = backbone(features)
    for head in heads():
        output = head(output, speakers)
    return keras.Model([features, speakers], output)


class _Watch(keras.callbacks.Callback):
    """Keep a `Run`; an epoch of ours is ``steps`` batches of one long epoch of Keras's."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps, self.run = steps, Run(y)

    def on_train_begin(self, logs=None):
        self._take()

    def on_train_batch_end(self, batch, logs=None):
        if (batch + 1) % self.steps == 0:
            self._take()

    def _take(self):
        layers = {layer.name: layer for layer in self.model.layers}
        self.run.embeddings.append(_copy(layers["backbone"](x)))
        if "bases" in layers:
            self.run.bases.append(_copy(layers["bases"].bases))
        if "center" in layers:
            self.run.centers.append(_copy(layers["center"].centers))


# What is measured of a run.


def cosines(embeddings: np.ndarray, bases: np.ndarray) -> np.ndarray:
    """cos(W_j, e_i): (utterances, speakers) from (utterances, dim) and (dim, speakers)."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True) * np.linalg.norm(bases, axis=0)
    return embeddings @ bases / norms


def speaker_means(run: Run, epoch: int = -1) -> np.ndarray:
    """The mean embedding of each speaker: (speakers, 2)."""
    points = run.embeddings[epoch]
    return np.stack([points[run.y == k].mean(axis=0) for k in range(SPEAKERS)])


def tightness(run: Run, epoch: int = -1) -> float:
    """How far an utterance lies from its own speaker's mean, as a share of how far from all's."""
    points = run.embeddings[epoch]
    within = np.linalg.norm(points - speaker_means(run, epoch)[run.y], axis=1).mean()
    return float(within / np.linalg.norm(points - points.mean(axis=0), axis=1).mean())


def own_cosine(run: Run, epoch: int = -1) -> float:
    """The mean cosine of an embedding with its own speaker's basis."""
    own = cosines(run.embeddings[epoch], run.bases[epoch])[np.arange(len(run.y)), run.y]
    return float(own.mean())


def nearest_own_mean(run: Run, epoch: int = -1) -> float:
    """The share of utterances whose cosine is largest with their own speaker's mean."""
    nearest = cosines(run.embeddings[epoch], speaker_means(run, epoch).T).argmax(axis=1)
    return float(np.mean(nearest == run.y))


def closest_pair(bases: np.ndarray) -> float:
    """The largest cosine between two bases, of (dim, speakers)."""
    between = cosines(bases.T, bases)
    return float(between[~np.eye(len(between), dtype=bool)].max())
