"""How the learning rate goes on from the YAML's `learning_rate`, step by step; found by name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..registry import Registry
from .schema import NOT_NEGATIVE


@dataclass(frozen=True)
class Schedule:
    """One schedule.

    Attributes:
        build: from the learning rate, the number of steps and the settings to what a Keras
            optimizer takes as `learning_rate`.
        keys: its settings beside `warmup_steps`, as in `schema`.
        needs_last_step: whether a training of more steps has another schedule from its first step
            on, so that it cannot go on from a shorter one.
    """

    build: Callable[..., Any]
    keys: dict[str, Any] = field(default_factory=dict)
    needs_last_step: bool = False


def constant(learning_rate: float, steps: int) -> float:
    """The same rate throughout, as the paper has it."""
    return learning_rate


def inverse_time(learning_rate: float, steps: int, decay_rate: float = 1e-4):
    """learning_rate / (1 + decay_rate step), as in both of the authors' public codes."""
    import keras  # takes seconds: not to read a configuration

    return keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, decay_rate)


def cosine(learning_rate: float, steps: int):
    """Half a cosine from the learning rate down to 0 at the last step.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    Eq. 5 without restarts.
    """
    import keras

    return keras.optimizers.schedules.CosineDecay(learning_rate, steps)


SCHEDULES: Registry[Schedule] = Registry("schedule")
SCHEDULES.add("constant", Schedule(constant))
SCHEDULES.add("inverse_time", Schedule(inverse_time, {"decay_rate": NOT_NEGATIVE}))
SCHEDULES.add("cosine", Schedule(cosine, needs_last_step=True))


def schedule_of(config: dict[str, Any]) -> Schedule:
    """The schedule of a configuration."""
    return SCHEDULES[config.get("schedule", {}).get("name", "constant")]


def learning_rate(rate: float, steps: int, settings: dict[str, Any]):
    """What an optimizer takes as `learning_rate`.

    Args:
        rate: the configuration's `optimizer.learning_rate`.
        steps: mini-batches of the whole training.
        settings: the configuration's `schedule`: its name, `warmup_steps` and what else it takes.
    """
    settings = dict(settings)
    name, warmup = settings.pop("name", "constant"), settings.pop("warmup_steps", 0)
    schedule = SCHEDULES[name].build(rate, max(steps - warmup, 1), **settings)
    if not warmup:
        return schedule
    from .warm_up import WarmUp

    return WarmUp(schedule, warmup)
