"""Save, a fresh process, load, one more training step: the same as without the detour."""

import os
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

from speaker_bases.losses import CenterUpdate

from . import systems
from .systems import KINDS

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


def test_every_class_goes_on_in_a_fresh_process(mined, tmp_path):
    features, labels = systems.batches()
    np.savez(tmp_path / "data.npz", x=features, y=labels)
    expected = {}
    for kind in KINDS:
        model = systems.build(kind)
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


def saved_arrays(path):
    """What a file of weights holds: paths and shapes."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item.shape} if hasattr(item, "shape") else {})
        )
    return {name: shape for name, shape in found.items() if not name.startswith("optimizer")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5"])
def test_the_sums_behind_the_metrics_are_not_saved(kind, file, tmp_path):
    model = systems.build(kind)
    systems.fit(model, kind, *systems.batches(), epochs=1)
    hidden = [v for v in model.variables if v.name.endswith(("_total", "_count"))]
    assert len(hidden) == {"proposed1": 4, "author2019": 4, "am_softmax": 0}.get(kind, 2)
    path = tmp_path / file
    weights = path
    if file == "model.keras":
        model.save(path)
        weights = zipfile.ZipFile(path).extract("model.weights.h5", tmp_path / "inside")
    else:
        model.save_weights(path)
    kept = [v for v in model.variables if not any(v is h for h in hidden)]
    shapes = sorted(tuple(v.shape) for v in kept)
    assert sorted(saved_arrays(weights).values()) == shapes

    if file == "model.keras":
        again = keras.saving.load_model(path)
    else:
        again = systems.build(kind, seed=1)
        again.load_weights(path)
    for one, other in zip(model.variables, again.variables, strict=True):
        if not any(one is h for h in hidden) and not one.name.endswith("alpha"):
            np.testing.assert_array_equal(one.numpy() if hasattr(one, "numpy") else one, other)
