# %% [markdown]
# # One loss in a model of your own
#
# The paper ends with the hope that its losses serve elsewhere, in face recognition for one. Any
# task where *classes of tomorrow* are compared, not those of the training set, has the same shape.
#
# Faces need a download; scikit-learn ships handwritten digits. Ten digits are few classes, so two
# of them side by side make our hundred: the numbers 00 to 99. We train on 60 numbers and ask about
# the 40 others, written in digits that were not in the training images either.
#
# Compared are a plain softmax and the paper's $L_H + L_{BC}$ (`SpeakerBases`,
# `HardNegativeMining`, `BetweenSpeakerVariation`), all else being equal.

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from speaker_bases import losses

plt.rcParams["figure.dpi"] = 80
images, digits = load_digits(return_X_y=True)
images = (images / 16).astype("float32").reshape(-1, 8, 8)


def write(numbers, pool, copies, random):
    """Images of two-digit numbers, (images, 128), from the single digits in `pool`."""
    pictures = []
    for number in numbers:
        tens, ones = (
            images[random.choice(pool[digits[pool] == digit], copies)]
            for digit in divmod(number, 10)
        )
        pictures.append(np.concatenate([tens, ones], axis=2).reshape(copies, 128))
    return np.concatenate(pictures), np.repeat(numbers, copies)


# %%
examples, names = write([7, 42, 42, 24], np.arange(len(digits)), 1, np.random.default_rng(0))
figure, panels = plt.subplots(1, 4, figsize=(7, 1.4), layout="constrained")
for axes, image, name in zip(panels, examples, names, strict=True):
    axes.imshow(image.reshape(8, 16), cmap="Greys")
    axes.set(title=f"{name:02d}", xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## The model, before and after
#
# This could be anybody's: a small network, and a `Dense` layer that names the class.


# %%
def backbone():
    layers = [keras.Input((128,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(64)]
    return keras.Sequential(layers, name="backbone")


def plain_softmax(num_classes):
    model = keras.Sequential([backbone(), keras.layers.Dense(num_classes)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


# %% [markdown]
# Two things change. The last layer becomes `SpeakerBases` with cosines, which also carries
# $L_{BC}$; the loss becomes $L_H$. Scale and means are those of `conf/systems/proposed2.yaml`.
# $H$ must stay below the number of classes: 20 of 59 others.


# %%
def proposed2(num_classes):
    between = losses.BetweenSpeakerVariation(scale=5.0, reduction="mean")
    bases = losses.SpeakerBases(num_classes, similarity="cosine", between_speaker=between)
    model = keras.Sequential([backbone(), bases])
    loss = losses.HardNegativeMining(num_negatives=20, scale=5.0, reduction="mean")
    model.compile("adam", loss)
    return model


# %% [markdown]
# To know which part does what, also $L_H$ alone, and the other cosine loss of the paper's
# Table 2, $L_{AMS}$:


# %%
def cosine_model(num_classes, loss):
    bases = losses.SpeakerBases(num_classes, similarity="cosine")
    model = keras.Sequential([backbone(), bases])
    model.compile("adam", loss)
    return model


MODELS = {
    "softmax": plain_softmax,
    "L_H + L_BC": proposed2,
    "L_H": lambda n: cosine_model(n, losses.HardNegativeMining(20, 5.0, reduction="mean")),
    "L_AMS": lambda n: cosine_model(n, losses.AdditiveMarginSoftmax(5.0, reduction="mean")),
}

# %% [markdown]
# ## Two questions about classes never seen
#
# 1. **Verification:** do two images show the same number? All pairs, by the cosine of their
#    embeddings; the equal error rate (low is good).
# 2. **Naming after one example:** which number is it, if one image of each of the 40 is known?
#    Accuracy (high is good).

# %%
from speaker_bases.error_rates import eer


def unit(embeddings):
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def verification_eer(embeddings, labels):
    first, second = np.triu_indices(len(labels), 1)
    scores = (unit(embeddings) @ unit(embeddings).T)[first, second]
    return 100 * eer(scores, labels[first] == labels[second])


def one_shot_accuracy(embeddings, labels, draws=10):
    units, classes, right = unit(embeddings), np.unique(labels), []
    for draw in range(draws):
        random = np.random.default_rng(draw)
        known = np.array([random.choice(np.flatnonzero(labels == c)) for c in classes])
        rest = np.setdiff1d(np.arange(len(labels)), known)
        named = classes[(units[rest] @ units[known].T).argmax(axis=1)]
        right.append(np.mean(named == labels[rest]))
    return 100 * np.mean(right)


# %% [markdown]
# Each of five seeds draws other numbers to hold out, other images, other initial weights: a single
# split would say more about the split than about the losses. Beside the networks stand the bare
# pixels, not trained at all. Nothing here was tuned, for any of them.

# %%
METRICS = {"EER, %": verification_eer, "accuracy, %": one_shot_accuracy}
BETTER = {"EER, %": "lower", "accuracy, %": "higher"}
COLUMNS = ["pixels", *MODELS]
table = {metric: [] for metric in METRICS}  # a row a seed, columns as COLUMNS

for seed in range(5):
    random = np.random.default_rng(seed)
    numbers, pool = random.permutation(100), random.permutation(len(digits))
    x, names = write(numbers[:60], pool[:1200], 30, random)
    new_x, new_names = write(numbers[60:], pool[1200:], 15, random)
    classes = np.unique(names, return_inverse=True)[1]
    embeddings = [new_x]
    for make in MODELS.values():
        keras.utils.set_random_seed(seed)
        model = make(60)
        model.fit(x, classes, batch_size=100, epochs=20, verbose=0)
        embeddings.append(model.get_layer("backbone").predict(new_x, verbose=0))
    for metric, measure in METRICS.items():
        table[metric].append([measure(vectors, new_names) for vectors in embeddings])
    print(f"seed {seed}: EER", ", ".join(f"{rate:.1f}" for rate in table["EER, %"][-1]))

# %%
figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for axes, metric in zip(panels, METRICS, strict=True):
    rows = np.array(table[metric])
    axes.plot(rows.T, ".-", color="0.75")
    axes.plot(rows.mean(axis=0), "o", color="C3", markersize=8, label="mean")
    axes.set_xticks(range(len(COLUMNS)), COLUMNS, fontsize="small")
    axes.set_title(f"{metric}: {BETTER[metric]} is better", fontsize="medium")
    axes.plot([], [], ".-", color="0.75", label="one seed")
panels[0].legend()
plt.show()

# %%
for metric in METRICS:
    rows = np.array(table[metric])
    print(metric)
    for column, values in zip(COLUMNS, rows.T, strict=True):
        against = values - rows[:, COLUMNS.index("softmax")]
        error = against.std(ddof=1) / np.sqrt(len(against))
        note = f"; minus softmax {against.mean():+5.1f}, standard error {error:.1f}"
        print(f"  {column:10} {values.mean():5.1f}", note if column != "softmax" else "", sep="")

pixels, softmax, ours, *_ = np.mean(table["EER, %"], axis=0)
assert ours < softmax < pixels

# %% [markdown]
# **What one sees.** All networks learn something that holds for new numbers. $L_H + L_{BC}$ makes
# fewer errors than the plain softmax, by about one point of EER. **But**
#
# - $L_H$ alone does as well: $L_{BC}$ adds nothing here (the walk-through says why one might
#   expect that);
# - $L_{AMS}$ does better than both, where the paper has it behind on VoxCeleb1. What helps most
#   here may well be training with cosines, which is what is compared in the end.
#
# New numbers consist of digits seen before, which makes this task kinder than new speakers or
# faces. With 6 of the 10 digits for training and the 4 others held out, a test that is harder and
# poorer in classes, the bare pixels beat all of these networks when we tried (EER 23 % against 28
# to 30 %, means of five splits): six classes are too few to learn from what makes classes differ.
#
# **Where to read on:** `losses/hard_negative_mining.py`, `losses/between_speaker_variation.py`,
# `losses/speaker_bases.py`; `notebooks/walkthrough.ipynb` explains each line of them.
