"""What must hold for any batch, speakers and bases; of each loss asked in its own file."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speaker_bases.losses import SpeakerBases

from .calculus import value_and_gradients

BATCH, DIM, SPEAKERS = 7, 5, 9
LABELS = np.array([0, 3, 3, 8, 5, 3, 0], "int32")

quick = settings(
    # Eager JAX compiles every operation for every shape.
    max_examples=20 if keras.backend.backend() == "tensorflow" else 5,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def problems(draw):
    """Embeddings (batch, dim), labels with repetitions, bases (dim, num_speakers)."""
    # Few different shapes: each new one costs a compilation on some backends.
    batch, num_speakers = draw(st.sampled_from([(1, 2), (6, 5), (4, 300)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    embeddings = rng.normal(size=(batch, 4)).astype("float32")
    labels = rng.integers(0, num_speakers, size=batch).astype("int32")
    return embeddings, labels, rng.normal(size=(4, num_speakers)).astype("float32")


def cosines_of(embeddings, bases):
    layer = SpeakerBases(bases.shape[1], "cosine")
    layer.build(embeddings.shape)
    layer.bases.assign(bases)
    return layer(embeddings)


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


def order_is_nothing(loss):
    """The order of the batch and that of the speakers, to a function of a problem."""

    @quick
    @given(problems(), st.randoms(use_true_random=False))
    def holds(problem, random):
        embeddings, labels, bases = problem
        rows = random.sample(range(len(labels)), len(labels))
        speakers = random.sample(range(bases.shape[1]), bases.shape[1])
        renamed = np.argsort(speakers)[labels[rows]].astype("int32")
        moved = loss(embeddings[rows], renamed, bases[:, speakers])
        same(float(moved), float(loss(embeddings, labels, bases)))

    holds()


def lengths_are_nothing(loss):
    """The lengths of embeddings and bases, to a function of a problem made of cosines."""

    @quick
    @given(problems(), st.floats(-3, 3), st.floats(-3, 3))
    def holds(problem, power, other_power):
        embeddings, labels, bases = problem
        longer, shorter = embeddings * np.float32(10**power), bases * np.float32(10**other_power)
        same(float(loss(longer, labels, shorter)), float(loss(embeddings, labels, bases)))

    holds()


def zero_vectors_give_finite_gradients(function, where, jit):
    """And none to the vectors of no direction: 1 / norm would blow up any that is not 0.

    Args:
        function: of (embeddings, labels, bases), (4, 3), (4,) and (3, 5).
        where: which has zero vectors, `"embeddings"` or `"bases"`.
        jit: whether it is compiled.
    """
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(4, 3)).astype("float32")
    bases = rng.normal(size=(3, 5)).astype("float32")
    labels = np.array([0, 0, 1, 2], "int32")
    if where == "embeddings":
        embeddings[:2] = 0
    else:
        bases[:, :2] = 0
    value, gradients = value_and_gradients(
        lambda e, w: function(e, labels, w), [embeddings, bases], jit
    )
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)
    zero = gradients[0][:2] if where == "embeddings" else gradients[1][:, :2]
    assert (zero == 0).all()
    assert all(np.abs(g).max() < 100 for g in gradients)


def wrong_labels_make_nan(loss):
    """Labels of no speaker, to a function of embeddings (3, 5), or cosines, and labels."""
    embeddings = np.random.default_rng(0).uniform(-1, 1, size=(3, 5)).astype("float32")
    assert np.isfinite(float(loss(embeddings, np.array([0, 4, 2]))))
    for wrong in (-1, 5, 1000):
        assert np.isnan(float(loss(embeddings, np.array([0, wrong, 2]))))


def one_hot_labels_are_refused(loss):
    for batch in (1, 3):
        embeddings = np.ones((batch, 5), "float32")
        with pytest.raises(ValueError, match=r"for one-hot labels take their argmax. .*, 5\)"):
            loss(embeddings, np.eye(5, dtype="int32")[:batch])


def sample_weights_and_column_labels_count(loss):
    """To a Loss that sums over the batch."""
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, size=(3, 5)).astype("float32")
    labels = np.array([0, 4, 2])
    single = [float(loss(labels[i : i + 1], cosines[i : i + 1])) for i in range(3)]
    weights = np.array([0.5, 0.0, 2.0], "float32")
    weighted = float(loss(labels, cosines, sample_weight=weights))
    assert weighted == pytest.approx(np.dot(weights, single), rel=1e-5)
    assert float(loss(labels[:, None], cosines)) == pytest.approx(sum(single), rel=1e-5)


def losses_of_label_1211(make):
    """Of cosines that are 1 with speaker 1211 alone, under two floatx: bfloat16 has no 1211."""
    cosines = np.zeros((1, 1250), "float32")
    cosines[0, 1211] = 1.0
    before = keras.config.floatx()
    losses = []
    for floatx in ("float32", "bfloat16"):
        keras.config.set_floatx(floatx)
        try:
            losses.append(float(make()(np.array([1211]), cosines)))
        finally:
            keras.config.set_floatx(before)
    return losses


def goes_round(thing):
    """A thing's configuration makes the same thing."""
    config = keras.saving.serialize_keras_object(thing)
    assert config["registered_name"] == f"speaker_bases>{type(thing).__name__}"
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(thing)
    assert keras.saving.serialize_keras_object(again) == config


def is_refused(make, argument):
    pattern = f"Invalid value for argument `{argument}`. Expected .* Received: {argument}="
    with pytest.raises(ValueError, match=pattern):
        make()
