"""Learning rates over the steps of a training, against the formulas in float64."""

import keras
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.train.config import load_config
from speaker_bases.train.schedules import SCHEDULES, learning_rate

STEPS = 40


def rates(settings):
    schedule = learning_rate(1e-3, STEPS, settings)
    return np.array([float(schedule(step)) for step in range(STEPS + 1)])


def test_without_a_schedule_the_rate_is_a_plain_number():
    assert (
        learning_rate(1e-3, STEPS, {}) == learning_rate(1e-3, STEPS, {"name": "constant"}) == 1e-3
    )


def test_inverse_time():
    expected = 1e-3 / (1 + 0.01 * np.arange(STEPS + 1))
    np.testing.assert_allclose(rates({"name": "inverse_time", "decay_rate": 0.01}), expected, 1e-5)
    codes = 1e-3 / (1 + 1e-4 * np.arange(STEPS + 1))  # the authors' public codes
    np.testing.assert_allclose(rates({"name": "inverse_time"}), codes, 1e-5)


def test_cosine_ends_at_zero():
    expected = 0.5e-3 * (1 + np.cos(np.pi * np.arange(STEPS + 1) / STEPS))
    np.testing.assert_allclose(rates({"name": "cosine"}), expected, 1e-5, 1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_warm_up_rises_in_equal_parts_and_then_the_schedule_begins(name):
    warm = 8
    got = rates({"name": name, "warmup_steps": warm})
    np.testing.assert_allclose(got[:warm], 1e-3 * np.arange(1, warm + 1) / (warm + 1), 1e-5)
    schedule = learning_rate(1e-3, STEPS - warm, {"name": name})
    after = [
        schedule if name == "constant" else float(schedule(k)) for k in range(STEPS + 1 - warm)
    ]
    np.testing.assert_allclose(got[warm:], after, 1e-5, 1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_an_optimizer_with_a_schedule_is_saved_and_made_again(name):
    schedule = learning_rate(1e-3, STEPS, {"name": name, "warmup_steps": 3})
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [float(again(k)) for k in range(STEPS)] == [float(schedule(k)) for k in range(STEPS)]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("schedule.name=step", "is one of constant, inverse_time, cosine, not 'step'"),
        ("schedule={name: cosine, decay_rate: 0.1}", "cosine does not take decay_rate"),
        ("schedule.warmup_steps=5", "`schedule` needs a name"),
        ("schedule={name: cosine, warmup_steps: -1}", "`schedule.warmup_steps` must be at least 0"),
    ],
)
def test_a_wrong_schedule_is_refused(conf_files, setting, message):
    with pytest.raises(InputError, match=message):
        load_config(*conf_files("softmax"), [setting])
