# %% [markdown]
# # One loss in a model of your own
#
# The paper ends with the hope that its losses serve elsewhere, in face recognition for one. Any
# task in which *classes of tomorrow* are compared, not those of the training set, has the same
# shape. Here handwritten digits stand in for faces: scikit-learn ships them, so nothing needs a
# download. We train on six of the ten digits and ask about the four others.
#
# What is compared: a plain softmax, and the paper's $L_H + L_{BC}$ (`SpeakerBases`,
# `HardNegativeMining`, `BetweenSpeakerVariation`), everything else being equal.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from speaker_bases.losses import BetweenSpeakerVariation, HardNegativeMining, SpeakerBases

plt.rcParams["figure.dpi"] = 80
images, digits = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
print(images.shape, "pixels of", len(np.unique(digits)), "digits")

# %% [markdown]
# ## The model, before and after
#
# This could be anybody's: a small network, and a `Dense` layer that names the class.


# %%
def backbone():
    layers = [keras.Input((64,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(32)]
    return keras.Sequential(layers, name="backbone")


def plain(num_classes):
    model = keras.Sequential([backbone(), keras.layers.Dense(num_classes)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


# %% [markdown]
# Two things change: the last layer becomes `SpeakerBases` with cosines, which also carries
# $L_{BC}$, and the loss becomes $L_H$. Scale and means are those of
# `conf/systems/proposed2.yaml`. $H$ must be smaller than the number of classes: here 3 of 5
# others.


# %%
def with_bases(num_classes):
    between = BetweenSpeakerVariation(scale=5.0, reduction="mean")
    bases = SpeakerBases(num_classes, similarity="cosine", between_speaker=between)
    model = keras.Sequential([backbone(), bases])
    model.compile("adam", HardNegativeMining(num_negatives=3, scale=5.0, reduction="mean"))
    return model


# %% [markdown]
# ## Two questions about classes never seen
#
# 1. **Verification:** are these two images of the same digit? All pairs, by the cosine of their
#    embeddings; the equal error rate (lower is better).
# 2. **Naming from five examples:** which digit is this, if five images of each new digit are
#    known? The nearest mean embedding; accuracy (higher is better).

# %%
from speaker_bases.evaluate.metrics import eer


def verification_eer(embeddings, labels):
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(labels), 1)
    return 100 * eer((units @ units.T)[first, second], labels[first] == labels[second])


def five_shot_accuracy(embeddings, labels, draws=20):
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    classes = np.unique(labels)
    right = []
    for draw in range(draws):
        random = np.random.default_rng(draw)
        known = [random.choice(np.flatnonzero(labels == c), 5, replace=False) for c in classes]
        means = np.stack([units[own].mean(axis=0) for own in known])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        rest = np.setdiff1d(np.arange(len(labels)), np.concatenate(known))
        right.append(np.mean(classes[(units[rest] @ means.T).argmax(axis=1)] == labels[rest]))
    return 100 * np.mean(right)


# %% [markdown]
# Each seed draws other digits to hold out, other initial weights and another order: a single
# split would say more about the digits than about the losses. Beside the two networks stand the
# bare pixels, which were not trained at all.

# %%
SEEDS = range(6)
MODELS = {"softmax": plain, "L_H + L_BC": with_bases}
METRICS = {"EER, %": verification_eer, "five-shot accuracy, %": five_shot_accuracy}
table = {(metric, name): [] for metric in METRICS for name in ("pixels", *MODELS)}

for seed in SEEDS:
    held_out = np.random.default_rng(seed).permutation(10)[:4]
    new = np.isin(digits, held_out)
    trained_on, classes = np.unique(digits[~new], return_inverse=True)
    embeddings = {"pixels": images[new]}
    for name, make in MODELS.items():
        keras.utils.set_random_seed(seed)
        model = make(len(trained_on))
        model.fit(images[~new], classes, batch_size=64, epochs=20, verbose=0)
        found = model.get_layer("backbone").predict(images[new], verbose=0)
        embeddings[name] = found
    for metric, measure in METRICS.items():
        for name, vectors in embeddings.items():
            table[metric, name].append(measure(vectors, digits[new]))
    print(f"seed {seed}: digits {sorted(held_out.tolist())} held out")

# %%
figure, panels = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for axes, metric in zip(panels, METRICS, strict=True):
    rows = np.array([table[metric, name] for name in ("pixels", *MODELS)])
    axes.plot(rows, ".-", color="0.75")
    axes.plot(rows.mean(axis=1), "o", color="C3", markersize=9, label="mean")
    axes.set_xticks(range(3), ["pixels", *MODELS])
    axes.set_title(f"{metric} (a line: one seed)", fontsize="medium")
panels[0].legend()
plt.show()

# %%
for metric in METRICS:
    softmax, ours = (np.array(table[metric, name]) for name in MODELS)
    pixels = np.mean(table[metric, "pixels"])
    gain = softmax - ours if metric.startswith("EER") else ours - softmax
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    print(f"{metric}: pixels {pixels:.1f}, softmax {softmax.mean():.1f}, "
          f"L_H + L_BC {ours.mean():.1f}; gain {gain.mean():+.1f} (standard error {error:.1f}), "
          f"better with {np.sum(gain > 0)} of {len(gain)} seeds")  # fmt: skip
