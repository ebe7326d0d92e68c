"""How the learning rate goes on from the YAML's `learning_rate`, step by step."""

from collections.abc import Callable

import keras

Schedule = keras.optimizers.schedules.LearningRateSchedule


def constant(learning_rate: float, steps: int) -> float:
    """The same rate throughout, as the paper has it."""
    return learning_rate


def inverse_time(learning_rate: float, steps: int, decay_rate: float = 1e-4) -> Schedule:
    """learning_rate / (1 + decay_rate step), as in both of the authors' public codes."""
    return keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, decay_rate)


def cosine(learning_rate: float, steps: int) -> Schedule:
    """Half a cosine from the learning rate down to 0 at the last step.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    Eq. 5 without restarts.
    """
    return keras.optimizers.schedules.CosineDecay(learning_rate, steps)


SCHEDULES: dict[str, Callable[..., float | Schedule]] = {
    "constant": constant,
    "inverse_time": inverse_time,
    "cosine": cosine,
}

NEED_LAST_STEP = frozenset({"cosine"})
"""Those that are others if the training has more steps: it cannot be gone on with."""


@keras.saving.register_keras_serializable(package="speaker_bases")
class WarmUp(Schedule):
    """Another schedule, but rising in equal parts over the first steps.

    Args:
        schedule: what follows, counted from the end of the warm-up: a learning rate or a schedule.
        warmup_steps: mini-batches until its first value is reached.
    """

    def __init__(self, schedule: float | Schedule, warmup_steps: int):
        self.schedule = schedule
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        after = keras.ops.maximum(step - self.warmup_steps, 0.0)
        rate = self.schedule(after) if isinstance(self.schedule, Schedule) else self.schedule
        return rate * keras.ops.minimum((step + 1.0) / (self.warmup_steps + 1.0), 1.0)

    def get_config(self):
        schedule = self.schedule
        if isinstance(schedule, Schedule):
            schedule = keras.saving.serialize_keras_object(schedule)
        return {"schedule": schedule, "warmup_steps": self.warmup_steps}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config["schedule"], dict):
            config["schedule"] = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(**config)


def learning_rate(rate: float, steps: int, settings: dict) -> float | Schedule:
    """What an optimizer takes as `learning_rate`.

    Args:
        rate: the configuration's `optimizer.learning_rate`.
        steps: mini-batches of the whole training.
        settings: the configuration's `schedule`: its name, `warmup_steps` and what else it takes.
    """
    settings = dict(settings)
    name, warmup = settings.pop("name", "constant"), settings.pop("warmup_steps", 0)
    schedule = SCHEDULES[name](rate, max(steps - warmup, 1), **settings)
    return WarmUp(schedule, warmup) if warmup else schedule
