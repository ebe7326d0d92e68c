# %% [markdown]
# # 2. Cosine and margin
#
# Scores are cosines in the end, so train with cosines: that is $L_{AMS}$, the third row of the
# paper's Table 2. It brings three things at once: the cosine, a scale and a margin. Which of them
# does what?
#
# **Goals.** You can write $L_{AMS}$ in a few lines, say what the scale is for and what a margin can
# and cannot ask for, and take a loss apart by setting its margin to 0.
#
# **Time.** An hour to read and try; the cells run in under 90 seconds on two cores.
#
# **You need.** Chapter 1.

# %%
import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import ops

from course import SEEDS, check, pictures, say, show, toy
from speaker_bases import losses

# %% [markdown]
# ## $L_{AMS}$: softmax with an additive margin (Eq. 4, 5)
#
# $$L_{AMS} = -\sum_i \log
# \frac{\exp(s(\cos(W_{y_i}, e_i) - m))}{\exp(s(\cos(W_{y_i}, e_i) - m)) + R_i},
# \qquad R_i = \sum_{j \ne y_i} \exp(s \cos(W_j, e_i))$$
#
# (The paper prints $W_{y_j}$ in Eq. 5, a slip.) It is the softmax of chapter 1 with two changes:
# cosines times $s$ instead of dot products, and the right one made smaller by $m$ before the
# comparison. Labels and outputs are all it needs, so it is a `Loss`; the cosines come from the layer
# that owns $W$.


# %%
def cosines_of(e, W):
    return ops.matmul(e / ops.norm(e, axis=1, keepdims=True), W / ops.norm(W, axis=0))


class SmallAMSoftmax(keras.losses.Loss):
    def __init__(self, scale, margin):
        super().__init__(reduction="sum")
        self.scale, self.margin = scale, margin

    def call(self, y, cosines):
        is_own = ops.one_hot(y, cosines.shape[-1])
        logits = self.scale * (cosines - self.margin * is_own)
        return ops.logsumexp(logits, axis=1) - ops.sum(is_own * logits, axis=1)


# %% [markdown]
# Held against the equation and against the library, with six embeddings of three speakers and five
# bases:

# %%
M, N, dim = 6, 5, 4
random = np.random.default_rng(0)
e = random.normal(size=(M, dim)).astype("float32")
W = random.normal(size=(dim, N)).astype("float32")
y = np.array([0, 0, 1, 1, 2, 2])

cos, s, m = toy.cosines(e, W), 5, 0.35
right = np.exp(s * (cos[np.arange(M), y] - m))
R = np.exp(s * cos).sum(axis=1) - np.exp(s * cos[np.arange(M), y])
from_equation = -np.log(right / (right + R)).sum()

layer = losses.SpeakerBases(N, similarity="cosine")
layer.build((M, dim))
layer.bases.assign(W)
by_hand = float(SmallAMSoftmax(s, m)(y, cosines_of(e, W)))
of_library = float(losses.AdditiveMarginSoftmax(s, m)(y, layer(e)))
assert np.isclose(by_hand, from_equation) and np.isclose(of_library, from_equation)
print(f"Eq. 4 {from_equation:.5f}, by hand {by_hand:.5f}, library {of_library:.5f}")

# %% [markdown]
# ### What the library adds, and why
#
# | it adds | because |
# |---|---|
# | a vector of length 0 has cosine 0 and gradient 0 | by hand it divides 0 by 0, and one such vector makes every weight NaN |
# | a label that is no speaker's makes the loss NaN | `one_hot` turns it into zeros, and the loss goes on without a target |
# | cosines in float32, on GPUs without TF32 | two speakers of a thousand may differ by less than half precision resolves |
# | `reduction="mean"`, `sample_weight`, saving | it is a Keras loss like any other |
#
# The first is worth seeing. An embedding is such a vector where every unit of a ReLU layer is off:

# %%
with_zero = tf.constant(np.vstack([e[:1], np.zeros((1, dim), "float32")]))
for name, function in (("by hand", lambda e: cosines_of(e, W)), ("library", layer)):
    with tf.GradientTape() as tape:
        tape.watch(with_zero)
        total = ops.sum(function(with_zero))
    slopes = tape.gradient(total, with_zero).numpy()
    print(f"{name}: the gradient of the vector of length 0 is {slopes[1]}")
    assert np.isnan(slopes[1]).any() == (name == "by hand")

# %%
show(losses.additive_margin_softmax, layer.call)

# %% [markdown]
# ## What the scale is for
#
# A cosine lies between -1 and 1. Among $N$ speakers, how sure can a softmax of cosines be? At best
# the right cosine is 1 and the others are about 0:
#
# $$p_{max} = \frac{e^{s}}{e^{s} + N - 1}$$


# %%
def surest(scale, num_speakers):
    return np.exp(scale) / (np.exp(scale) + num_speakers - 1)


assert surest(5, 1211) < 0.15 and surest(20, 1211) > 0.99

# %% say
header = "| speakers | " + " | ".join(f"s = {scale}" for scale in (1, 5, 10, 20)) + " |"
rows = [
    f"| {n:,} | " + " | ".join(f"{100 * surest(scale, n):.1f} %" for scale in (1, 5, 10, 20)) + " |"
    for n in (8, 60, 1211)
]
say("\n".join([header, "|---" * 5 + "|", *rows]))

# %% [markdown]
# With the paper's $s$ = 5 and 1,211 speakers, the loss can never be small: nobody is ever named
# with confidence, so the pull never ends. With $s$ = 20 it ends early. Look at the pull on the own
# basis, $1 - p$, for an utterance between its own basis and the next one, where eight bases stand
# evenly on a circle:

# %%
angles = np.linspace(0, 45, 91)
bases_at = np.arange(8) * 45


def pull(scale, margin):
    cos_at = np.cos(np.radians(angles[:, None] - bases_at))
    logits = scale * (cos_at - margin * (bases_at == 0))
    own = np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1)
    return 1 - own


figure, axes = plt.subplots(figsize=(5.8, 3.2), layout="constrained")
for scale, colour in (
    (1, pictures.COLOURS[0]),
    (5, pictures.COLOURS[1]),
    (20, pictures.COLOURS[5]),
):
    axes.plot(angles, pull(scale, 0), color=colour, label=f"s = {scale}, m = 0")
    axes.plot(angles, pull(scale, 0.35), "--", color=colour, label=f"s = {scale}, m = 0.35")
axes.set(xlabel="angle to the own basis, degrees", ylabel="pull on it, 1 - p", ylim=(0, 1))
axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
pictures.show(
    figure,
    alt="The pull on the own basis against the angle to it. For a scale of 1 it is high everywhere. "
    "For 20 it is near 0 until the utterance is half-way to the next basis. Margins raise all curves.",
)
assert pull(1, 0).min() > 0.7 and pull(20, 0)[0] < 0.01 and np.all(pull(5, 0.35) > pull(5, 0))

# %% [markdown]
# A small scale pulls with much the same force wherever the utterance is; a large one only until the
# utterance is on the right side of the border, half-way between the two bases. A margin raises the
# pull, as if the utterance lay further away: here so far that the pull never ends, not even for
# $s$ = 20.
#
# ## The toy on a circle
#
# Only directions count for a cosine, so we draw only those: utterances just inside the circle, bases
# outside. First the cosine *without* a margin. (Twenty epochs more than in chapter 1 and larger
# steps, so that every seed has come to rest.)

# %%
settings = {"seeds": SEEDS, "epochs": 60, "learning_rate": 0.03}


@functools.cache  # run a cell again, and it is there at once
def train(scale, margin):
    loss = losses.AdditiveMarginSoftmax(scale=scale, margin=margin, reduction="mean")
    return toy.train(lambda: [toy.bases(similarity="cosine")], loss=loss, **settings)


# %%
no_margin = train(scale=5, margin=0)
pictures.circle(
    no_margin[0],
    "Cosines, $s$ = 5, no margin",
    alt="Before training the eight speakers overlap. After training each is a narrow bundle at its "
    "own basis, and the eight bases stand evenly around the circle, 45 degrees apart.",
)

# %% [markdown]
# Narrow bundles with gaps between, and even gaps at that. Now with the paper's margin, and, for
# comparison, the dot products of chapter 1:

# %%
with_margin = train(scale=5, margin=0.35)
dot = toy.train(
    lambda: [toy.bases()],
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    **settings,
)
pictures.circle(
    with_margin[0],
    "Cosines, $s$ = 5, $m$ = 0.35",
    alt="The same eight narrow bundles as without a margin.",
)

# %%
arms = {"dot products": dot, "cosines": no_margin, "cosines and margin": with_margin}
own = {
    name: np.array([toy.own_cosine(run) for run in runs.values()]) for name, runs in arms.items()
}
gap = {
    name: np.array([toy.closest_pair(run.bases[-1]) for run in runs.values()])
    for name, runs in arms.items()
}
assert np.all(own["dot products"] < 0.985)  # for every seed, here and below
assert np.all(np.abs(own["cosines"] - own["cosines and margin"]) < 0.01)
assert np.all(gap["cosines"] < 0.75) and np.all(gap["cosines"] < gap["cosines and margin"] + 0.01)

# %% say
lines = [
    f"| {name} | {own[name].mean():.3f} | {own[name].min():.3f} to {own[name].max():.3f} "
    f"| {gap[name].mean():.3f} |"
    for name in arms
]
table = "\n".join(lines)
say(f"""
| | cosine with the own basis, mean | {len(SEEDS)} seeds | cosine of the closest two bases |
|---|---|---|---|
{table}

**Hoped for:** the margin makes narrow bundles with gaps between. **Seen:** the *cosine* makes them.
With a margin of 0 the bundles are as narrow ({own["cosines"].mean():.3f} against
{own["cosines and margin"].mean():.3f}), and the gaps are, if anything, more even: the closest two
bases have a cosine of {gap["cosines"].mean():.3f}, where eight even directions have cos 45° =
{np.cos(np.pi / 4):.3f}. Dot products can tell speakers apart by length, and need neither.
""")

# %% [markdown]
# Does the margin do nothing, then? It makes the pull stronger at each place (the dashed curves
# above), and so it gets there sooner:

# %%
sooner = {
    name: np.array([toy.own_cosine(run, 5) for run in arms[name].values()])
    for name in ("cosines", "cosines and margin")
}
assert np.all(sooner["cosines and margin"] > sooner["cosines"] - 0.02)
assert sooner["cosines and margin"].mean() > sooner["cosines"].mean()

# %% say
say(f"""
After 5 epochs, the cosine with the own basis is {sooner["cosines"].mean():.3f} without and
{sooner["cosines and margin"].mean():.3f} with the margin (means of {len(SEEDS)} seeds). Whoever
compares two losses after a fixed number of steps may measure just that.
""")

# %% [markdown]
# ## What a margin can ask for
#
# The right cosine is to be larger than any other by $m$. Where eight directions stand evenly on a
# circle, an utterance on its own basis has cosine 1 with it and cos 45° with the next: it can win by
# $1 - \cos 45°$ and no more. The paper's margin is wider than that, so our toy can never meet it.
# Two dimensions are a hard case. How much room do the paper's 1,211 speakers have in 128
# dimensions? Even at random directions:

# %%
nearest = []
for seed in SEEDS:
    bases = np.random.default_rng(seed).normal(size=(128, 1211))
    units = bases / np.linalg.norm(bases, axis=0)
    table_of_pairs = units.T @ units - 2 * np.eye(1211)
    nearest.append(table_of_pairs.max(axis=0).mean())
assert max(nearest) < 0.35

# %% say
say(f"""
The nearest other basis has a cosine of {np.mean(nearest):.2f} on average, so that an utterance on
its own basis wins by {1 - np.mean(nearest):.2f}. On a circle of eight it wins by
{1 - np.cos(np.pi / 4):.3f} at best. A margin of 0.35 fits into the first and not into the second.
""")

# %% [markdown]
# ## And the scale?
#
# The same toy without a margin, with a scale of 1 and of 20:

# %%
scales = {1: train(scale=1, margin=0), 5: no_margin, 20: train(scale=20, margin=0)}
own_by_scale = {
    k: np.array([toy.own_cosine(run) for run in runs.values()]) for k, runs in scales.items()
}
gap_by_scale = {
    k: np.array([toy.closest_pair(run.bases[-1]) for run in runs.values()])
    for k, runs in scales.items()
}
assert np.all(gap_by_scale[1] > gap_by_scale[5]) and np.all(gap_by_scale[20] > gap_by_scale[5])
assert np.all(own_by_scale[20] < own_by_scale[5])

figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained")
for each, values, label in (
    (axes[0], own_by_scale, "cosine with the own basis"),
    (axes[1], gap_by_scale, "cosine of the closest two bases"),
):
    for seed in range(len(SEEDS)):
        each.plot([values[k][seed] for k in scales], ".-", color=pictures.LIGHT)
    each.plot([values[k].mean() for k in scales], "o", color=pictures.COLOURS[5], markersize=8)
    each.set_xticks(range(3), list(scales))
    each.set(xlabel="scale s", ylabel=label)
axes[1].axhline(np.cos(np.pi / 4), color=pictures.COLOURS[1], linewidth=0.8)
pictures.show(
    figure,
    alt="Two plots over scales of 1, 5 and 20, one grey line per seed. The cosine with the own basis "
    "falls at 20. The cosine of the closest two bases is lowest at 5, near cos 45 degrees.",
)

# %% say
say(f"""
(Grey: one line per seed. Blue: cos 45°.) With $s$ = 1 all other speakers push alike, near or far, so
two bases may stay close together ({gap_by_scale[1].mean():.2f}). With $s$ = 20 only the nearest
pushes, and the pull ends as soon as the utterance is on the right side: bundles are wider
({own_by_scale[20].mean():.3f} instead of {own_by_scale[5].mean():.3f}). The scale decides *whom* the
loss looks at; chapter 3 is about nothing else.
""")

# %% [markdown]
# ## In three lines
#
# - Training with cosines makes narrow bundles and even gaps; a margin of 0 does so too.
# - A margin makes the pull stronger and training faster, and cannot be wider than the room there is.
# - The scale decides how much the nearest speakers count for more than the others, and when the pull
#   ends.

# %% [markdown]
# ## Exercises
#
# ### Warm-up
#
# Six bases stand evenly on a circle. By how much can an utterance's own cosine win over the next
# one at best?

# %%
# <solution>
widest_margin = 1 - np.cos(np.radians(60))
# <blank>
# widest_margin = ...
# </solution>

check.widest_margin(widest_margin)

# %% [markdown]
# ### Code
#
# $L_{AMS}$ with `keras.ops`, summed over the batch: `y` (utterances,), `cosines` (utterances,
# speakers).


# %%
def additive_margin(y, cosines, scale, margin):
    # <solution>
    is_own = ops.one_hot(y, cosines.shape[-1], dtype=cosines.dtype)
    logits = scale * (cosines - margin * is_own)
    return ops.sum(ops.logsumexp(logits, axis=1) - ops.sum(is_own * logits, axis=1))
    # <blank>
    # ...
    # </solution>


check.additive_margin(additive_margin)

# %% [markdown]
# ### Experiment
#
# If a margin is good, is a wide one better? Use `train` with `scale=5` and `margin=0.7`, and compare
# with `no_margin`: two lists with one number per seed, the cosine of the closest two bases
# (`toy.closest_pair(run.bases[-1])`), without a margin and with the wide one.

# %%
# <solution>
without = [toy.closest_pair(run.bases[-1]) for run in no_margin.values()]
wide = [toy.closest_pair(run.bases[-1]) for run in train(scale=5, margin=0.7).values()]
print("without:", np.round(without, 3), "wide:", np.round(wide, 3))
# <blank>
# without = ...
# wide = ...
# </solution>

check.wide_margin(without, wide)
