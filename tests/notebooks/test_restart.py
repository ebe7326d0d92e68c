"""A model that is begun anew trains as a new one would."""

import keras
import numpy as np


def model_of(seed):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()]
    return keras.Sequential([*layers, keras.layers.Dense(2)])


def trained(model, seed):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(40, 4)), random.integers(0, 2, 40)
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


def compiled(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss, jit_compile=False)
    return model


def test_a_restarted_model_trains_as_a_new_one(course):
    from course.restart import restart

    model = compiled(model_of(0))
    first = trained(model, 0)
    restart(model, model_of(1))
    again = trained(model, 1)
    fresh = trained(compiled(model_of(1)), 1)
    for one, other in zip(again, fresh, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert not np.allclose(first[0], again[0])
