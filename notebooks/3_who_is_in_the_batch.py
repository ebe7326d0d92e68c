# %% [markdown]
# # 3. Who is in the batch?
#
# Here is the paper's argument. A loss that compares utterances with each other, such as GE2E, only
# knows the speakers who happen to be in the batch. A loss that compares them with the *bases* can
# look at all speakers, and mine the hardest ones at next to no cost. How much of that is so?
#
# **Goals.** You can write $L_G$ and $L_H$ in a few lines, work out what mining costs, and say what it
# gains, when it helps and when it does not.
#
# **Time.** Two hours to read and try; the cells run in under 90 seconds on two cores.
#
# **You need.** Chapters 1 and 2; headphones; `pip install -e '.[synthetic,notebook]'`.

# %%
import functools
import os
from itertools import pairwise

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

import keras
import matplotlib.pyplot as plt
import numpy as np
import soundfile
from IPython.display import Audio, Markdown, display
from keras import layers, ops

from course import SEEDS, check, crowd, pictures, say, speech, toy
from speaker_bases import losses

# %% [markdown]
# ## $L_G$: GE2E (Eq. 6, 7, 8)
#
# $$S_{j,i,k} = w \cos(e_{j,i}, \hat c_k) + b, \qquad
# \hat c_k = \frac{1}{M_k} \sum_{i=1}^{M_k} e_{k,i}, \qquad
# L_G = \sum_{j,i} \Big[ 1 - \sigma(S_{j,i,j}) + \max_{k \ne j} \sigma(S_{j,i,k}) \Big]$$
#
# No $W$ at all: utterances are compared with the *mean embeddings* $\hat c_k$ of the speakers in the
# batch, their own one and the nearest other one. It needs embeddings, and $w$ and $b$ are trained: so
# it lives in a layer.


# %%
class SmallGE2E(keras.layers.Layer):
    def build(self, e_shape, y_shape):
        self.w = self.add_weight(shape=(), initializer=keras.initializers.Constant(10.0))
        self.b = self.add_weight(shape=(), initializer=keras.initializers.Constant(-9.5))

    def call(self, e, y):
        same = y[:, None] == y[None, :]  # column i stands for the mean of utterance i's speaker
        share = ops.cast(same, e.dtype)
        means = ops.matmul(share / ops.sum(share, axis=1, keepdims=True), e)
        sigmoid = ops.sigmoid(self.w * cosines_between(e, means) + self.b)
        own = ops.sum(ops.eye(len(y)) * sigmoid, axis=1)
        other = ops.max(ops.where(same, 0.0, sigmoid), axis=1)
        self.add_loss(ops.sum(1 - own + other))
        return e


def cosines_between(rows, others):
    units = rows / ops.norm(rows, axis=1, keepdims=True)
    return ops.matmul(units, ops.transpose(others / ops.norm(others, axis=1, keepdims=True)))


# %%
random = np.random.default_rng(0)
e = random.normal(size=(6, 4)).astype("float32")
y = np.array([0, 0, 1, 1, 2, 2])

means = np.stack([e[y == k].mean(axis=0) for k in range(3)])
sigmoid = 1 / (1 + np.exp(-(10 * toy.cosines(e, means.T) - 9.5)))
others = np.where(np.arange(3) == y[:, None], 0, sigmoid)
from_equation = (1 - sigmoid[np.arange(6), y] + others.max(axis=1)).sum()

by_hand, of_library = SmallGE2E(), losses.GE2E(init_weight=10, init_bias=-9.5)
for layer in (by_hand, of_library):
    layer(e, y)
    assert np.isclose(float(layer.losses[0]), from_equation)
print(f"Eq. 8, by hand and in the library: {from_equation:.5f}")

# %% [markdown]
# ### What the library adds, and why
#
# | it adds | because |
# |---|---|
# | $w$ is kept positive | a negative one would turn the loss around: the less alike, the better |
# | a choice: is the utterance part of its own mean? | the paper's Eq. 7 says yes; the authors of GE2E say no |
# | lengths of 0, float32, a metric | as in chapters 1 and 2 |
#
# ### The bias decides
#
# The authors of GE2E begin with $b$ = -5. With it the toy's speakers end in one heap, and it is easy
# to blame the loss. Look at the sigmoid first:

# %%
cosines = np.linspace(-1, 1, 201)
figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained")
slope_at_one = {}
for bias, colour in ((-5.0, pictures.COLOURS[5]), (-9.5, pictures.COLOURS[1])):
    height = 1 / (1 + np.exp(-(10 * cosines + bias)))
    axes[0].plot(cosines, height, color=colour, label=f"b = {bias:g}")
    axes[1].plot(cosines, 10 * height * (1 - height), color=colour)
    slope_at_one[bias] = 10 * height[-6] * (1 - height[-6])  # at a cosine of 0.95
axes[0].set(xlabel="cosine", ylabel="sigmoid of 10 cos + b")
axes[1].set(xlabel="cosine", ylabel="its slope")
axes[0].legend()
pictures.show(
    figure,
    alt="The sigmoid and its slope over cosines from -1 to 1, for biases of -5 and -9.5. With -5 it "
    "rises at a cosine of 0.5 and is flat near 1; with -9.5 it is steepest near 1.",
)

# %% say
say(f"""
Where embeddings are alike, as those of a new network are, cosines are near 1. At 0.95 the slope is
{slope_at_one[-5.0]:.2f} with a bias of -5 and {slope_at_one[-9.5]:.2f} with -9.5. Within a heap the
sigmoid of -5 is flat: nothing pulls the speakers in it apart. That is why `conf/systems/ge2e.yaml`
begins with -9.5.
""")

# %% [markdown]
# Now the toy, with both biases, and with batches that hold all eight speakers or only two of them.
# (A batch of the toy's usually holds all eight, so that a picture of it says nothing about a limit.)

# %%
settings = {"seeds": SEEDS, "epochs": 60, "learning_rate": 0.03}


pools = {"all eight": toy.every_speaker, "two": toy.some_speakers(2)}


@functools.cache  # run a cell again, and it is there at once
def train_ge2e(bias, pool):
    def heads():
        return [losses.GE2E(init_bias=bias, reduction="mean", name="ge2e")]

    return toy.train(heads, batches=pools[pool], **settings)


# %%
ge2e = {(bias, pool): train_ge2e(bias, pool) for bias in (-5.0, -9.5) for pool in pools}

# %%
right = {
    arm: np.array([100 * toy.nearest_own_mean(run) for run in runs.values()])
    for arm, runs in ge2e.items()
}
assert np.all(right[-9.5, "all eight"] > right[-5.0, "all eight"] + 10)  # for every seed
assert right[-9.5, "all eight"].mean() > right[-9.5, "two"].mean() + 5

pictures.circle(
    ge2e[-9.5, "all eight"][0],
    "$L_G$, $b$ = -9.5, all eight in each batch: there are no bases to draw",
    alt="Before training the eight speakers overlap on the circle. After training each of the eight "
    "has a place of its own.",
)

# %% say
lines = [
    f"| {bias:g} | {pool} | **{rates.mean():.0f} %** | {rates.min():.0f} to {rates.max():.0f} % |"
    for (bias, pool), rates in right.items()
]
table = "\n".join(lines)
say(f"""
| bias | speakers in a batch | nearest to their own mean | {len(SEEDS)} seeds |
|---|---|---|---|
{table}

**Seen:** the heap was the bias's doing: with -9.5 every seed does better than with -5. And fewer
speakers in a batch cost something, on the mean of the seeds: a speaker is only pushed away from those
who happen to be there. (With -5 two are even better than eight, so little does the heap tell.) With -9.5 and all speakers some seeds still leave two speakers on top of each
other. As the push comes from the *nearest* other mean alone, it can get stuck between two of them.
""")

# %% [markdown]
# ## $L_H$: all-speaker hard negative mining (Eq. 10)
#
# $$L_H = \sum_{i} \sum_{W_h \in \mathcal{H}_i}
# \log\big(1 + \exp(\cos(W_h, e_i) - \cos(W_{y_i}, e_i))\big)$$
#
# $\mathcal{H}_i$ are the $H$ bases with the largest $\cos(W_h, e_i)$, $h \ne y_i$. A basis stands for
# its speaker also when the speaker is absent: that is what bases are for. Labels and outputs are
# enough, so it is a `Loss`. Ours has a switch, `in_batch`, that leaves out who is not in the batch.


# %%
class SmallHardNegatives(keras.losses.Loss):
    def __init__(self, num_negatives, scale=1.0, in_batch=False):
        super().__init__(reduction="sum_over_batch_size")
        self.num_negatives, self.scale, self.in_batch = num_negatives, scale, in_batch

    def call(self, y, cosines):
        is_own = ops.one_hot(y, cosines.shape[-1])
        left_out = is_own
        if self.in_batch:
            left_out = ops.maximum(is_own, 1 - ops.max(is_own, axis=0))
        hardest, _ = ops.top_k(cosines - 3 * left_out, self.num_negatives)
        own = ops.sum(is_own * cosines, axis=1, keepdims=True)
        return ops.mean(ops.softplus(self.scale * (hardest - own)), axis=1)


# %%
W = random.normal(size=(4, 5)).astype("float32")
cos = toy.cosines(e, W)
others = np.where(np.arange(5) == y[:, None], -np.inf, cos)
hardest = np.sort(others, axis=1)[:, -2:]
terms = np.log(1 + np.exp(hardest - cos[np.arange(6), y][:, None]))

small, library = SmallHardNegatives(2), losses.HardNegativeMining(2, reduction="mean")
for loss in (small, library):
    assert np.isclose(float(loss(y, cos.astype("float32"))), terms.mean())
print(f"Eq. 10 as a mean, by hand and in the library: {terms.mean():.5f}")

# %% [markdown]
# ### What the library adds, and why
#
# | it adds | because |
# |---|---|
# | `reduction="sum"`, as the paper prints Eq. 10 | a choice to make: with a sum, $H$ and the size of the batch decide how much the loss counts beside weight decay and $L_{BC}$ |
# | `form="joint"` | the first author's later code has one logarithm for all negatives |
# | from 100,000 speakers on, `SpeakerBases` mines by itself | a gradient for all cosines would be as large as all cosines |
# | a search in blocks | the largest hundred of a million are found without sorting a million |
#
# ### A picture of both pools
#
# Train the toy with $L_H$, then look at one utterance and a batch of three speakers. Whom would it
# be pushed away from?

# %%
toy_hard = toy.train(
    lambda: [toy.bases(similarity="cosine")],
    loss=losses.HardNegativeMining(2, scale=5.0, reduction="mean"),
    **settings,
)
drawn = toy_hard[0]
points, bases = drawn.embeddings[-1], drawn.bases[-1]
table = toy.cosines(points, bases)
table[np.arange(len(toy.y)), toy.y] = -np.inf
in_reach = np.where(table.max(axis=1) < 0.9, table.max(axis=1), -1)
utterance = int(in_reach.argmax())  # one with a hard negative that can be told apart in the picture
speaker, hardest_of_all = int(toy.y[utterance]), int(table[utterance].argmax())
ranked = np.argsort(-table[utterance])
in_batch = [speaker, int(ranked[2]), int(ranked[3])]  # its two nearest neighbours are absent
hardest_in_batch = in_batch[1]

figure, axes = pictures.panels(2, size=3.4)
for each, title, pool, chosen in (
    (axes[0], "the batch's speakers", in_batch, hardest_in_batch),
    (axes[1], "all speakers", list(range(8)), hardest_of_all),
):
    present = np.isin(np.arange(8), pool)
    seen = np.isin(toy.y, in_batch)
    pictures.on_circle(each, points[seen], toy.y[seen])
    pictures.on_circle(each, points[~seen], toy.y[~seen], alpha=0.15)
    pictures.rays(each, bases, 1.1, alpha=np.where(present, 1.0, 0.2))
    here = points[utterance] / np.linalg.norm(points[utterance])
    there = 1.1 * bases[:, chosen] / np.linalg.norm(bases[:, chosen])
    arrow = {"arrowstyle": "-|>", "color": "black", "connectionstyle": "arc3,rad=0.2"}
    each.annotate("", there, here, arrowprops=arrow, zorder=5)
    each.scatter(*here, s=60, color=pictures.COLOURS[speaker], edgecolor="black", zorder=4)
    each.set_title(f"among {title}: speaker {chosen}")
pictures.show(
    figure,
    alt=f"Two circles with the same eight speakers. On the left only the batch's three are solid, and "
    f"an utterance of speaker {speaker} is joined to speaker {hardest_in_batch}, far away. On the "
    f"right all are solid, and it is joined to its neighbour {hardest_of_all}.",
)
assert table[utterance, hardest_of_all] > table[utterance, hardest_in_batch]

# %% [markdown]
# ### The hardest pair, to listen to
#
# The same with voices. A network small enough for a few seconds (two convolutions over time) learns
# the 60 training speakers with $L_H$. Which two bases lie closest together, and which furthest apart?

# %%
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.kaldi_feats.reader import FeatureReader

data = speech.corpus()
wav_scp, utt2spk = read_table(data / "train/wav.scp"), read_table(data / "train/utt2spk")
voices = sorted(set(utt2spk.values()))
labels = np.array([voices.index(each) for each in utt2spk.values()])
features = [FeatureReader(data / "train/feats.scp")[each] for each in utt2spk]


def crops(number, seed):
    """Crops of a second, 100 frames, of utterances drawn at random, and their speakers."""
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(features), number)
    starts = [random.integers(0, len(features[k]) - 100) for k in drawn]
    cut = [features[k][start : start + 100] for k, start in zip(drawn, starts, strict=True)]
    return np.stack(cut), labels[drawn]


# %%
@functools.cache
def learn_voices(seed, steps=200):
    keras.utils.set_random_seed(seed)
    frames = keras.Input((100, 64))
    x = frames
    for _ in range(2):
        x = layers.Conv1D(96, 5, strides=2)(x)
        x = layers.LeakyReLU(0.3)(layers.BatchNormalization(momentum=0.9)(x))
    embeddings = layers.Dense(32)(layers.GlobalAveragePooling1D()(x))
    bases = losses.SpeakerBases(len(voices), similarity="cosine")
    model = keras.Model(frames, bases(embeddings))
    loss = losses.HardNegativeMining(20, scale=5.0, reduction="mean")
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=[losses.SpeakerAccuracy()])
    x, y = crops(48 * steps, seed)
    history = model.fit(x, y, batch_size=48, shuffle=False, verbose=0).history
    units = np.array(bases.bases) / np.linalg.norm(bases.bases, axis=0)
    return units.T @ units, history["speaker_accuracy"][-1]


# %%
of_voices, accuracy = learn_voices(seed=0)
pairs = np.where(np.triu(np.ones_like(of_voices), 1) > 0, of_voices, np.nan)
closest = np.unravel_index(np.nanargmax(pairs), pairs.shape)
furthest = np.unravel_index(np.nanargmin(pairs), pairs.shape)
assert accuracy > 0.3 and pairs[closest] > 0.3 and pairs[furthest] < -0.3

# %%
for name, pair in (("closest", closest), ("furthest apart", furthest)):
    display(Markdown(f"The {name}: cosine {of_voices[pair]:+.2f}"))
    for voice in pair:
        sound, rate = soundfile.read(list(wav_scp.values())[voice * 8], dtype="int16")
        display(Audio(sound[: 3 * rate // 2], rate=rate))

# %% [markdown]
# Can you hear why? (With other initial weights another pair is the closest: who is hard depends on
# what the network has learnt to listen to.)
#
# ## What mining costs
#
# The cosines with all bases are one matrix product, needed anyway. We count multiplications, in the
# network of Table 1 for a batch of 100 crops of 304 frames, against 1,211 bases of 128 numbers. The
# other way to look at everybody is a list of hard negatives, made by passing all of VoxCeleb1's
# 148,642 training utterances through the network, and made again as the network changes.

# %%
from speaker_bases.models import resnet34


def multiplications(network, frames):
    """In the convolutions, for one crop."""
    kernels = {
        layer.name: weight.shape
        for layer in network.layers
        for weight in layer.trainable_weights
        if len(weight.shape) == 4
    }
    outputs = [network.get_layer(name).output for name in kernels]
    shapes = keras.Model(network.input, outputs).compute_output_shape((None, frames, 64))
    return sum(
        int(np.prod(kernel)) * shape[1] * shape[2]
        for kernel, shape in zip(kernels.values(), shapes, strict=True)
    )


forward = 100 * multiplications(resnet34("table1"), 304)
costs = {
    "mining 1,211 bases": 100 * 1211 * 128,
    "mining a million bases": 100 * 10**6 * 128,
    "a batch's forward pass": forward,
    "refreshing a list": forward * 148642 // 100,
}
figure, axes = plt.subplots(figsize=(6.5, 2.2), layout="constrained")
axes.barh(list(costs), list(costs.values()), color=pictures.COLOURS[1])
axes.set(xscale="log", xlabel="multiplications", xlim=(1e6, 1e15))
axes.invert_yaxis()
pictures.show(
    figure,
    alt="Multiplications on a logarithmic scale: mining 1,211 bases takes about ten million, a batch's "
    "forward pass about a hundred thousand million, and refreshing a list a thousand times that.",
)
share = costs["mining 1,211 bases"] / forward
refresh = costs["refreshing a list"] / forward
assert round(100 * share, 2) == 0.01 and round(refresh) == 1486

# %% say
chance = 19 / 1210
say(f"""
Mining all 1,211 bases takes **{100 * share:.2f} %** of a batch's forward pass, and a million of them
{100 * costs["mining a million bases"] / forward:.0f} %. Refreshing the list takes
**{refresh:,.0f} forward passes**, an epoch. And to wait for luck? In a batch of 20 of 1,211 speakers,
an utterance's hardest negative is there with a chance of 19 in 1,210, **{100 * chance:.1f} %** of
the time.
""")

# %% [markdown]
# ## Whom does the gradient push?
#
# So $L_H$ sees all speakers, at no cost. But so does the softmax (chapter 1). What is the
# difference? We train 1,211 made-up speakers, as many as VoxCeleb1 has, with a softmax of cosines, and ask how the push on the
# other speakers is shared out, from the hardest to the easiest.

# %%
of_crowd = crowd.train(
    losses.AdditiveMarginSoftmax(scale=5, margin=0, reduction="mean"),
    marks=[200],
    seeds=SEEDS,
    speakers=1211,
    in_batch=100,
)


def ranked_others(cosines):
    """Each utterance's cosines with the other speakers, largest first, and with its own."""
    rows = np.arange(len(cosines))
    own = cosines[rows, rows]  # utterance k is speaker k's
    rest = cosines.copy()
    rest[rows, rows] = -np.inf
    return -np.sort(-rest, axis=1)[:, :-1], own


def softmax_shares(ranked, scale):
    push = np.exp(scale * (ranked - ranked[:, :1]))
    return (push / push.sum(axis=1, keepdims=True)).mean(axis=0)


def mining_shares(ranked, own, scale, num_negatives):
    push = 1 / (1 + np.exp(-scale * (ranked - own[:, None])))
    push[:, num_negatives:] = 0
    return (push / push.sum(axis=1, keepdims=True)).mean(axis=0)


# %%
shares_of_hundred = {5: [], 20: []}
for training in of_crowd.values():
    ranked, own = ranked_others(training.cosines[-1])
    for scale, found in shares_of_hundred.items():
        found.append(100 * softmax_shares(ranked, scale)[:100].sum())
assert max(shares_of_hundred[5]) < 50 and min(shares_of_hundred[20]) > 90

ranked, own = ranked_others(of_crowd[0].cosines[-1])
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for label, push in (
    ("softmax, s = 5", softmax_shares(ranked, 5)),
    ("softmax, s = 20", softmax_shares(ranked, 20)),
    ("$L_H$, H = 100, s = 5", mining_shares(ranked, own, 5, 100)),
):
    axes.plot(np.arange(1, 1211), np.where(push > 0, 100 * push, np.nan), label=label)
axes.set(xscale="log", yscale="log", ylim=(1e-5, 100))
axes.set(xlabel="rank of the other speaker, hardest first", ylabel="share of the push, %")
axes.legend()
pictures.show(
    figure,
    alt="Share of the push against rank on logarithmic scales. With a scale of 5 the softmax falls "
    "slowly over all 1,210 ranks, with 20 steeply. L_H is nearly flat up to rank 100 and ends there.",
)

# %% say
at_5, at_20 = (np.mean(shares_of_hundred[scale]) for scale in (5, 20))
directions = np.random.default_rng(0).normal(size=(1411, 128))  # 200 utterances, 1,211 bases
at_random, _ = ranked_others(toy.cosines(directions[:200], directions[200:].T))
random_5, random_20 = (100 * softmax_shares(at_random, s)[:100].sum() for s in (5, 20))
say(f"""
The 100 hardest of 1,210 carry **{at_5:.0f} %** of the softmax's push at $s$ = 5, and
**{at_20:.0f} %** at $s$ = 20 (means of {len(SEEDS)} seeds; 8 % would be their share if all counted
alike). How far the cosines spread decides as well: for random directions in 128 dimensions it would
be {random_5:.0f} and {random_20:.0f} %. So a softmax mines, and the scale says how hard. $L_H$ draws a line instead: all of the push
goes to the first $H$, shared nearly evenly, and nothing behind them.
""")

# %% [markdown]
# ## Both pools, trained
#
# Now the argument's test: 300 made-up speakers, batches of 20 speakers with five utterances each, and
# the *same* loss with the same number of negatives, 19. Once they are mined among the bases of the
# batch's speakers, once among all. Beside them a softmax of cosines. The measure is the EER on 200
# speakers who were not trained on.

# %%
marks = [0, 25, 50, 100, 150, 200, 300]
contest = {
    "the batch's speakers": SmallHardNegatives(19, scale=5.0, in_batch=True),
    "all speakers": SmallHardNegatives(19, scale=5.0),
    "softmax": losses.AdditiveMarginSoftmax(scale=5.0, margin=0.0, reduction="mean"),
}


@functools.cache
def train_crowd(name):
    return crowd.train(contest[name], marks, SEEDS)


# %%
trained = {name: train_crowd(name) for name in contest}
rates = {
    name: np.array([training.eer for training in runs.values()]) for name, runs in trained.items()
}

# %%
batch, everyone, soft = rates.values()
early, late = marks.index(50), marks.index(300)
assert np.all(everyone[:, early] > batch[:, early] + 3)  # for every seed
assert everyone[:, late].mean() < batch[:, late].mean()
assert np.all(soft[:, late] < batch[:, late]) and soft[:, late].mean() < everyone[:, late].mean()

figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for (name, values), colour in zip(rates.items(), (5, 1, 3), strict=True):
    for row in values:
        axes.plot(marks, row, color=pictures.COLOURS[colour], linewidth=0.6, alpha=0.5)
    axes.plot(marks, values.mean(axis=0), ".-", color=pictures.COLOURS[colour], label=name)
axes.set(xlabel="steps", ylabel="EER, %", yscale="log", yticks=[1, 3, 10, 30])
axes.set_yticklabels(["1", "3", "10", "30"])
axes.legend()
pictures.show(
    figure,
    alt="EER against steps, one thin line per seed. Mining among all speakers is the slowest to start, "
    "and overtakes mining in the batch after about 200 steps. The softmax is below both.",
)

# %% say
say(f"""
| mined among | EER after {marks[early]} steps | after {marks[late]} steps |
|---|---|---|
| the batch's speakers | {batch[:, early].mean():.1f} % | {batch[:, late].mean():.2f} % |
| all speakers | {everyone[:, early].mean():.1f} % | {everyone[:, late].mean():.2f} % |
| (softmax, $s$ = 5) | {soft[:, early].mean():.1f} % | {soft[:, late].mean():.2f} % |

**Hoped for:** all speakers beat the batch's. **Seen:** in the end they do, as the paper says; but
they begin far behind. And the softmax, which weighs all speakers a little, beats both here. These are
made-up speakers and a small network, and the softmax is one of cosines: the paper's Table 2 has a
softmax of dot products at 7.78 % and $L_H + L_{{BC}}$ at 5.55 %. What carries over is not the order
but the question: who pushes, and is it the right one yet?
""")

# %% [markdown]
# ## How fast negatives change
#
# Why the slow start? Of the 19 hardest negatives of an utterance, how many are still on the list at
# the next mark?


# %%
def hardest_of(cosines, number=19):
    rows = np.arange(len(cosines))
    rest = cosines.copy()
    rest[rows, rows] = -np.inf
    return np.argsort(-rest, axis=1)[:, :number]


def kept(before, after):
    return np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(before, after, strict=True)])


still = []
for training in trained["all speakers"].values():
    lists = [hardest_of(cosines) for cosines in training.cosines]
    still.append([100 * kept(*pair) for pair in pairwise(lists)])
still = np.array(still)
assert np.all(still[:, 0] < 35) and np.all(still[:, -1] > 55)  # for every seed

figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
spans = [f"{a} to {b}" for a, b in pairwise(marks)]
for row in still:
    axes.plot(spans, row, ".-", color=pictures.LIGHT)
axes.plot(spans, still.mean(axis=0), "o", color=pictures.COLOURS[1])
axes.axhline(100 * 19 / 299, color=pictures.COLOURS[5], linewidth=0.8)
axes.set(xlabel="from step ... to step ...", ylabel="still on the list, %", ylim=(0, 100))
pictures.show(
    figure,
    alt=f"The share of negatives that stay on the list from one mark to the next rises from "
    f"{still[:, 0].mean():.0f} to {still[:, -1].mean():.0f} percent.",
)

# %% say
say(f"""
(Red: what chance would keep.) In the first {marks[1]} steps only {still[:, 0].mean():.0f} % stay: at
the start a speaker is a hard negative by chance, because a random basis happens to lie near, and the
push goes now here, now there. Later {still[:, -1].mean():.0f} % stay for {marks[-1] - marks[-2]}
steps: then the list tells who resembles whom. So mining anew in each batch matters most at the
beginning, where it is worth least. (An epoch of ours is 30 steps; on VoxCeleb1 it is 1,486, and a
list that is made once per epoch is that old at the end.)
""")

# %% [markdown]
# ## In three lines
#
# - GE2E knows the batch's speakers only, and its first bias decides whether it leaves the heap.
# - Mining among all bases costs next to nothing, and finds negatives that a batch hardly ever holds.
# - It starts slowly, since at first negatives are hard by chance; a softmax mines as well, and its
#   scale says how hard.

# %% [markdown]
# ## Exercises
#
# ### Warm-up
#
# GE2E is often trained with 64 speakers in a batch. Of 5,994 speakers, as in VoxCeleb2: with which
# probability is an utterance's hardest negative in its batch? (The utterance's own speaker is.)

# %%
# <solution>
chance_in_batch = 63 / 5993
# <blank>
# chance_in_batch = ...
# </solution>

check.chance_in_batch(chance_in_batch)

# %% [markdown]
# ### Code
#
# $L_H$ with `keras.ops`, summed over batch and negatives: `y` (utterances,), `cosines` (utterances,
# speakers), each cosine multiplied by `scale`.


# %%
def hard_negatives(y, cosines, num_negatives, scale):
    # <solution>
    is_own = ops.one_hot(y, cosines.shape[-1], dtype=cosines.dtype)
    own = ops.sum(is_own * cosines, axis=1, keepdims=True)
    hardest, _ = ops.top_k(cosines - 3 * is_own, num_negatives)
    return ops.sum(ops.softplus(scale * (hardest - own)))
    # <blank>
    # ...
    # </solution>


check.hard_negatives(hard_negatives)

# %% [markdown]
# ### Experiment
#
# How many negatives? Train the crowd for 50 steps with $H$ of 1, 10 and 100 of its 299 others:
# `crowd.train(SmallHardNegatives(H, scale=5.0), marks=[50], seeds=SEEDS)`. Give the mean EER of the
# seeds for each $H$, in this order.

# %%
# <solution>
after_50_steps = []
for H in (1, 10, 100):
    runs = crowd.train(SmallHardNegatives(H, scale=5.0), marks=[50], seeds=SEEDS)
    after_50_steps.append(np.mean([training.eer[-1] for training in runs.values()]))
print(np.round(after_50_steps, 1))
# <blank>
# after_50_steps = ...
# </solution>

check.how_many_negatives(after_50_steps)
