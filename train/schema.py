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

SCHEDULES = {"constant": set(), "inverse_time": {"decay_rate"}, "cosine": set()}
"""What each takes beside `warmup_steps`."""

# A type, a Number, a tuple of allowed words, or a nested dictionary. A dictionary of `{str: ...}`
# takes any keys.
SCHEMA = {
    # what the row of the paper's table says; none of it changes the training
    "title": str,
    "loss": str,
    "paper_table": COUNT,
    "paper_eer": Section({str: ANY}),
    "description": str,
    # how its embeddings are compared unless --backend says otherwise
    "backend": ("cosine", "bvector"),
    # the system
    "network": ("table1", "table3"),
    "similarity": ("dot", "cosine"),
    "losses": {
        "softmax": Section(reduction=REDUCTION),
        "center": Section(weight=NOT_NEGATIVE, alpha=SHARE, reduction=REDUCTION),
        "am_softmax": Section(scale=POSITIVE, margin=NOT_NEGATIVE, reduction=REDUCTION),
        "ge2e": Section(
            init_weight=POSITIVE, init_bias=ANY, include_self=bool, reduction=REDUCTION
        ),
        "between_speaker": Section(weight=NOT_NEGATIVE, scale=POSITIVE, reduction=REDUCTION),
        "hard_negative": Section(num_negatives=COUNT, scale=POSITIVE, reduction=REDUCTION),
    },
    "weight_decay": NOT_NEGATIVE,
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
    # what becomes of the learning rate; constant without it
    "schedule": Section(
        name=tuple(SCHEDULES), warmup_steps=Number(int, least=0), decay_rate=NOT_NEGATIVE
    ),
    "batch": {"size": COUNT, "speakers": COUNT, "crops_per_speaker": COUNT},
    # the corpus
    "crop_frames": COUNT,
    "crops_per_utterance": COUNT,
    "epochs": COUNT,
    "bn_momentum": SHARE,
    "dtype_policy": ("float32", "mixed_bfloat16", "mixed_float16"),
}
