"""Save, a fresh process, load, one more training step: the same as without the detour."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from speaker_bases.losses import (
    GE2E,
    AdditiveMarginSoftmax,
    BetweenSpeakerVariation,
    CenterLoss,
    CenterUpdate,
    HardNegativeMining,
    SpeakerBases,
)

KINDS = ["proposed1", "am_softmax", "ge2e", "proposed2"]

ONE_MORE_STEP = """
import sys
import keras, numpy as np
import speaker_bases.losses as losses

losses.SpeakerBases.mine_from = 2
folder = sys.argv[1]
data = np.load(f"{folder}/data.npz")
for kind in sys.argv[2:]:
    model = keras.saving.load_model(f"{folder}/{kind}.keras")
    callbacks = [losses.CenterUpdate()] if kind == "proposed1" else []
    history = model.fit([data["x"], data["y"]], data["y"], batch_size=64, verbose=0,
                        callbacks=callbacks)
    weights = {f"w{i}": w for i, w in enumerate(model.get_weights())}
    np.savez(f"{folder}/{kind}.npz", loss=history.history["loss"][0], **weights)
"""


def one_step(model, kind, features, labels):
    callbacks = [CenterUpdate()] if kind == "proposed1" else []
    inputs = [features, labels]
    return model.fit(inputs, labels, batch_size=64, verbose=0, callbacks=callbacks).history["loss"]


def test_every_class_goes_on_in_a_fresh_process(models, mined, tmp_path):
    features, labels = models.batches()
    np.savez(tmp_path / "data.npz", x=features, y=labels)
    expected = {}
    for kind in KINDS:
        model = models.build(kind)
        one_step(model, kind, features, labels)
        model.save(tmp_path / f"{kind}.keras")
        loss = one_step(model, kind, features, labels)
        expected[kind] = loss[0], model.get_weights()

    command = [sys.executable, "-c", ONE_MORE_STEP, str(tmp_path), *KINDS]
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for kind, (loss, weights) in expected.items():
        loaded = np.load(tmp_path / f"{kind}.npz")
        assert float(loaded["loss"]) == pytest.approx(loss, rel=1e-6), kind
        for i, weight in enumerate(weights):
            np.testing.assert_allclose(loaded[f"w{i}"], weight, rtol=1e-5, atol=1e-7, err_msg=kind)


OBJECTS = [
    SpeakerBases(
        5,
        "cosine",
        bases_initializer=keras.initializers.RandomNormal(stddev=0.1),
        bases_regularizer=keras.regularizers.L2(0.5),
        between_speaker=BetweenSpeakerVariation(0.1, 5.0, "mean"),
        num_negatives=3,
        name="w",
    ),
    SpeakerBases(7, use_bias=False, dtype="float64"),
    CenterLoss(5, weight=0.1, reduction="mean", centers_initializer="zeros", name="c"),
    GE2E(init_weight=3.0, init_bias=1.0, include_self=False, reduction="mean", trainable=False),
    AdditiveMarginSoftmax(30.0, 0.2, reduction="mean", name="m"),
    HardNegativeMining(7, scale=5.0, reduction="mean", name="h", dtype="float64"),
    BetweenSpeakerVariation(0.2, 5.0, "mean"),
    CenterUpdate(0.1),
]


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda thing: type(thing).__name__)
def test_configuration_goes_round(thing):
    config = keras.saving.serialize_keras_object(thing)
    assert config["registered_name"] == f"speaker_bases>{type(thing).__name__}"
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(thing)
    assert keras.saving.serialize_keras_object(again) == config
