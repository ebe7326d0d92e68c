# %% [markdown]
# # 6. One of these losses in a model of your own
#
# The paper ends with the hope that its losses serve elsewhere, in face recognition for one. Any
# task that compares *classes of tomorrow*, not those of the training set, has the same shape. Here
# it is handwritten numbers, and faces if you have them on your disk.
#
# **Goals.** You put `SpeakerBases` and a loss into a model that knows nothing of speech. You take
# a comparison apart, one change at a time, and find out which change makes the difference. You can
# say what a cosine does to training that a dot product does not.
#
# **Time.** An hour with the exercises; the cells run in under 90 seconds on two cores.
#
# **You need.** A little Keras, and chapter 2 for scale and margin. Nothing is downloaded.

# %%
import functools
import os
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

from course import SEEDS, check, faces, pictures, say
from course.restart import restart
from speaker_bases import losses
from speaker_bases.error_rates import eer

# %% [markdown]
# ## Numbers never seen
#
# scikit-learn ships images of single digits. Ten digits are few classes, so two of them side by
# side make our hundred: the numbers 00 to 99. We train on 60 numbers and ask about the 40 others,
# written in digits that were not among the training images either.

# %%
images, digits = load_digits(return_X_y=True)
images = (images / 16).astype("float32").reshape(-1, 8, 8)


class Split(NamedTuple):
    """Images (images, 128) and their classes, for training and of other classes for the test."""

    x: np.ndarray
    y: np.ndarray
    new_x: np.ndarray
    new_y: np.ndarray


def write(numbers, pool, copies, random):
    """Images of two-digit numbers, from the single digits in `pool`, and the numbers."""
    written = []
    for number in numbers:
        tens, ones = (
            images[random.choice(pool[digits[pool] == digit], copies)]
            for digit in divmod(number, 10)
        )
        written.append(np.concatenate([tens, ones], axis=2).reshape(copies, 128))
    return np.concatenate(written), np.repeat(numbers, copies)


def split(seed, new_digits=False):
    """60 numbers to train on and 40 others; or those of six digits, and those of the four others."""
    random = np.random.default_rng(seed)
    if new_digits:
        order = random.permutation(10)
        known, new = ([10 * a + b for a in part for b in part] for part in (order[:6], order[6:]))
    else:
        known, new = np.split(random.permutation(100), [60])
    pool = random.permutation(len(digits))
    x, names = write(known, pool[:1200], 30, random)
    new_x, new_names = write(new, pool[1200:], 15, random)
    return Split(x, np.unique(names, return_inverse=True)[1], new_x, new_names)


figure, panels = plt.subplots(1, 4, figsize=(7, 1.5), layout="constrained")
shown, numbers = write([7, 42, 42, 24], np.arange(len(digits)), 1, np.random.default_rng(0))
for axes, image, number in zip(panels, shown, numbers, strict=True):
    axes.imshow(image.reshape(8, 16), cmap="Greys")
    axes.set(title=f"{number:02d}", xticks=[], yticks=[])
pictures.show(figure, alt="Four handwritten numbers of two digits: 07, 42, 42 and 24.")

# %% [markdown]
# ## Before and after
#
# This could be anybody's model: a small network, and a `Dense` layer that names the class.
#
# ```python
# model = keras.Sequential([backbone(), keras.layers.Dense(num_classes)])
# model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
# ```
#
# The paper's second proposal takes two lines:
#
# ```python
# bases = losses.SpeakerBases(num_classes, similarity="cosine", between_speaker=l_bc)
# model = keras.Sequential([backbone(), bases])
# model.compile("adam", losses.HardNegativeMining(num_negatives=20, scale=5.0, reduction="mean"))
# ```
#
# If the second is better, **what made it so?** Four things changed at once: dot products became
# cosines, the initial weights are drawn otherwise, the bias is gone, and the loss is another. (And
# $L_{BC}$ came in.) So here is a path from one to the other with **one change at a time**:


# %%
def backbone():
    layers = [keras.Input((128,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(64)]
    return keras.Sequential(layers, name="backbone")


def softmax():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def cosine_softmax(scale=5.0, margin=0.0):
    return losses.AdditiveMarginSoftmax(scale, margin, reduction="mean")


def mining(num_negatives):
    return losses.HardNegativeMining(num_negatives, scale=5.0, reduction="mean")


def dense(classes):
    return [keras.layers.Dense(classes)]


def dot(classes, **options):
    return [losses.SpeakerBases(classes, **options)]


def unit_bases(classes):
    """Dot products of embeddings with bases that are brought back to length 1 after every step."""
    unit_norm = keras.constraints.UnitNorm(axis=0)
    options = {"kernel_initializer": "he_normal", "kernel_constraint": unit_norm}
    return [keras.layers.Dense(classes, use_bias=False, **options)]


def unit_embeddings(classes):
    """Dot products of embeddings of length 1 with bases."""
    return [keras.layers.UnitNormalization(), losses.SpeakerBases(classes, use_bias=False)]


def cosine(classes, **options):
    return [losses.SpeakerBases(classes, similarity="cosine", **options)]


def cosine_with_l_bc(classes):
    l_bc = losses.BetweenSpeakerVariation(scale=5.0, reduction="mean")
    return cosine(classes, between_speaker=l_bc)


class Arm(NamedTuple):
    """A model: the layers behind the backbone, its loss, and what it changes in which other arm."""

    head: object
    loss: object
    of: str
    change: str


ARMS = {
    "softmax": Arm(dense, softmax(), "", "`Dense`, as everybody has it"),
    "initialiser": Arm(dot, softmax(), "softmax", "`SpeakerBases`: other initial weights"),
    "no bias": Arm(functools.partial(dot, use_bias=False), softmax(), "initialiser", "no bias"),
    "unit bases": Arm(unit_bases, softmax(), "no bias", "bases have length 1"),
    "unit embeddings": Arm(unit_embeddings, softmax(), "no bias", "embeddings have length 1"),
    "cosine": Arm(cosine, cosine_softmax(), "unit embeddings", "bases, too; times a scale of 5"),
    "$L_{AMS}$": Arm(cosine, cosine_softmax(margin=0.35), "cosine", "a margin"),
    "$L_H$, H = 59": Arm(cosine, mining(59), "cosine", "Eq. 10, against all others"),
    "$L_H$, H = 20": Arm(cosine, mining(20), "$L_H$, H = 59", "against the 20 hardest"),
    "$L_H$, H = 5": Arm(cosine, mining(5), "$L_H$, H = 59", "against the 5 hardest"),
    "$L_H + L_{BC}$": Arm(cosine_with_l_bc, mining(20), "$L_H$, H = 20", "$L_{BC}$ is added"),
}

# %% say
rows = [f"| {name} | {each.of} | {each.change} |" for name, each in ARMS.items()]
say("| arm | is | but |\n|---|---|---|\n" + "\n".join(rows))

# %% [markdown]
# ## Two questions about classes never seen
#
# 1. **Verification:** do two images show the same number? All pairs of test images, by the cosine
#    of their embeddings; the equal error rate.
# 2. **Naming after one example:** which number is it, if one image of each of the 40 is known?


# %%
def unit(embeddings):
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def verification_eer(embeddings, labels):
    """Percent, over all pairs; low is good."""
    first, second = np.triu_indices(len(labels), 1)
    pairs = (unit(embeddings) @ unit(embeddings).T)[first, second]
    return 100 * eer(pairs, labels[first] == labels[second])


def one_shot_accuracy(embeddings, labels, draws=10):
    """Percent, over several draws of the known example; high is good."""
    units, classes, right = unit(embeddings), np.unique(labels), []
    for draw in range(draws):
        random = np.random.default_rng(draw)
        known = np.array([random.choice(np.flatnonzero(labels == c)) for c in classes])
        rest = np.setdiff1d(np.arange(len(labels)), known)
        named = classes[(units[rest] @ units[known].T).argmax(axis=1)]
        right.append(np.mean(named == labels[rest]))
    return 100 * np.mean(right)


# %% [markdown]
# ## Five of everything
#
# Each seed holds out other numbers and draws other images and other initial weights: a single split
# would say more about the split than about the losses. All arms have the same splits. Nothing was
# tuned, for any of them: Adam as it comes, 20 epochs of 18 batches of 100.

# %%
EPOCHS = 20


class Trained(NamedTuple):
    """What a training leaves: embeddings of training and test images, and bases (dim, classes)."""

    embeddings: np.ndarray
    new_embeddings: np.ndarray
    bases: np.ndarray


def train(head, loss, splits, layers=backbone, epochs=EPOCHS, batch=100):
    """One training for each seed of `splits`, a dict of `Split`."""
    model, results = None, {}
    for seed, part in splits.items():
        keras.utils.set_random_seed(seed)
        fresh = keras.Sequential([layers(), *head(int(part.y.max()) + 1)])
        if model is None:
            model = fresh
            model.compile("adam", loss, jit_compile=False, steps_per_execution=20)
            model.optimizer.build(model.trainable_variables)
        else:
            restart(model, fresh)
        random = np.random.default_rng(seed)
        whole = len(part.y) // batch * batch  # only whole batches
        order = np.concatenate([random.permutation(len(part.y))[:whole] for _ in range(epochs)])
        # One long epoch for Keras: it spends as much time between epochs as on ours.
        model.fit(part.x[order], part.y[order], batch_size=batch, shuffle=False, verbose=0)
        network = model.get_layer("backbone")
        old, new = (ops.convert_to_numpy(network(x)) for x in (part.x, part.new_x))
        bases = next(v for v in model.layers[-1].weights if v.name in ("kernel", "bases"))
        results[seed] = Trained(old, new, ops.convert_to_numpy(bases).copy())
    return results


SPLITS = {seed: split(seed) for seed in SEEDS}


@functools.cache
def arm(name):
    return train(ARMS[name].head, ARMS[name].loss, SPLITS)


def measured(metric, trained):
    """A metric of each seed's test embeddings."""
    return np.array([metric(each.new_embeddings, SPLITS[s].new_y) for s, each in trained.items()])


METRICS = {"EER, %": verification_eer, "one-shot accuracy, %": one_shot_accuracy}
pixels = {  # no training at all
    metric: np.array([measure(part.new_x, part.new_y) for part in SPLITS.values()])
    for metric, measure in METRICS.items()
}
table = {
    metric: {"pixels": pixels[metric]} | {name: measured(measure, arm(name)) for name in ARMS}
    for metric, measure in METRICS.items()
}

# %%
rates = table["EER, %"]
figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
places = np.arange(len(ARMS))
by_seed = np.stack([rates[name] for name in ARMS])
axes.plot(places, by_seed, ".-", color=pictures.LIGHT, linewidth=0.8)
axes.plot(places, by_seed.mean(axis=1), "o", markersize=8, label="mean")
axes.plot([], [], ".-", color=pictures.LIGHT, label="one seed")
axes.set_xticks(places, list(ARMS), rotation=30, ha="right")
axes.set(ylabel="EER on new numbers, % (low is good)", ylim=(0, None))
axes.legend(loc="lower left")
pictures.show(
    figure,
    alt="The EER of the eleven arms, a thin line for each seed and a dot for the mean: about "
    f"{rates['softmax'].mean():.0f} % for the first four, {rates['cosine'].mean():.0f} % for the "
    "cosine arm and L_AMS, between the two for L_H.",
)

# %% say
rows = ["| | EER, % | change | against | one-shot accuracy, % |", "|---|---|---|---|---|"]
for name, column in rates.items():
    against = ARMS[name].of if name in ARMS else ""
    change = ""
    if against:
        step = column - rates[against]
        change = f"{step.mean():+.1f} ± {step.std(ddof=1) / np.sqrt(len(step)):.1f}"
    accuracy = table["one-shot accuracy, %"][name].mean()
    rows.append(f"| {name} | {column.mean():.1f} | {change} | {against} | {accuracy:.0f} |")
say(
    f"Means over {len(SEEDS)} seeds; of a change also the standard error, from the differences "
    "seed by seed:\n\n" + "\n".join(rows)
)

# %%
for at in range(len(SEEDS)):
    rate = {name: column[at] for name, column in rates.items()}
    assert rate["pixels"] > max(rate[name] for name in ARMS)
    assert np.ptp([rate[name] for name in ("softmax", "initialiser", "no bias", "unit bases")]) < 1
    assert max(rate["unit embeddings"], rate["cosine"]) < rate["no bias"] - 0.5
    assert abs(rate["$L_{AMS}$"] - rate["cosine"]) < 0.7
    assert rate["cosine"] < rate["$L_H$, H = 20"] < rate["$L_H$, H = 5"]
    assert abs(rate["$L_H + L_{BC}$"] - rate["$L_H$, H = 20"]) < 0.7

# %% [markdown]
# **What one sees.** The initial weights and the bias hardly matter, nor does the length of the
# bases by itself. **The cosine makes the difference**: most of the gain is there as soon as the
# *embeddings* have length 1, the rest when both sides have. The margin then adds next to nothing,
# and $L_{BC}$ nothing. And hard negative mining? Even against *all* others it lies between the
# dot products and the softmax of cosines; with the 20 hardest it is hardly worse, with 5 clearly.
# With 60 classes there is nothing to save by leaving some out, and each one left out is one that
# nobody pushes away.
#
# So "$L_H + L_{BC}$ beats softmax" would be true here, and misleading: the simplest loss on cosines
# beats both. (On VoxCeleb1 the paper has $L_{AMS}$ behind $L_H + L_{BC}$, 7.31 against 5.55 %. That
# is another task; whether it is the same there, arms apart, one would have to measure.)
#
# ## Why length 1?
#
# A logit is $W_j \cdot e = \lVert W_j \rVert \lVert e \rVert \cos(W_j, e)$. A loss wants the right
# logit to stand out. With dot products there are two ways: turn $e$ towards its basis, or make it
# **longer**. Length is cheap, and once the logits are large softmax is content: its gradient dies
# out, while $e$ still points only roughly where it should. With cosines there is only one way. So
# look at $\lVert W_y \rVert \lVert e \rVert$, the scale that a model has chosen for itself, and at
# how well the *training* images point to their own basis:

# %%
close_up = {}
for name in ("softmax", "no bias", "unit bases", "unit embeddings", "cosine"):
    for seed, trained in arm(name).items():
        labels = SPLITS[seed].y
        e, W = trained.embeddings, trained.bases[:, labels].T  # each image's own basis
        lengths = np.linalg.norm(e, axis=1), np.linalg.norm(W, axis=1)
        own = np.sum(e * W, axis=1) / (lengths[0] * lengths[1])
        chosen = lengths[1] * (1.0 if name == "unit embeddings" else lengths[0])
        if name == "cosine":
            chosen = np.full(len(labels), 5.0)
        pairs = verification_eer(e[::6], labels[::6])
        close_up.setdefault(name, []).append((chosen.mean(), own.mean(), pairs))

# %% say
rows = ["| | scale | cosine with its own basis | EER of training images, % |", "|---|---|---|---|"]
for name, numbers in close_up.items():
    scale, own, pairs = np.mean(numbers, axis=0)
    rows.append(f"| {name} | {scale:.1f} | {own:.2f} | {pairs:.1f} |")
say("After training, means over images and seeds:\n\n" + "\n".join(rows))

# %%
for at in range(len(SEEDS)):
    for name in ("softmax", "no bias", "unit bases"):
        scale, own, pairs = close_up[name][at]
        assert scale > 15 and own < 0.7 and pairs > 4
    for name in ("unit embeddings", "cosine"):
        scale, own, pairs = close_up[name][at]
        assert scale < 8 and own > 0.8 and pairs < 2

# %% [markdown]
# If that is the reason, then a *cosine* arm with a large fixed scale should do as badly as the dot
# products:

# %%
SCALES = (1.0, 5.0, 20.0, 40.0)


@functools.cache
def at_scale(scale):
    if scale == 5.0:
        return arm("cosine")
    return train(cosine, cosine_softmax(scale), SPLITS)


sweep = np.stack([measured(verification_eer, at_scale(scale)) for scale in SCALES])

figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
axes.semilogx(SCALES, sweep, ".-", color=pictures.LIGHT, linewidth=0.8)
axes.semilogx(SCALES, sweep.mean(axis=1), "o-", label="cosine softmax, fixed scale")
for name, marker in (("no bias", "s"), ("unit embeddings", "D")):
    scale = np.mean(close_up[name], axis=0)[0]
    axes.plot(scale, rates[name].mean(), marker, markersize=8, label=f"{name}: the scale it chose")
axes.set_xticks(SCALES, [f"{scale:.0f}" for scale in SCALES])
axes.minorticks_off()
axes.set(xlabel="scale", ylabel="EER on new numbers, %", ylim=(0, None))
axes.legend(loc="lower right")
pictures.show(
    figure,
    alt="The EER of cosine softmax rises with its scale, from "
    f"{sweep[0].mean():.1f} % at 1 to {sweep[-1].mean():.1f} % at 40; the dot products, at the "
    "scale that they chose, and the unit embeddings lie near the same line.",
)
assert np.all(sweep[-1] > sweep[1] + 1) and np.all(sweep[2] > sweep[1])

# %% [markdown]
# It does. A cosine helps here mostly because it *fixes a small scale*: at 40 it is worse than the
# dot products that it replaces. How small is best depends on the task and on the number of classes
# (chapter 2), and with thousands of speakers a scale as small as 1 leaves too little to learn from.
#
# ## Faces, if you have them
#
# scikit-learn knows Olivetti's faces, 400 images of 40 people, but does not ship them. This cell
# uses them if they are on your disk already, and downloads nothing unless you change the first
# line. We train on 30 people and ask about the 10 others.

# %%
DOWNLOAD = False  # True: scikit-learn fetches them, a few MB, and keeps them


def split_faces(found, seed):
    order = np.random.default_rng(seed).permutation(40)
    flat = found.images.reshape(len(found.images), -1)
    old, new = (np.isin(found.people, part) for part in (order[:30], order[30:]))
    classes = np.unique(found.people[old], return_inverse=True)[1]
    return Split(flat[old], classes, flat[new], found.people[new])


def face_backbone():
    layers = [keras.Input((1024,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(64)]
    return keras.Sequential(layers, name="backbone")


FACE_ARMS = ("softmax", "cosine", "$L_H$, H = 5")
found = faces.olivetti(download=DOWNLOAD)
if found is None:
    say(
        "They are not on this disk, so nothing was measured. Set `DOWNLOAD = True` above, or put "
        "`olivetti_py3.pkz` into scikit-learn's data folder."
    )
else:
    people = {seed: split_faces(found, seed) for seed in SEEDS}
    on_faces = {"pixels": [verification_eer(each.new_x, each.new_y) for each in people.values()]}
    for name in FACE_ARMS:
        trained = train(ARMS[name].head, ARMS[name].loss, people, face_backbone, 40, 60)
        on_faces[name] = [
            verification_eer(each.new_embeddings, people[seed].new_y)
            for seed, each in trained.items()
        ]
    rows = [f"| {n} | {np.mean(v):.1f} | {np.ptp(v):.1f} |" for n, v in on_faces.items()]
    say("EER on 10 new people, %:\n\n| | mean | range |\n|---|---|---|\n" + "\n".join(rows))

# %% [markdown]
# With 300 training images and ten test people, expect wide ranges. Does what you found on numbers
# hold on faces? And if it does not, what is different?

# %% [markdown]
# ## In three lines
#
# - A comparison in which four things change says nothing about any of them: change one at a time.
# - Here it is the fixed, small scale of a cosine that helps, not the margin, the mining or
#   $L_{BC}$.
# - Dot products let a network grow long vectors instead of good directions.

# %% [markdown]
# ## Exercises
#
# ### Warm-up
#
# 60 classes, cosines, scale 5. Suppose an embedding lies exactly on its own basis and at right
# angles to the 59 others. What probability does the softmax give its own class? (Compute it with
# `np.exp`.)

# %%
# <solution>
answer = np.exp(5) / (np.exp(5) + 59)
# <blank>
# answer = ...  # a number between 0 and 1
# </solution>
check.largest_probability(answer)


# %% [markdown]
# ### Code
#
# Write the loss that came out best: the softmax of cosines, from scratch, for a framework that has
# neither `SpeakerBases` nor `AdditiveMarginSoftmax`. Use `keras.ops`; return the mean over the
# batch.


# %%
def own_cosine_softmax(labels, embeddings, bases, scale):
    """Labels (batch,), embeddings (batch, dim), bases (dim, classes)."""
    # <solution>
    e = embeddings / ops.norm(embeddings, axis=1, keepdims=True)
    w = bases / ops.norm(bases, axis=0, keepdims=True)
    logits = scale * (e @ w)
    own = ops.one_hot(labels, logits.shape[1])
    return ops.mean(ops.logsumexp(logits, axis=1) - ops.sum(own * logits, axis=1))
    # <blank>
    # ...  # your code
    # </solution>


check.cosine_softmax(own_cosine_softmax)

# %% [markdown]
# ### Experiment
#
# New numbers consist of digits that the network has seen. That is kind: new speakers do not. Make
# it harder: `split(seed, new_digits=True)` trains on the numbers of six digits and tests on those
# of the four others. Train `dense` with `softmax()` and `cosine` with `cosine_softmax()` on it
# (`train(head, loss, splits)`), and measure the mean EER of both and of the bare pixels. Who wins?

# %%
# <solution>
harder = {seed: split(seed, new_digits=True) for seed in SEEDS}


def harder_eer(embeddings):
    """The mean EER, given each seed's test embeddings."""
    return np.mean([verification_eer(embeddings[s], part.new_y) for s, part in harder.items()])


def harder_arm(head, loss):
    return harder_eer({s: each.new_embeddings for s, each in train(head, loss, harder).items()})


on_new_digits = {
    "pixels": harder_eer({s: part.new_x for s, part in harder.items()}),
    "softmax": harder_arm(dense, softmax()),
    "cosine": harder_arm(cosine, cosine_softmax()),
}
print({name: f"{rate:.1f} %" for name, rate in on_new_digits.items()})
# <blank>
# on_new_digits = ...  # {"pixels": ..., "softmax": ..., "cosine": ...}
# </solution>
check.new_digits(on_new_digits)

# %% [markdown] solved
# The networks beat the pixels by far on new numbers, and lose to them on new digits. What a network
# learns from six classes of strokes is what tells these six apart. The paper's networks learn from
# 1,211 speakers, and Table 4's from thousands: for classes of tomorrow, *many* classes of today are
# what counts.
#
# **Where to read on.** `losses/speaker_bases.py`, `losses/additive_margin_softmax.py` and
# `losses/hard_negative_mining.py`; `docs/losses.md` says how each goes into a model of your own.
