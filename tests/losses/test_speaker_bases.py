"""The layer that owns W: Eq. 1, what stands on its bases, and its labels."""

import keras
import numpy as np
import pytest
from keras import ops

from speaker_bases.losses import BetweenSpeakerVariation, HardNegativeMining, SpeakerBases

from . import equations, problems
from .calculus import built, call, value_and_gradients
from .problems import BATCH, LABELS, SPEAKERS


@pytest.mark.parametrize("use_bias", [True, False])
def test_softmax(check, data, use_bias):
    embeddings, bases = data
    layer = built(SpeakerBases(SPEAKERS, use_bias=use_bias), embeddings)
    weights = [bases, np.linspace(-1, 1, SPEAKERS).astype("float32")][: 1 + use_bias]

    def function(e, *w):
        logits, _ = call(layer, w, e)
        return ops.sum(ops.sparse_categorical_crossentropy(LABELS, logits, from_logits=True))

    def reference(e, w, b=np.zeros(SPEAKERS)):  # noqa: B008
        return equations.softmax_loss(e, w, b, LABELS)

    check(function, reference, embeddings, *weights)


@pytest.mark.parametrize("mine_from", [2, 1000])
def test_softmax_beside_cosines_on_the_same_bases(check, data, mine_from, monkeypatch):
    """L_H + L_S of the first author's later code."""
    monkeypatch.setattr(SpeakerBases, "mine_from", mine_from)
    embeddings, bases = data
    softmax = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    layer = SpeakerBases(SPEAKERS, "cosine", num_negatives=3, softmax=softmax)
    layer = built(layer, embeddings)
    weights = [bases, np.linspace(-1, 1, SPEAKERS).astype("float32")]
    mining = HardNegativeMining(3, scale=10.0, reduction="mean", form="joint")

    def function(e, *w):
        cosines, added = call(layer, w, e, LABELS)
        return mining(LABELS, cosines) + added

    def reference(e, w, b):
        total = equations.joint_hard_negative_mining(e, w, LABELS, 3, 10.0)
        return (total + equations.softmax_loss(e, w, b, LABELS)) / BATCH

    check(function, reference, embeddings, *weights)
    assert call(layer, weights, embeddings)[1] == 0  # without labels


def test_weight_decay_and_between_speaker_variation_on_the_same_bases():
    """Both reach the gradient of the bases, and the bias has neither."""
    variation = BetweenSpeakerVariation(weight=0.5)
    layer = SpeakerBases(4, bases_regularizer=keras.regularizers.L2(0.1), between_speaker=variation)
    layer.build((1, 3))
    rng = np.random.default_rng(0)
    bases, bias = rng.normal(size=(3, 4)).astype("float32"), np.ones(4, "float32")
    _, (by_bases, by_bias) = value_and_gradients(
        lambda w, b: call(layer, [w, b], np.ones((1, 3), "float32"))[1], [bases, bias]
    )
    _, (expected,) = value_and_gradients(lambda w: 0.1 * ops.sum(w * w) + variation(w), [bases])
    np.testing.assert_allclose(by_bases, expected, rtol=1e-5, atol=1e-6)
    assert not by_bias.any()


def test_counts_of_numpy_are_counts():
    labels = np.array([0, 3, 1])
    layer = SpeakerBases(labels.max() + 1, "cosine", num_negatives=np.int64(2))
    config = layer.get_config()
    assert type(config["num_speakers"]) is type(config["num_negatives"]) is int
    assert SpeakerBases.from_config(config).num_speakers == 4


WRONG = [
    ((0,), {}, "num_speakers"),
    ((5,), {"similarity": "euclidean"}, "similarity"),
    ((5, "cosine"), {"use_bias": True}, "use_bias"),
    ((5, "dot"), {"use_bias": "no"}, "use_bias"),
    ((5, "dot"), {"num_negatives": 2}, "num_negatives"),
    ((5, "cosine"), {"num_negatives": 5}, "num_negatives"),
    ((5, "cosine"), {"num_negatives": 2.0}, "num_negatives"),
    ((5,), {"between_speaker": keras.regularizers.L2()}, "between_speaker"),
    ((5, "dot"), {"softmax": keras.losses.SparseCategoricalCrossentropy()}, "softmax"),
]


@pytest.mark.parametrize(("positional", "named", "argument"), WRONG)
def test_wrong_arguments_are_refused(positional, named, argument):
    problems.is_refused(lambda: SpeakerBases(*positional, **named), argument)


@pytest.mark.parametrize(
    "layer",
    [
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
        SpeakerBases(
            5,
            "cosine",
            softmax=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            bias_regularizer=keras.regularizers.L2(0.5),
        ),
    ],
)
def test_configuration_goes_round(layer):
    problems.goes_round(layer)
