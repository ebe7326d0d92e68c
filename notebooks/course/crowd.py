"""The crowd: hundreds of made-up speakers, of whom a batch holds only a few.

A speaker is a point in a space of 16 dimensions, a voice. Features are 64 numbers that depend on
the voice, on what is being said (as many dimensions again, and louder), and on noise.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import keras
import numpy as np

from speaker_bases.error_rates import eer
from speaker_bases.losses import SpeakerBases

from .restart import restart

VOICE, INPUTS, DIM = 16, 64, 32
UTTERANCES = 10  # of each training speaker
BATCH = 100


class World:
    """Speakers and their utterances, drawn from a seed.

    Args:
        speakers: how many there are to train on; 200 others are there to be told apart.
        seed: of everything.

    Attributes:
        x, y: features (utterances, 64) and speakers of the training set.
        new_x, new_y: of the others, four utterances each.
    """

    def __init__(self, speakers: int, seed: int):
        self.speakers = speakers
        self._random = np.random.default_rng(seed)
        self._of_voice, self._of_words = self._random.normal(size=(2, VOICE, INPUTS)) / VOICE**0.5
        self.x, self.y = self._speak(speakers, UTTERANCES)
        self.new_x, self.new_y = self._speak(200, 4)

    def _speak(self, speakers, utterances):
        voices = self._random.normal(size=(speakers, VOICE))
        y = np.repeat(np.arange(speakers), utterances)
        words = self._random.normal(size=(len(y), VOICE))
        x = np.tanh(voices[y] @ self._of_voice) + 1.2 * np.tanh(words @ self._of_words)
        x += 0.3 * self._random.normal(size=x.shape)
        return x.astype("float32"), y.astype("int32")

    def batches(self, number: int, speakers: int, seed: int) -> np.ndarray:
        """Which utterances are in each batch: (number, 100), as many of each of its speakers."""
        random = np.random.default_rng(seed)
        each = BATCH // speakers
        chosen = [random.choice(self.speakers, speakers, replace=False) for _ in range(number)]
        takes = [[random.choice(UTTERANCES, each, replace=False) for _ in row] for row in chosen]
        return (np.array(chosen)[:, :, None] * UTTERANCES + np.array(takes)).reshape(number, -1)


@dataclass
class Training:
    """What was measured in one training, at each of its marks.

    Attributes:
        eer: in %, of all pairs of utterances of speakers who were not trained on.
        cosines: of the first utterance of each of 200 training speakers with all bases,
            (200, speakers).
    """

    eer: list[float] = field(default_factory=list)
    cosines: list[np.ndarray] = field(default_factory=list)


def train(
    loss: keras.losses.Loss,
    marks: Iterable[int],
    seeds: Iterable[int],
    speakers: int = 300,
    in_batch: int = 20,
    learning_rate: float = 0.006,
) -> dict[int, Training]:
    """Train a small network with cosines, once for each seed.

    Whatever the loss, the same seed gives the same speakers, initial weights and batches.

    Args:
        loss: on the cosines, (batch, speakers).
        marks: after how many steps to measure, rising; the last one ends the training.
        seeds: one world and one training each.
        speakers: to train on.
        in_batch: how many of them are in a batch of 100 utterances; divides 100.
        learning_rate: of Adam.

    Returns:
        The `Training` of each seed.
    """
    trainings, model = {}, None
    marks = list(marks)
    for seed in seeds:
        world = World(speakers, seed)
        keras.utils.set_random_seed(seed)
        backbone = keras.Sequential(
            [keras.Input((INPUTS,)), keras.layers.Dense(128, "leaky_relu"), keras.layers.Dense(DIM)]
        )
        bases = SpeakerBases(speakers, similarity="cosine")
        features = keras.Input((INPUTS,))
        fresh = keras.Model(features, bases(backbone(features)))
        if model is None:
            model, embed = fresh, backbone
            model.compile(keras.optimizers.Adam(learning_rate), loss)
        else:
            restart(model, fresh)
        trainings[seed] = training = Training()
        order = world.batches(marks[-1], in_batch, seed)
        for begin, end in zip([0, *marks], marks, strict=False):
            if end > begin:
                now = order[begin:end].ravel()
                model.fit(world.x[now], world.y[now], batch_size=BATCH, shuffle=False, verbose=0)
            training.eer.append(_error_rate(np.array(embed(world.new_x)), world.new_y))
            training.cosines.append(np.array(model(world.x[: 200 * UTTERANCES : UTTERANCES])))
    return trainings


def _error_rate(embeddings: np.ndarray, speakers: np.ndarray) -> float:
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(speakers), 1)
    return 100 * eer((units @ units.T)[first, second], speakers[first] == speakers[second])
