"""The paper's systems and the author's later one, on 16 numbers a speaker, as a user has them."""

import keras
import numpy as np

from speaker_bases.losses import (
    GE2E,
    AdditiveMarginSoftmax,
    BetweenSpeakerVariation,
    CenterLoss,
    CenterUpdate,
    HardNegativeMining,
    SpeakerBases,
)

KINDS = ["proposed1", "am_softmax", "ge2e", "proposed2", "author2019"]


def build(kind, num_speakers=20, dim=8, num_negatives=5, seed=0, **compile_args):
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
    elif kind == "author2019":
        outputs = SpeakerBases(
            num_speakers,
            "cosine",
            between_speaker=BetweenSpeakerVariation(0.1, 5.0, form="log_mean_exp"),
            softmax=loss,
            num_negatives=num_negatives,
            bias_regularizer=decay,
            name="bases",
        )(embeddings, speakers)
        loss = HardNegativeMining(num_negatives, scale=10.0, reduction="mean", form="joint")
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


def fit(model, kind, features, labels, epochs=5):
    callbacks = [CenterUpdate()] if kind == "proposed1" else []
    return model.fit(
        [features, labels], labels, batch_size=16, epochs=epochs, verbose=0, callbacks=callbacks
    ).history
