# %% [markdown]
# # 4. $L_{BC}$: a loss on the bases alone
#
# The paper adds one loss that looks at no utterance. It takes the speaker bases, all of them, and
# asks that the cosines between them be small. "Between-speaker variation" is to grow: speakers are
# to move apart. Do they?
#
# **Goals.** You compute $L_{BC}$ without its double sum. You say what its minimum asks for, and
# show two ways of reaching it in which no speaker moves away from any other. You build a loss
# that does spread, and you know why Figure 2 of the paper need not change when $L_{BC}$ falls.
#
# **Time.** An hour with the exercises; the cells run in under 90 seconds on two cores.
#
# **You need.** Chapter 1 (softmax, centre loss) and chapter 2 (cosines). No speech.

# %%
import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from course import SEEDS, check, pictures, say, show, toy
from course.restart import restart
from speaker_bases import losses

# %% [markdown]
# ## Equation 9
#
# $$L_{BC} = \sum_{i=1}^{N} \sum_{j \ne i} \cos(W_i, W_j)$$
#
# $W_j$, the basis of speaker $j$, is column $j$ of the output layer's weight. No embedding
# occurs, no label and no mini-batch. In Keras such a loss is a **regulariser**: a function of a
# weight, which the layer that owns the weight adds to the model's loss at every step.
#
# As it is printed:


# %%
def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def l_bc_by_pairs(bases):
    """Eq. 9 of bases (dim, N)."""
    total = 0.0
    for i in range(bases.shape[1]):
        for j in range(bases.shape[1]):
            if i != j:
                total += cosine(bases[:, i], bases[:, j])
    return total


example = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
by_pairs = l_bc_by_pairs(example)
by_library = float(losses.BetweenSpeakerVariation()(example))
assert np.isclose(by_pairs, by_library, atol=1e-5)

# %% say
say(f"The pairs give {by_pairs:.5f}, the library's `BetweenSpeakerVariation` {by_library:.5f}.")

# %% [markdown]
# For the 1,211 training speakers of VoxCeleb1 that loop visits almost one and a half million
# pairs, at every step. It need not. Let $w_i = W_i / \lVert W_i \rVert$. A cosine is then a dot
# product, and the square of a sum is a sum over all pairs:
#
# $$\Big\lVert \sum_i w_i \Big\rVert^2 = \sum_i \sum_j w_i \cdot w_j
# = \underbrace{\sum_i w_i \cdot w_i}_{N} + \sum_i \sum_{j \ne i} \cos(W_i, W_j)
# \quad\Longrightarrow\quad
# L_{BC} = \Big\lVert \sum_i w_i \Big\rVert^2 - N$$
#
# You will write this in one of the exercises. The library's version has its gradient written out by
# hand, because the gradient says more about $L_{BC}$ than the value does:

# %%
from speaker_bases.losses.between_speaker_variation import _sum_of_cosines

show(_sum_of_cosines)

# %% [markdown]
# ("Differentiated by hand" saves memory. `with_direction` is $N$, unless a basis is all zeros and
# has no direction. `product` is a matrix product that stays precise on a GPU.)
#
# Look at `gradient`. All that $W_j$ learns about the other speakers is `total`, and `total` is
# **the same for every speaker**, whoever is near.

# %% [markdown]
# ## What the minimum asks for
#
# A square is at least 0, so $L_{BC} \ge -N$. The minimum is reached **whenever the unit bases sum
# to zero**. Evenly spread bases do that. What else does?

# %%
angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
jitter = 0.11 * (np.arange(8) % 4 - 1.5)
half = np.where(np.arange(8) < 4, 1.0, -1.0)
SETS = {
    "even": np.stack([np.cos(angles), np.sin(angles)]),
    "opposite": np.stack([half, jitter]),
    "orthogonal": np.stack([np.where(half > 0, 1.0, jitter), np.where(half > 0, jitter, 1.0)]),
    "alike": np.stack([np.ones(8), 0.12 * (np.arange(8) - 3.5)]),
}


def l_bc(bases):
    """The library's, of an array."""
    return float(losses.BetweenSpeakerVariation()(np.asarray(bases, "float32")))


def draw(each, bases, title, below=""):
    """Unit bases as numbered rays, and the mean of their vectors in grey."""
    units = bases / np.linalg.norm(bases, axis=0)
    pictures.rays(each, units, 1.0)
    each.add_patch(plt.Circle((0, 0), 1, fill=False, color=pictures.LIGHT))
    each.scatter(*units.mean(axis=1), color=pictures.GREY, s=70, zorder=4)
    each.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), title=title, xlabel=below)


figure, axes = pictures.panels(4)
for each, (name, bases) in zip(axes, SETS.items(), strict=True):
    draw(each, bases, name, f"$L_{{BC}}$ = {l_bc(bases):.2f}")
pictures.show(
    figure,
    alt="Four sets of eight bases on a circle: evenly spread, in two opposite clusters, in two "
    "clusters at right angles, all in one cluster; a grey dot marks the mean of each set, which "
    "is in the centre for the first two.",
)
assert np.isclose(l_bc(SETS["even"]), -8, atol=0.1)
assert np.isclose(l_bc(SETS["opposite"]), -8, atol=0.1)
assert l_bc(SETS["orthogonal"]) > 20 and l_bc(SETS["alike"]) > 40

# %% [markdown]
# (Grey: the mean of the unit bases.) Two opposite clusters are as good as the even spread,
# although within a cluster the speakers are hardly told apart. **$L_{BC}$ centres the bases; it
# does not spread them.**
#
# ## A loss on cosines is a table of pushes
#
# To compare losses on the bases, ask each of them one thing: how strongly does it push $w_j$ away
# from $w_i$? That is its derivative with respect to $\cos(W_i, W_j)$. Four candidates:
#
# | loss | push between $i$ and $j$ |
# | --- | --- |
# | $L_{BC}$, the sum of the cosines | 1, for every pair |
# | the sum of the squared cosines | $2\cos_{ij}$ |
# | the later code: $\log$ of the mean of $e^{(s\cos)^2}$ | $2 s^2 \cos_{ij}$ times $q$ |
# | spreading: $\log$ of the mean of $e^{s\cos}$ | $s$ times $q$ |
#
# ($q$ is the pair's share of that mean; the later code is the first author's.) The last is the
# "uniformity" loss of contrastive learning (Wang and Isola, 2020). Here are the pushes on one and
# the same set of bases, in which 0 and 1 are close to each other:


# %%
def cosines_of(units):
    return units.T @ units


def push_l_bc(cos):
    return np.ones_like(cos)


def push_squares(cos):
    return 2 * cos


def push_later_code(cos, scale=5.0):
    share = np.exp((scale * cos) ** 2 - scale**2) * (1 - np.eye(len(cos)))
    return 2 * scale**2 * cos * share / share.sum()


def push_spread(cos, scale=5.0):
    share = np.exp(scale * cos - scale) * (1 - np.eye(len(cos)))
    return scale * share / share.sum()


PUSHES = {
    "$L_{BC}$": push_l_bc,
    "sum of squares": push_squares,
    "later code": push_later_code,
    "spreading": push_spread,
}

places = np.deg2rad([10, 22, 80, 130, 175, 215, 260, 330])
close = np.stack([np.cos(places), np.sin(places)])


def along_circle(units, push):
    """Where a loss moves unit bases: minus its gradient, without what changes only the length."""
    gradient = units @ (push * (1 - np.eye(units.shape[1])))
    return -(gradient - units * np.sum(units * gradient, axis=0))


figure, panels = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
for (above, below), (name, push) in zip(panels.T, PUSHES.items(), strict=True):
    table = push(cosines_of(close)) * (1 - np.eye(8))
    most = np.abs(table).max()
    image = above.imshow(table / most, cmap=pictures.SIGNED, vmin=-1, vmax=1)
    above.set(title=name, xlabel="speaker $j$", xticks=range(8), yticks=range(8))
    draw(below, close, "")
    moves = along_circle(close, table)
    moves = 0.5 * moves / np.linalg.norm(moves, axis=0).max()
    look = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.02, "zorder": 5}
    below.quiver(*(1.0 * close), *moves, color=pictures.COLOURS, **look)
    below.set(xticks=[], yticks=[], aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
panels[0, 0].set_ylabel("speaker $i$")
figure.colorbar(image, ax=panels[0], label="push, share of the largest", shrink=0.8)
pictures.show(
    figure,
    alt="Above, the pushes between eight bases as tables: L_BC is the same everywhere, the sum of "
    "squares also pulls opposite bases, the later code acts on near and on opposite pairs, the "
    "spreading loss pushes the near pair of 0 and 1 most. Below, the moves of the bases: under L_BC 0 and 1 move the same way, under "
    "the spreading loss away from each other.",
)

tangent = np.stack([-close[1], close[0]])
turns = {
    name: np.sum(tangent * along_circle(close, push(cosines_of(close))), axis=0)
    for name, push in PUSHES.items()
}
assert turns["$L_{BC}$"][0] * turns["$L_{BC}$"][1] > 0
assert turns["spreading"][0] < 0 < turns["spreading"][1]

# %% [markdown]
# Above: the tables of pushes (orange away, violet together). Below: where each basis goes. Under
# $L_{BC}$ the two that are close turn **the same way**: towards the side where few others are. The
# spreading loss turns them away from each other.
#
# ## Each loss by itself, from five starts
#
# Let every loss have its way, with nothing else to care about.


# %%
def descend(push, start, steps=2000, size=0.1):
    """Follow a loss on the cosines downhill from bases (dim, N), which stay unit vectors."""
    units = start / np.linalg.norm(start, axis=0)
    first = np.abs(along_circle(units, push(cosines_of(units)))).max()
    for step in range(steps):
        smaller = size * (1 - step / steps)  # ever smaller steps, so that it settles
        units = units + smaller / first * along_circle(units, push(cosines_of(units)))
        units = units / np.linalg.norm(units, axis=0)
    return units


STARTS = {seed: np.random.default_rng(seed).normal((0.8, 0.5), 1.0, (8, 2)).T for seed in SEEDS}
ENDS = {
    name: {seed: descend(push, start) for seed, start in STARTS.items()}
    for name, push in PUSHES.items()
}

figure, axes = pictures.panels(5)
draw(axes[0], STARTS[0], "start", f"closest pair {toy.closest_pair(STARTS[0]):.3f}")
for each, (name, ends) in zip(axes[1:], ENDS.items(), strict=True):
    draw(each, ends[0], name, f"closest pair {toy.closest_pair(ends[0]):.3f}")
pictures.show(
    figure,
    alt="Eight bases before and after each of the four losses was minimised alone: only the "
    "spreading loss spreads them evenly.",
)

# %% say
rows = ["| loss | $L_{BC}$ at the end | cosine of the closest pair at the end |", "|---|---|---|"]
for name, ends in {"(start)": STARTS, **ENDS}.items():
    of_bc = " ".join(f"{l_bc(end):.2f}" for end in ends.values())
    of_pair = " ".join(f"{toy.closest_pair(end):.3f}" for end in ends.values())
    rows.append(f"| {name} | {of_bc} | {of_pair} |")
say("One number for each start:\n\n" + "\n".join(rows))
say(
    f"The least that eight directions in a plane allow is $\\cos 45° = {np.cos(np.pi / 4):.3f}$. "
    f"Eight *lines* allow $\\cos 22.5° = {np.cos(np.pi / 8):.3f}$."
)

# %%
for seed in SEEDS:
    pair = {name: toy.closest_pair(ends[seed]) for name, ends in ENDS.items()}
    assert l_bc(ENDS["$L_{BC}$"][seed]) < -7.99 and pair["$L_{BC}$"] > 0.9
    assert pair["sum of squares"] > 0.95
    assert np.isclose(pair["later code"], np.cos(np.pi / 8), atol=2e-3)
    assert np.isclose(pair["spreading"], np.cos(np.pi / 4), atol=2e-3)

# %% [markdown]
# - **$L_{BC}$** reaches its minimum from every start, and leaves pairs that (nearly) coincide.
# - **The sum of squares** is no remedy. It looks as if it should be, for it punishes every
#   cosine, and it too has a form without pairs, $\lVert w w^T \rVert^2$. But it only asks that
#   the bases fill all directions of the space equally: two clusters at right angles do that as
#   well as the even spread.
# - **The later code** does spread, but lines rather than arrows: for a square, opposite bases are
#   as bad as equal ones. Its aim is right angles, and with fewer speakers than dimensions it gets
#   them.
# - **The spreading loss** finds the even spread from every start.

# %%
squares = {
    name: float(np.sum(cosines_of(b / np.linalg.norm(b, axis=0)) ** 2)) for name, b in SETS.items()
}
assert np.isclose(squares["even"], 32) and np.isclose(squares["orthogonal"], 32, atol=0.3)

# %% say
say(
    f"The sum of all squared cosines: {squares['even']:.1f} for the even spread, "
    f"{squares['orthogonal']:.1f} for two clusters at right angles, {squares['alike']:.1f} for one "
    "heap. For the opposite clusters, with which $L_{BC}$ is content, it is "
    f"{squares['opposite']:.1f}."
)

# %% [markdown]
# ## Beside softmax, the minimum is free
#
# $L_{BC}$ never stands alone. In the paper's first proposal it stands beside $L_S$, and $L_S$ has
# a blind spot. Add the same vector $v$ to all bases: every logit of an utterance grows by the
# same number, $v \cdot e_i$, and the softmax does not change at all. ($L_C$ does not look at the
# bases.) So any $v$ is free. Is there
# one that brings $L_{BC}$ to its minimum? We want
#
# $$\sum_j \frac{W_j + v}{\lVert W_j + v \rVert} = 0 .$$
#
# That is a well-known equation. The **geometric median** $m$ of points is where the sum of the
# distances to them is least; set the gradient of $\sum_j \lVert W_j - m \rVert$ to zero, and
# there it stands, with $v = -m$. The median always exists, and as long as it is not itself one of
# the bases the shift gives **exactly $-N$**. Weiszfeld's iteration finds it, an average weighted
# by one over the distance:


# %%
def geometric_median(bases, steps=2000):
    """The point (dim,) with the least sum of distances to bases (dim, N)."""
    median = bases.mean(axis=1)
    for _ in range(steps):
        weight = 1 / np.linalg.norm(bases - median[:, None], axis=0)
        median = (bases * weight).sum(axis=1) / weight.sum()
    return median


def softmax_loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def probabilities(embeddings, bases):
    """What softmax says of each utterance: (utterances, speakers)."""
    logits = embeddings @ bases
    logits = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits / logits.sum(axis=1, keepdims=True)


plain = toy.train(lambda: [toy.bases(use_bias=False)], softmax_loss(), seeds=SEEDS)
shifted = {}
for seed, run in plain.items():
    bases = run.bases[-1].astype(float)
    shifted[seed] = bases - geometric_median(bases)[:, None]
    before, after = (probabilities(run.embeddings[-1], b) for b in (bases, shifted[seed]))
    np.testing.assert_allclose(after, before, atol=1e-9)
    units = shifted[seed] / np.linalg.norm(shifted[seed], axis=0)
    assert np.isclose(np.sum(units.sum(axis=1) ** 2) - 8, -8, atol=1e-6)

# %%
figure, axes = pictures.panels(2, "$L_S$ alone; then all bases shifted by one vector")
for each, bases in zip(axes, (plain[0].bases[-1], shifted[0]), strict=True):
    points = plain[0].embeddings[-1]
    reach = 1.1 * np.quantile(np.linalg.norm(points, axis=1), 0.98)
    pictures.dots(each, points, toy.y)
    pictures.rays(each, bases, reach)
    each.set(xlim=(-1.35 * reach, 1.35 * reach), ylim=(-1.35 * reach, 1.35 * reach))
    each.set_title(f"$L_{{BC}}$ = {l_bc(bases):.3f}")
pictures.show(
    figure,
    alt="The toy's embeddings and the directions of its bases, trained with softmax, and the same "
    "after the shift: the bases point elsewhere, the embeddings are where they were.",
)

# %% say
bc_before = " ".join(f"{l_bc(run.bases[-1]):.2f}" for run in plain.values())
bc_after = " ".join(f"{l_bc(bases):.4f}" for bases in shifted.values())
say(
    f"$L_{{BC}}$ after training with $L_S$ alone: {bc_before}. After the shift: {bc_after}. No "
    "embedding has moved, and every probability that softmax gives is what it was."
)

# %% [markdown]
# So beside $L_S$ a network can satisfy $L_{BC}$ to the last digit **without moving one embedding**,
# and embeddings are what speakers are compared by. Nothing forces it to take this way. But what
# $L_{BC}$ does to the embeddings is what happens on the road, not what its minimum demands.
#
# Beside a loss on cosines, such as $L_H$, the shift is not free: it changes the cosines. There,
# $L_{BC}$ and the other loss have to come to terms.
#
# ## Do the speakers move apart after all?
#
# Ask the toy. With $L_S$, and with $L_H$ on cosines: alone, with $L_{BC}$, and with the spreading
# loss, which becomes a regulariser of our own:


# %%
@keras.saving.register_keras_serializable(package="chapter_4")
class Spread(keras.regularizers.Regularizer):
    """The logarithm of the mean of exp(scale cos) over all pairs of different bases."""

    def __init__(self, scale=5.0):
        self.scale = scale

    def __call__(self, bases):
        units = bases / ops.norm(bases, axis=0)
        own = ops.eye(bases.shape[1])
        exponents = self.scale * (ops.transpose(units) @ units) - 1e9 * own
        return ops.logsumexp(exponents) - np.log(bases.shape[1] * (bases.shape[1] - 1))

    def get_config(self):
        return {"scale": self.scale}


centring = losses.BetweenSpeakerVariation(scale=5.0, reduction="mean")


def mining():
    return losses.HardNegativeMining(num_negatives=2, scale=5.0, reduction="mean")


def train_toys(loss, **options):
    """Trainings without a loss on the bases, with L_BC and with the spreading loss."""
    on_bases = ({}, {"between_speaker": centring}, {"bases_regularizer": Spread()})
    return [
        toy.train(lambda own=own: [toy.bases(**options, **own)], loss, seeds=SEEDS)
        for own in on_bases
    ]


NAMES = ["$L_S$", "$L_S + L_{BC}$", "$L_S$ + spreading"]
NAMES += ["$L_H$", "$L_H + L_{BC}$", "$L_H$ + spreading"]
trainings = train_toys(softmax_loss(), use_bias=False) + train_toys(mining(), similarity="cosine")
TOYS = dict(zip(NAMES, trainings, strict=True))

# %% say
head = "| | closest bases | closest mean embeddings | nearest to its own speaker's mean |"
rows = [head, "|---|---|---|---|"]
for name, by_seed in TOYS.items():
    of_bases = " ".join(f"{toy.closest_pair(run.bases[-1]):.2f}" for run in by_seed.values())
    of_means = " ".join(f"{toy.closest_pair(toy.speaker_means(r).T):.2f}" for r in by_seed.values())
    nearest = np.mean([toy.nearest_own_mean(run) for run in by_seed.values()])
    rows.append(f"| {name} | {of_bases} | {of_means} | {100 * nearest:.0f} % |")
say(
    "The cosine of the closest pair, of bases and of speakers' mean embeddings, one number for "
    "each seed; and how many utterances have the largest cosine with the mean of their own "
    "speaker, the mean over the seeds:\n\n" + "\n".join(rows)
)

# %%
for seed in SEEDS:
    of_bases = {name: toy.closest_pair(by_seed[seed].bases[-1]) for name, by_seed in TOYS.items()}
    for name in ("$L_S$", "$L_H$"):
        assert l_bc(TOYS[f"{name[:-1]} + L_{{BC}}$"][seed].bases[-1]) < -7.9
        assert of_bases[f"{name[:-1]} + L_{{BC}}$"] > 0.85
        assert of_bases[f"{name} + spreading"] < min(0.82, of_bases[name])
    alone, spread_out = (
        toy.closest_pair(toy.speaker_means(TOYS[name][seed]).T)
        for name in ("$L_H$", "$L_H$ + spreading")
    )
    assert spread_out < min(0.85, alone)

# %% [markdown]
# The bases do what they are asked. With $L_{BC}$ they are centred, and the closest pair is as close
# as ever; with the spreading loss they are spread. Whether the *embeddings* follow depends on what
# ties them to the bases:
#
# - **Beside $L_S$ they need not.** A basis says in which direction its speaker's logit grows, not
#   where the speaker is, and lengths make up for directions.
# - **Beside $L_H$ they do.** An embedding gains by every degree it comes nearer to its basis, so
#   bases that are spread carry their speakers along. It is here, with cosines, that a loss on the
#   bases has a hold on what is compared in the end. $L_{BC}$ makes less
#   of it.

# %% [markdown]
# ## Why Figure 2 stays put
#
# The paper's Figure 2 is a histogram of the cosines between speakers' *mean embeddings*. With
# $L_{BC}$ it lies further to the left. In our runs (chapter 5) it does not move, although the
# bases get all that $L_{BC}$ asks for. Why?
#
# One might think of the shift again: add one vector $v$ to all *embeddings*, and the logits grow
# by $W_j \cdot v$, which the bias $b_j$ takes back. Or $v$ is at right angles to all bases, and
# no logit notices. Neither is the reason. Without a bias the picture is the same, as you will
# see; and where there are more speakers than dimensions, the bases usually span the whole space,
# and nothing but 0 is at right angles to them all. (Nor would such a $v$ go unnoticed by cosines:
# it makes every embedding longer.)
#
# The reason is in the network. An embedding is an **average of outputs of LeakyReLU**. LeakyReLU
# lets positive values through and shrinks negative ones, so what it returns is positive on
# average, in every dimension, whoever speaks. All embeddings share that large common part, and so
# do their means. $L_{BC}$ looks at the bases, and never sees it.
#
# Let us see it in a small network that ends as the real one does. It has 24 speakers and 16
# dimensions, so its bases do span the space. The last row is the counter-experiment: without
# LeakyReLU.

# %%
SPEAKERS, UTTERANCES, FRAMES, INPUTS = 24, 12, 20, 16
random = np.random.default_rng(0)
who = np.repeat(np.arange(SPEAKERS), UTTERANCES).astype("int32")
voices = random.normal(size=(SPEAKERS, 1, INPUTS))[who]
voices = voices + 0.5 * random.normal(size=(len(who), 1, INPUTS))  # each utterance is a bit other
frames = (voices + random.normal(size=(len(who), FRAMES, INPUTS))).astype("float32")


def build_averages(seed, slope, use_bias, between_speaker):
    """Frames -> two layers -> their average over time, the embedding -> bases."""
    keras.utils.set_random_seed(seed)
    inputs = x = keras.Input((FRAMES, INPUTS))
    for units in (64, 16):
        x = keras.layers.Dense(units, kernel_initializer="he_normal")(x)
        x = keras.layers.LeakyReLU(negative_slope=slope)(x)  # slope 1: nothing happens
    embedding = keras.layers.GlobalAveragePooling1D(name="embedding")(x)
    bases = losses.SpeakerBases(
        SPEAKERS, use_bias=use_bias, between_speaker=between_speaker, name="bases"
    )
    return keras.Model(inputs, bases(embedding))


@functools.cache
def train_averages(slope, use_bias, with_l_bc):
    """Mean embeddings before and after training, and bases: a dict of each by seed."""
    model, result = None, {}
    for seed in SEEDS:
        fresh = build_averages(seed, slope, use_bias, centring if with_l_bc else None)
        if model is None:
            model = fresh
            model.compile(keras.optimizers.Adam(0.01), softmax_loss(), jit_compile=False)
            embed = keras.Model(model.input, model.get_layer("embedding").output)
        else:
            restart(model, fresh)
        before = speaker_means(embed)
        model.fit(frames, who, batch_size=72, epochs=20, verbose=0)
        bases = ops.convert_to_numpy(model.get_layer("bases").bases).copy()
        result[seed] = before, speaker_means(embed), bases
    return result


def speaker_means(embed):
    embeddings = ops.convert_to_numpy(embed(frames))
    return np.stack([embeddings[who == speaker].mean(axis=0) for speaker in range(SPEAKERS)])


def mean_cosine(vectors):
    """The mean over all pairs of rows, Figure 2 in one number."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return float((units @ units.T)[np.triu_indices(len(units), 1)].mean())


ARMS = {  # LeakyReLU's slope, bias, L_BC
    "$L_S$": (0.3, True, False),
    "$L_S + L_{BC}$": (0.3, True, True),
    "$L_S + L_{BC}$, no bias": (0.3, False, True),
    "$L_S + L_{BC}$, no LeakyReLU": (1.0, True, True),
}
averages = {name: train_averages(*arm) for name, arm in ARMS.items()}

# %% say
head = ["bases", "mean embeddings, untrained", "mean embeddings", "less their common mean"]
rows = ["| | " + " | ".join(head) + " |", "|---|---|---|---|---|"]
for name, by_seed in averages.items():
    cells = np.array(
        [
            (mean_cosine(bases.T), *map(mean_cosine, (start, end, end - end.mean(axis=0))))
            for start, end, bases in by_seed.values()
        ]
    )
    words = [f"{column.mean():+.3f} ± {np.ptp(column) / 2:.3f}" for column in cells.T]
    rows.append(f"| {name} | " + " | ".join(words) + " |")
say(
    f"The mean cosine over all pairs of speakers, averaged over {len(SEEDS)} seeds (± half the "
    "range):\n\n" + "\n".join(rows)
)
say(
    f"The least possible for {SPEAKERS} vectors is $-1/(N-1) = {-1 / (SPEAKERS - 1):.3f}$. It is "
    "what $L_{BC}$ gives the bases, and what taking away the common mean gives the embeddings, "
    "with $L_{BC}$ and without."
)

# %%
least = -1 / (SPEAKERS - 1)
for seed in SEEDS:
    of_means = {name: mean_cosine(by_seed[seed][1]) for name, by_seed in averages.items()}
    leaky = [of_means[name] for name in ARMS if "Leaky" not in name]
    assert min(leaky) > 0.2 and np.ptp(leaky) < 0.1
    assert abs(of_means["$L_S + L_{BC}$, no LeakyReLU"]) < 0.05
    for name, by_seed in averages.items():
        _, means, bases = by_seed[seed]
        assert np.linalg.matrix_rank(bases) == 16
        assert np.isclose(mean_cosine(means - means.mean(axis=0)), least, atol=0.01)
        if "BC" in name:
            assert np.isclose(mean_cosine(bases.T), least, atol=0.002)

# %% [markdown]
# The common part is also why an untrained network finds everybody alike (chapter 0): before
# training it is nearly all there is. And it is why one number of Figure 2 says little by itself.
# Take the mean of all embeddings away, and the cosines between speakers fall to where $L_{BC}$
# would like them.
#
# Does the common part do harm? It lies in target and non-target pairs alike, so often less than one
# expects. Chapter 5 scores real runs with it and without.

# %% [markdown]
# ## In three lines
#
# - $L_{BC} = \lVert \sum_i w_i \rVert^2 - N$: it centres the unit bases, it does not spread them.
# - Beside softmax a shift of all bases by their geometric median gives its minimum, and no
#   embedding moves.
# - A loss spreads if it pushes near pairs harder; but bases are not embeddings, and what all
#   embeddings have in common, no loss on the bases sees.

# %% [markdown]
# ## Exercises
#
# ### Warm-up
#
# Which of the four sets `"even"`, `"opposite"`, `"orthogonal"` and `"alike"` of eight bases reach
# the minimum of $L_{BC}$? Draw them on paper and add the arrows up, without looking back.
# (Idealised: within a cluster all bases are the same.)

# %%
# <solution>
answer = {"even", "opposite"}
# <blank>
# answer = ...  # a set of names
# </solution>
check.at_the_minimum(answer)


# %% [markdown]
# ### Code
#
# Write $L_{BC}$ without pairs, in `keras.ops`, so that Keras can train with it. The check
# compares values with Eq. 9 and gradients with finite differences.


# %%
def one_norm(bases):
    """L_BC of bases (dim, N)."""
    # <solution>
    units = bases / ops.norm(bases, axis=0)
    return ops.sum(ops.square(ops.sum(units, axis=1))) - bases.shape[1]
    # <blank>
    # ...  # your code
    # </solution>


check.l_bc(one_norm)

# %% [markdown]
# Now the spreading loss: the logarithm of the mean, over all $N(N-1)$ pairs of different bases, of
# $e^{s \cos(W_i, W_j)}$. (In the `Spread` above you see one way. Try another first.)


# %%
def spread(bases, scale):
    """log mean exp(scale cos) of bases (dim, N)."""
    # <solution>
    units = bases / ops.norm(bases, axis=0)
    pairs = ops.exp(scale * (ops.transpose(units) @ units))
    number = bases.shape[1]
    return ops.log((ops.sum(pairs) - ops.sum(ops.diagonal(pairs))) / (number * (number - 1)))
    # <blank>
    # ...  # your code
    # </solution>


check.spread(spread)

# %% [markdown]
# ### Experiment
#
# A circle is narrow. Draw 200 random bases in 64 dimensions with `np.random.default_rng(0)`. What
# is the cosine of the closest pair (`toy.closest_pair`) at the start, after `descend` with
# `push_l_bc`, and after `descend` with `push_spread` (`steps=100, size=0.02`, and a scale of 10)?
# Guess before you run it.

# %%
# <solution>
crowd = np.random.default_rng(0).normal(size=(64, 200))
closest = {
    "start": toy.closest_pair(crowd),
    "L_BC": toy.closest_pair(descend(push_l_bc, crowd, 100, 0.02)),
    "spread": toy.closest_pair(descend(lambda cos: push_spread(cos, 10.0), crowd, 100, 0.02)),
}
# <blank>
# closest = ...  # {"start": ..., "L_BC": ..., "spread": ...}
# </solution>
check.many_dimensions(closest)

# %% [markdown] solved
# Random directions in many dimensions are nearly at right angles, and their sum is already short.
# So $L_{BC}$ starts close to its minimum and has little to say: this is the paper's situation,
# with 1,211 speakers in 128 dimensions. The closest pair remains as close as it was. The
# spreading loss pushes where it is tight, and gets the closest pair well apart.
#
# **What else to try.** Give the toy `losses.BetweenSpeakerVariation(form="log_mean_exp",
# scale=5.0)`. With eight bases in a plane it looks for eight lines; you will find bases in
# opposite directions.
