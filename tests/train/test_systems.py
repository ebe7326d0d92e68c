"""What a configuration's switches become in the compiled model."""

import keras
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.models import NETWORKS
from speaker_bases.train.config import load_config
from speaker_bases.train.systems import build_model, network_settings


@pytest.fixture
def later(conf_files):
    return load_config(*conf_files("author2019_hbc_narrow"))


def test_all_but_batch_normalization_decays(later):
    model = build_model(later, num_speakers=30, steps=1)
    decays = {v.path for v in model.trainable_variables if v.regularizer is not None}
    others = {v.name for v in model.trainable_variables if v.path not in decays}
    assert others == {"gamma", "beta"}
    assert {path.rsplit("/", 1)[1] for path in decays} == {"kernel", "bias", "bases"}
    rates = [float(v.regularizer.l2) for v in model.trainable_variables if v.path in decays]
    np.testing.assert_allclose(rates, 5e-5, rtol=1e-6)


def test_bases_are_he_normal_by_fan_out(later):
    model = build_model(later, num_speakers=300, steps=1)
    bases = keras.ops.convert_to_numpy(model.get_layer("bases").bases)
    assert bases.std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)


def test_the_total_is_l_h_and_l_s_and_a_tenth_of_l_bc_and_the_decay(later):
    model = build_model(later | {"optimizer": {"name": "sgd", "learning_rate": 1e-9}}, 30, steps=1)
    rng = np.random.default_rng(0)
    speakers = rng.integers(0, 30, 8).astype("int32")
    inputs = {"features": rng.normal(size=(8, 24, 64)).astype("float32"), "speakers": speakers}
    for variable in model.trainable_variables:
        variable.assign(variable + 0.01)  # or there would be no decay of biases
    variables = {v.path: keras.ops.convert_to_numpy(v).astype("float64") for v in model.variables}
    history = model.fit(inputs, speakers, batch_size=8, verbose=0).history
    decay = 5e-5 * sum(
        (value**2).sum()
        for path, value in variables.items()
        if path.rsplit("/", 1)[1] in ("kernel", "bias", "bases")
    )
    parts = [history[name][0] for name in ("hard_negative_mining", "softmax", "between_speaker")]
    assert history["loss"][0] == pytest.approx(sum(parts) + decay, rel=1e-4)


def test_a_network_that_takes_no_switches_refuses_them(later, monkeypatch):
    def plain(bn_momentum, kernel_regularizer, fused_normalization, name):
        raise AssertionError("is not built")

    monkeypatch.setitem(NETWORKS._entries, "plain", plain)
    with pytest.raises(InputError, match="plain does not take activation, bias_regularizer, bl"):
        network_settings(later | {"network": "plain"})
