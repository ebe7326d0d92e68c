"""A learning rate that rises at first."""

import keras

KerasSchedule = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable(package="speaker_bases")
class WarmUp(KerasSchedule):
    """Another schedule, but rising in equal parts over the first steps.

    Args:
        schedule: what follows, counted from the end of the warm-up: a learning rate or a schedule.
        warmup_steps: mini-batches until its first value is reached.
    """

    def __init__(self, schedule: float | KerasSchedule, warmup_steps: int):
        self.schedule = schedule
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        after = keras.ops.maximum(step - self.warmup_steps, 0.0)
        rate = self.schedule(after) if isinstance(self.schedule, KerasSchedule) else self.schedule
        return rate * keras.ops.minimum((step + 1.0) / (self.warmup_steps + 1.0), 1.0)

    def get_config(self):
        schedule = self.schedule
        if isinstance(schedule, KerasSchedule):
            schedule = keras.saving.serialize_keras_object(schedule)
        return {"schedule": schedule, "warmup_steps": self.warmup_steps}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config["schedule"], dict):
            config["schedule"] = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(**config)
