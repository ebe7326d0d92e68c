"""The equations as naive float64 loops, and gradients on whichever backend Keras runs on."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from speaker_bases.losses import (
    GE2E,
    AdditiveMarginSoftmax,
    BetweenSpeakerVariation,
    CenterLoss,
    HardNegativeMining,
    SpeakerBases,
)


def cos(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax_loss(e, w, b, y):
    """Eq. 1."""
    total = 0.0
    for i in range(len(e)):
        logits = np.array([w[:, j] @ e[i] + b[j] for j in range(w.shape[1])])
        total -= logits[y[i]] - np.log(np.exp(logits).sum())
    return total


def center_loss(e, centers, y, weight):
    """Eq. 2."""
    return weight / 2 * sum(((e[i] - centers[y[i]]) ** 2).sum() for i in range(len(e)))


def updated_centers(e, centers, y, alpha):
    """Eq. 3."""
    new = centers.astype("float64").copy()
    for k in range(len(centers)):
        own = [e[i] for i in range(len(e)) if y[i] == k]
        delta = sum((centers[k] - x for x in own), np.zeros(e.shape[1])) / (1 + len(own))
        new[k] = centers[k] - alpha * delta
    return new


def additive_margin_softmax(e, w, y, scale, margin):
    """Eq. 4 and 5."""
    total = 0.0
    for i in range(len(e)):
        target = np.exp(scale * (cos(w[:, y[i]], e[i]) - margin))
        others = [j for j in range(w.shape[1]) if j != y[i]]
        r = sum(np.exp(scale * cos(w[:, j], e[i])) for j in others)
        total -= np.log(target / (target + r))
    return total


def ge2e(e, y, weight, bias, include_self=True):
    """Eq. 6 to 8."""
    total = 0.0
    speakers = sorted(set(y.tolist()))
    for i in range(len(e)):
        impostors = [0.0]
        for k in speakers:
            own = [e[n] for n in range(len(e)) if y[n] == k]
            if k != y[i]:
                score = weight * cos(e[i], np.mean(own, axis=0)) + bias
                impostors.append(sigmoid(score))
        others = [e[n] for n in range(len(e)) if y[n] == y[i] and (include_self or n != i)]
        centroid = np.mean(others or [e[i]], axis=0)
        total += 1 - sigmoid(weight * cos(e[i], centroid) + bias) + max(impostors)
    return total


def between_speaker_variation(w):
    """Eq. 9."""
    pairs = [(i, j) for i in range(w.shape[1]) for j in range(w.shape[1]) if i != j]
    return sum(cos(w[:, i], w[:, j]) for i, j in pairs)


def hard_negative_mining(e, w, y, num_negatives, scale=1.0):
    """Eq. 10."""
    total = 0.0
    for i in range(len(e)):
        cosines = [cos(w[:, j], e[i]) for j in range(w.shape[1])]
        others = sorted((c for j, c in enumerate(cosines) if j != y[i]), reverse=True)
        for c in others[:num_negatives]:
            total += np.log(1 + np.exp(scale * (c - cosines[y[i]])))
    return total


def finite_differences(function, arrays, step=1e-5):
    gradients = []
    for k, array in enumerate(arrays):
        gradient = np.zeros(array.shape)
        for index in np.ndindex(*array.shape):
            values = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * step
                values.append(function(*arrays[:k], moved, *arrays[k + 1 :]))
            gradient[index] = (values[0] - values[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def value_and_gradients(function, arrays, jit=False):
    """The value of ``function`` and its gradients for ``arrays``, as NumPy."""
    arrays = [ops.convert_to_tensor(array) for array in arrays]
    if keras.backend.backend() == "jax":
        import jax

        run = jax.value_and_grad(function, argnums=tuple(range(len(arrays))))
        run = jax.jit(run) if jit else run
    else:
        import tensorflow as tf

        def run(*tensors):
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                value = function(*tensors)
            zero = tf.UnconnectedGradients.ZERO
            return value, tape.gradient(value, tensors, unconnected_gradients=zero)

        run = tf.function(run, jit_compile=True) if jit else run
    value, gradients = run(*arrays)
    as_numpy = [ops.convert_to_numpy(ops.cast(g, "float32")) for g in gradients]
    return float(value), as_numpy


def call(layer, weights, *inputs, **kwargs):
    """The layer as a function of its weights: outputs and the sum of what it adds as losses."""
    fixed = [v.value for v in layer.non_trainable_variables]
    outputs, _, losses = layer.stateless_call(
        list(weights), fixed, *inputs, return_losses=True, **kwargs
    )
    return outputs, sum(losses)


def build_model(kind, num_speakers=20, dim=8, num_negatives=5, seed=0, **compile_args):
    """One of the paper's systems on 16 numbers a speaker, as a user of Keras writes it."""
    keras.utils.set_random_seed(seed)
    features = keras.Input((16,), name="features")
    speakers = keras.Input((), dtype="int32", name="speakers")
    embeddings = keras.layers.Dense(dim, name="backbone")(features)
    decay = keras.regularizers.L2(1e-4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if kind == "proposed1":
        embeddings = CenterLoss(num_speakers, name="center")(embeddings, speakers)
        variation = BetweenSpeakerVariation(reduction="mean")
        bases = SpeakerBases(num_speakers, between_speaker=variation, name="bases")
        outputs = bases(embeddings)
    elif kind == "am_softmax":
        outputs = SpeakerBases(num_speakers, "cosine", bases_regularizer=decay)(embeddings)
        loss = AdditiveMarginSoftmax(reduction="mean")
    elif kind == "ge2e":
        outputs = GE2E(reduction="mean", name="ge2e_layer")(embeddings, speakers)
        loss = None
    else:
        outputs = SpeakerBases(
            num_speakers,
            "cosine",
            bases_regularizer=decay,
            between_speaker=BetweenSpeakerVariation(reduction="mean"),
            num_negatives=num_negatives,
            name="bases",
        )(embeddings, speakers)
        loss = HardNegativeMining(num_negatives, scale=5.0, reduction="mean")
    model = keras.Model([features, speakers], outputs)
    model.compile(keras.optimizers.Adam(0.01), loss, **compile_args)
    return model


def batches(num_speakers=20, size=64, seed=0):
    """Separable speakers: (features, labels)."""
    rng = np.random.default_rng(seed)
    voices = np.random.default_rng(123).normal(size=(num_speakers, 16))
    labels = rng.integers(0, num_speakers, size).astype("int32")
    features = voices[labels] + 0.3 * rng.normal(size=(size, 16))
    return features.astype("float32"), labels


@pytest.fixture
def equations():
    return SimpleNamespace(
        softmax=softmax_loss,
        center=center_loss,
        updated_centers=updated_centers,
        additive_margin_softmax=additive_margin_softmax,
        ge2e=ge2e,
        between_speaker_variation=between_speaker_variation,
        hard_negative_mining=hard_negative_mining,
    )


@pytest.fixture
def calculus():
    return SimpleNamespace(
        finite_differences=finite_differences, value_and_gradients=value_and_gradients, call=call
    )


@pytest.fixture
def models():
    return SimpleNamespace(build=build_model, batches=batches)


@pytest.fixture
def mined(monkeypatch):
    """SpeakerBases mines by itself, however few speakers there are."""
    monkeypatch.setattr(SpeakerBases, "mine_from", 2)
