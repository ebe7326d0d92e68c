"""The initial weights of each system for a seed: the same ones for as long as results are kept."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from speaker_bases.train.config import load_config
from speaker_bases.train.systems import build_model

DIGESTS = json.loads(Path(__file__).with_name("initial_weights.json").read_text(encoding="utf-8"))
SYSTEMS = sorted(
    path.stem
    for path in Path(__file__).parents[2].joinpath("conf/systems").glob("*.yaml")
    if "\nnetwork:" in path.read_text(encoding="utf-8")
)
"""Those with a network; an i-vector system has none."""


def digest_of(model: keras.Model) -> str:
    """SHA-256 of the trainable weights with their places, whichever layers they are grouped in.

    A weight's place is the path to it, where `res2/conv0a/...` and `res2_conv0a/...` are one.
    """
    weights = {variable.path.replace("/", "_"): variable for variable in model.trainable_variables}
    assert len(weights) == len(model.trainable_variables)
    digest = hashlib.sha256()
    for place, variable in sorted(weights.items()):
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(variable), dtype="<f4")
        digest.update(f"{place} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def test_every_system_has_a_digest():
    assert sorted(DIGESTS) == SYSTEMS


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's generator")
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_seed_draws_the_weights_it_always_drew(system, project_root, tmp_path):
    corpus = tmp_path / "corpus.yaml"
    corpus.write_text("crop_frames: 16\nepochs: 1\nbn_momentum: 0.99\n")
    config = load_config(project_root / "conf" / "systems" / f"{system}.yaml", corpus)
    keras.utils.set_random_seed(0)
    assert digest_of(build_model(config, num_speakers=120, steps=1)) == DIGESTS[system]
