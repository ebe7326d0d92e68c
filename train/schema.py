"""What a configuration file may hold: every key, and what may stand there."""

import math
from dataclasses import dataclass


class Section(dict):
    """A part of the configuration that may be left out or set to null."""


@dataclass(frozen=True)
class Number:
    """A number between two ends, both allowed, or above an end that is not.

    Attributes:
        kind: `float`, which takes integers too, or `int`.
    """

    kind: type = float
    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf

    def __contains__(self, value: float) -> bool:
        return math.isfinite(value) and self.least <= value <= self.most and value > self.above

    def __str__(self) -> str:
        if self.above > -math.inf:
            return f"above {self.above}"
        if self.most < math.inf:
            return f"between {self.least} and {self.most}"
        return f"at least {self.least}" if self.least > -math.inf else "finite"


@dataclass(frozen=True)
class Counts:
    """A list of so many whole numbers of 1 or more."""

    length: int

    def __str__(self) -> str:
        return f"a list of {self.length} whole numbers of 1 or more"


REDUCTION = ("sum", "mean")
COUNT = Number(int, least=1)
ANY = Number()
NOT_NEGATIVE = Number(least=0)
POSITIVE = Number(above=0)
SHARE = Number(least=0, most=1)

AVERAGE = {"use_ema", "ema_momentum"}
OPTIMIZERS = {
    "adam": {"learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad"} | AVERAGE,
    "sgd": {"learning_rate", "momentum", "nesterov"} | AVERAGE,
}
"""What each takes."""

# A type, a Number, a Counts, a tuple of allowed words, or a nested dictionary. A dictionary of
# `{str: ...}` takes any keys.
COMMON = {
    # how its embeddings are compared unless --backend says otherwise; no part of the training
    "backend": str,
    # the system; `feature_kind` is one of `KINDS`, filter banks without it
    "feature_kind": str,
    "network": str,
    # what is otherwise than in the network's table; see `ResNetTable`
    "architecture": Section(
        stage_blocks=Counts(4),
        conv1_padding=Number(int, least=0, most=3),
        blocks=("post_activation", "pre_activation"),
        activation=("leaky_relu", "relu"),
        pooling=("average", "average_plus_maximum"),
        dense_units=COUNT,
        embedding_length=POSITIVE,
    ),
    "initializer": ("he_normal", "he_normal_fan_out"),
    "weight_decay": NOT_NEGATIVE,
    "decay_biases": bool,
    "optimizer": {
        "name": tuple(OPTIMIZERS),
        "learning_rate": POSITIVE,
        "beta_1": SHARE,
        "beta_2": SHARE,
        "epsilon": POSITIVE,
        "amsgrad": bool,
        "momentum": SHARE,
        "nesterov": bool,
        "use_ema": bool,
        "ema_momentum": SHARE,
    },
    "batch": {"size": COUNT, "speakers": COUNT, "crops_per_speaker": COUNT},
    # where a crop begins, and what becomes of an utterance that is shorter
    "crop_begins": ("anywhere", "first_half"),
    "short_utterances": ("repeated", "doubled"),
    # training speakers held out to choose the epoch; how often and on how many pairs at most
    "validation": Section(speakers=Number(int, least=2), every=COUNT, pairs=Number(int, least=2)),
    # what the system sets whatever the corpus says
    "instead_of_corpus": Section(crop_frames=COUNT, epochs=COUNT, bn_momentum=SHARE),
    # an i-vector system, which has none of the above but `feature_kind`; see its `Settings`
    "ivector": Section(
        components=COUNT,
        dim=COUNT,
        initial_frames=COUNT,
        initial_iterations=COUNT,
        subsample=COUNT,
        diagonal_iterations=COUNT,
        full_iterations=COUNT,
        extractor_iterations=COUNT,
        selected=COUNT,
        least_posterior=Number(least=0, most=0.5),
        delta_window=COUNT,
        delta_order=Number(int, least=0, most=3),
        cmn_window=COUNT,
    ),
    # the corpus
    "description": str,
    "notice": str,
    "systems": str,
    "crop_frames": COUNT,
    "crops_per_utterance": COUNT,
    "epochs": COUNT,
    "bn_momentum": SHARE,
    "dtype_policy": ("float32", "mixed_bfloat16", "mixed_float16"),
}
"""What every configuration may hold; the losses and schedules add their own keys."""
