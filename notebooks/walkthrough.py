# %% [markdown]
# # Speaker verification with losses on speaker bases
#
# Two recordings: is it the same person who speaks? This notebook goes from a sound to that
# decision, and through every equation of
#
# > Heo, Jung, Yang, Yoon, Shim, Yu: *End-to-end losses based on speaker basis vectors and
# > all-speaker hard negative mining for speaker verification*, 2019,
# > [arXiv 1902.02455](https://arxiv.org/abs/1902.02455).
#
# The paper's idea in two sentences. A network is trained to name the speaker of an utterance; the
# last weight matrix $W$ has one column $W_j$ for each training speaker, the speaker's **basis**,
# and a basis is a learned picture of its speaker. So a loss that looks at $W$ sees *all* speakers
# at every step, however few are in the mini-batch.
#
# You need a little Keras. Everything runs on two cores in a few minutes, without a network
# connection; if you ran `./run.sh` before, its data and systems are used.

# %%
import inspect
import logging
import os
import sys
import tempfile
import textwrap
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Audio, Image, Markdown, display

import pictures  # notebooks/pictures.py: plots only

plt.rcParams["figure.dpi"] = 80
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
if Path.cwd().name == "notebooks":
    os.chdir("..")  # paths as in ./run.sh

# %% [markdown]
# ## 1. From sound to embedding
#
# Our speakers are synthetic: voices of espeak-ng, each with a vocal tract and a pitch of its own.
# That is enough to see how everything works. It is **not** enough to say anything about real
# voices: no error rate below can be compared with the paper's.

# %%
from speaker_bases.kaldi_feats import extract, prepare


def run(tool, *arguments):
    """What ./run.sh does on the command line, here with fewer speakers."""
    if tool.main([str(argument) for argument in arguments]) != 0:
        raise RuntimeError(
            f"{tool.__name__} failed, its message stands above. If it is espeak-ng that is "
            "missing: pip install -e '.[synthetic]' and start this notebook again."
        )


def ready(data):
    return (data / "test/trials/synthetic").exists() and (data / "test/feats.scp").exists()


was_run = ready(Path("data"))  # ./run.sh was, on its built-in corpus
DATA = Path("data") if was_run else Path("data_walkthrough")
if not was_run:  # a minute's work
    counts = "--train-speakers 60 --train-utterances 8 --test-speakers 12 --test-utterances 6"
    run(prepare, "synthetic", "--data", DATA, "--nj", 2, *counts.split())
    for name in ("train", "test"):
        run(extract, "--nj", 2, DATA / name, DATA / name / "log", DATA / name / "fbank")

# %% [markdown]
# These are Kaldi's *data directories*: text files, one line an utterance. `wav.scp` says where
# the sound is, `utt2spk` who speaks, `feats.scp` where the features are.

# %%
from speaker_bases.kaldi_feats.data_dir import read_table

wav_scp, utt2spk = read_table(DATA / "test/wav.scp"), read_table(DATA / "test/utt2spk")
for utterance in list(wav_scp)[:3]:
    print(utterance, utt2spk[utterance], Path(wav_scp[utterance]).name)

# %% [markdown]
# Two seconds of two speakers:

# %%
import soundfile

first = next(iter(wav_scp))
other = next(u for u in wav_scp if utt2spk[u] != utt2spk[first])
for utterance in (first, other):
    wave, rate = soundfile.read(wav_scp[utterance], dtype="int16")
    display(Markdown(f"`{utterance}`"), Audio(wave[: 2 * rate], rate=rate))

# %% [markdown]
# ### 64 bands, minus their mean
#
# Every 10 ms a window of 25 ms becomes 64 numbers: how loud it is in 64 bands of frequency (mel
# bands, narrow at the bottom as in the ear, and in logarithms). Then the mean over the 3 seconds
# around is taken away from each band: what stays the same over seconds is mostly the microphone
# and the room.

# %%
from speaker_bases.kaldi_feats.fbank.features import Fbank
from speaker_bases.kaldi_feats.fbank.options import read_options
from speaker_bases.kaldi_feats.fbank.sliding_mean import subtract_sliding_mean
from speaker_bases.kaldi_feats.reader import FeatureReader

wave, rate = soundfile.read(wav_scp[first], dtype="int16")
fbank = Fbank(read_options("conf/fbank.conf"))
before = fbank(wave)
after = subtract_sliding_mean(before, window=300)
pictures.features(wave, rate, before, after)

# %% [markdown]
# The feature stage did the same for every utterance, and wrote it to disk:

# %%
test_features = FeatureReader(DATA / "test/feats.scp")
np.testing.assert_allclose(after, test_features[first], atol=1e-4)
print(after.shape, "(frames, bands); the first band's mean is now", after[:, 0].mean().round(3))

# %% [markdown]
# ### The network of Table 1
#
# Features are a picture of frames times bands, so an image network does: a ResNet-34, made narrow.
# Here is the paper's table beside ours, for $l$ = 304 frames.

# %%
from keras.ops import convert_to_numpy as values

from speaker_bases.models import ResNetTable, resnet34

PAPER = {  # row of Table 1: output, in frames x bands x channels; kernel; stride
    "conv1": ("l x 64 x 16", "7x7", "1x1"),
    "res1": ("l x 64 x 16", "3x3", "1x1"),
    "res2": ("l/2 x 32 x 32", "3x3", "2x2"),
    "res3": ("l/4 x 16 x 64", "3x3", "2x2"),
    "res4": ("l/8 x 8 x 128", "3x3", "2x2"),
    "pool": ("128", "global", "global"),
}
keras.utils.set_random_seed(0)
network = resnet34("table1")
table = keras.Model(network.input, [network.get_layer(row).output for row in PAPER])
shapes = table.compute_output_shape((None, 304, 64))
ours = {row: shape[1:] for row, shape in zip(PAPER, shapes, strict=True)}
rows = [f"| {r} | {' | '.join(PAPER[r])} | {' x '.join(map(str, ours[r]))} |" for r in PAPER]
head = "| row | output | kernel | stride | ours at l = 304 |\n|---|---|---|---|---|\n"
display(Markdown(head + "\n".join(rows)))

# %%
for row, (output, *_) in PAPER.items():
    sizes = output.replace("l", "304").split(" x ")
    assert ours[row] == tuple(int(Fraction(size)) for size in sizes), row
network.summary()

# %% [markdown]
# The last row averages over time. So an utterance of any length becomes **one vector of 128
# numbers, its embedding** $e$. To compare two utterances, take the cosine between theirs.

# %%
a, b = test_features[first], test_features[other]
e_a, e_b = (values(network(features[None]))[0] for features in (a, b))
cosine = e_a @ e_b / np.linalg.norm(e_a) / np.linalg.norm(e_b)
print(f"{len(a)} and {len(b)} frames -> {e_a.shape} and {e_b.shape}; cosine {cosine:.3f}")
assert cosine > 0.9

# %% [markdown]
# The network is not trained: two different speakers, and their cosine is nearly 1. What makes it
# fall is the loss.

# %% [markdown]
# ## 2. The losses
#
# | paper | here |
# |---|---|
# | embedding $e_i$ of utterance $i$, of $M$ in the mini-batch | `e`, row $i$ |
# | its speaker $y_i$, of $N$ | `y` |
# | basis $W_j$ of speaker $j$ | `W`, **column** $j$ |
#
# To hold each loss against its equation we take six embeddings of three speakers, two each, and
# five bases. Below, a line of `show(...)` prints *our source as it is installed*, then five lines
# of NumPy say the same, and an `assert` compares the two numbers.

# %%
from speaker_bases import losses
from speaker_bases.losses import CenterLoss, CenterUpdate, SpeakerBases

M, N, dim = 6, 5, 4
random = np.random.default_rng(0)
e = random.normal(size=(M, dim)).astype("float32")
W = random.normal(size=(dim, N)).astype("float32")
y = np.array([0, 0, 1, 1, 2, 2])
i = np.arange(M)


def show(*functions):
    """The source of functions, and where it stands."""
    for function in functions:
        place = function.__module__.removeprefix("speaker_bases.").replace(".", "/")
        source = textwrap.dedent(inspect.getsource(function))
        text = f"`{place}.py`, `{function.__qualname__}`\n```python\n{source}```"
        display(Markdown(text))


def bases_of(similarity):
    """A SpeakerBases layer that holds our W."""
    layer = SpeakerBases(N, similarity=similarity)
    layer.build((M, dim))
    layer.bases.assign(W)
    return layer


# %% [markdown]
# ### A toy on a circle
#
# To *see* a loss we train a tiny network that maps 8 made-up speakers, 30 utterances each, to
# embeddings of two dimensions. It is built as the real systems are: a backbone, then the layers
# that a loss needs, then `compile` and `fit`. Afterwards it tells where everything was after each
# epoch. Every loss gets the same start: the same backbone, bases and order of the utterances.

# %%
TOY_SPEAKERS, TOY_SEED = 8, 4
random = np.random.default_rng(3)
prototypes = random.normal(size=(TOY_SPEAKERS, 16))
toy_y = np.repeat(np.arange(TOY_SPEAKERS), 30).astype("int32")
toy_x = (prototypes[toy_y] + 0.6 * random.normal(size=(len(toy_y), 16))).astype("float32")


def train_toy(*heads, loss=None, callbacks=(), epochs=40):
    """Train the toy with the layers `heads` behind its backbone."""
    keras.utils.set_random_seed(TOY_SEED)
    hidden, flat = keras.layers.Dense(64, "leaky_relu"), keras.layers.Dense(2)
    backbone = keras.Sequential([keras.Input((16,)), hidden, flat], name="backbone")
    x, speakers = keras.Input((16,)), keras.Input((), dtype="int32")
    output = backbone(x)
    for head in heads:
        output = head(output, speakers)
    model = keras.Model([x, speakers], output)
    model.compile(keras.optimizers.Adam(0.01), loss)
    seen = pictures.Snapshots(toy_x, toy_y)
    callbacks = [seen, *callbacks]
    model.fit([toy_x, toy_y], toy_y, 80, epochs, verbose=0, callbacks=callbacks)
    return seen


def toy_bases(**options):
    start = keras.initializers.HeNormal(seed=TOY_SEED)
    return SpeakerBases(TOY_SPEAKERS, bases_initializer=start, name="bases", **options)


def toy_centers():
    return CenterLoss(TOY_SPEAKERS, weight=0.02, centers_initializer="zeros", name="center")


def cosines(embeddings, bases):
    """cos(W_j, e_i): (utterances, speakers)."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True) * np.linalg.norm(bases, axis=0)
    return embeddings @ bases / norms


def tightness(seen):
    """How far an utterance lies from its speaker's mean, as a share of its distance to all's."""
    points = seen.embeddings[-1]
    means = np.stack([points[toy_y == k].mean(axis=0) for k in range(TOY_SPEAKERS)])
    within = np.linalg.norm(points - means[toy_y], axis=1).mean()
    return within / np.linalg.norm(points - points.mean(axis=0), axis=1).mean()


# %% [markdown]
# ### $L_S$: softmax (Eq. 1)
#
# $$L_S = -\sum_{i=1}^{M} \log
# \frac{\exp(W_{y_i} \cdot e_i + b_{y_i})}{\sum_{j=1}^{N} \exp(W_j \cdot e_i + b_j)}$$
#
# The ordinary classifier: of all $N$ logits the right one shall be the largest. Keras has this
# loss, so we only need the layer that owns $W$.

# %%
show(SpeakerBases.call)


# %%
def softmax(reduction="sum_over_batch_size"):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)


ours = float(softmax("sum")(y, bases_of("dot")(e)))

b = np.zeros(N)  # a new layer's bias
logits = e @ W + b
right = np.exp(logits[i, y])
every = np.exp(logits).sum(axis=1)
by_hand = -np.log(right / every).sum()

assert np.isclose(ours, by_hand)
print(f"ours {ours:.5f}, by hand {by_hand:.5f}")

# %%
toy_softmax = train_toy(toy_bases(), loss=softmax())
pictures.plane(toy_softmax, "$L_S$: dots are embeddings, crosses the directions of the bases")

# %% [markdown]
# (Each panel has its own scale.) **Hoped for:** each speaker in a direction of its own. **Seen:**
# just that, in loose clouds: an utterance is right as soon as its own logit is the largest, so
# nothing pulls a speaker together. Nor need a cloud lie on the line to its cross: the length of a
# basis and its bias count as well.

# %% [markdown]
# ### $L_C$: centre loss (Eq. 2)
#
# $$L_C = \frac{\lambda}{2} \sum_{i=1}^{M} \lVert e_i - c_{y_i} \rVert^2$$
#
# Used beside $L_S$. Each speaker has a centre $c_k$, and embeddings are pulled towards it.

# %%
show(losses.center_loss)

# %%
center = CenterLoss(N, weight=0.001)
center(e, y)
ours = float(center.losses[0])

weight = 0.001  # lambda
c = values(center.centers)
away = e - c[y]
by_hand = weight / 2 * np.sum(away**2)

assert np.isclose(ours, by_hand)
print(f"ours {ours:.7f}, by hand {by_hand:.7f}")

# %% [markdown]
# ### How the centres move (Eq. 3)
#
# $$\Delta c_k = \frac{\sum_i 1(y_i = k)\,(c_k - e_i)}{1 + \sum_i 1(y_i = k)}, \qquad
# c_k \leftarrow c_k - \alpha \Delta c_k$$
#
# No gradient trains the centres: in every mini-batch each moves a little towards its speaker's
# embeddings. The 1 in the denominator keeps a speaker who is not in the batch from a division by
# zero, and makes a single utterance count less than many.

# %%
show(CenterLoss._update_centers, CenterUpdate.on_epoch_begin, CenterUpdate.on_train_end)

# %% [markdown]
# The layer moves the centres, and the callback says when: it sets $\alpha$ as each epoch begins and
# 0 as `fit` ends, so a trained model's centres stay. Step by step, with three speakers who start at
# the origin, of whom the last never speaks. The embeddings are held fixed: they *are* the input.

# %%
points = np.array([[2, 0], [2, 2], [-1, 1]], "float32")
speakers = np.array([0, 0, 1], "int32")  # speaker 0 twice in the batch
e_in, y_in = keras.Input((2,)), keras.Input((), dtype="int32")
center = CenterLoss(3, centers_initializer="zeros")
tiny = keras.Model([e_in, y_in], SpeakerBases(3)(center(e_in, y_in)))
tiny.compile("sgd", softmax())

steps = []
watch = keras.callbacks.LambdaCallback(
    on_train_batch_end=lambda batch, logs: steps.append(
        (float(center.alpha), values(center.centers))
    )
)
tiny.fit([points, speakers], speakers, epochs=12, verbose=0, callbacks=[CenterUpdate(0.5), watch])
centers_after_fit = values(center.centers)
tiny.evaluate([points, speakers], speakers, verbose=0)
assert float(center.alpha) == 0 and np.array_equal(centers_after_fit, values(center.centers))

# %%
c = np.zeros((3, 2))
for step, (alpha, ours) in enumerate(steps, start=1):
    for k in range(3):
        own = points[speakers == k]
        delta = (c[k] - own).sum(axis=0) / (1 + len(own))
        c[k] = c[k] - alpha * delta
    np.testing.assert_allclose(ours, c, atol=1e-6)
    if step <= 3:
        print(f"step {step}, alpha {alpha}: c_0 = {c[0].round(3)}, c_1 = {c[1].round(3)}")
assert np.array_equal(c[2], [0, 0])

# %%
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
trails = np.array([np.zeros((3, 2)), *[centers for _, centers in steps]])
for k in (0, 1):
    colour = pictures.COLOURS[k]
    axes.scatter(*points[speakers == k].T, color=colour, s=60, label=f"embeddings of {k}")
    axes.plot(*trails[:, k].T, "^-", color=colour, linewidth=0.8, label="its centre")
axes.set(aspect="equal", title="Twelve steps of Eq. 3")
axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# Speaker 0, with two utterances, moves by $\frac12 \cdot \frac23$ of the way to its mean at each
# step; speaker 1, with one, by $\frac12 \cdot \frac12$. Now the toy, with a $\lambda$ that suits
# its size:

# %%
toy_center = train_toy(
    toy_centers(), toy_bases(), loss=softmax(), callbacks=[CenterUpdate(alpha=0.5)]
)
pictures.plane(toy_center, "$L_S + L_C$: triangles are the centres")
print(f"tightness: {tightness(toy_softmax):.2f} with L_S, {tightness(toy_center):.2f} with L_C too")
assert tightness(toy_center) < tightness(toy_softmax)

# %% [markdown]
# **Hoped for:** clouds become lumps. **Seen:** they do. What $L_C$ does not ask for is distance
# *between* speakers: that is left to $L_S$.

# %% [markdown]
# ### $L_{AMS}$: softmax with an additive margin (Eq. 4, 5)
#
# $$L_{AMS} = -\sum_i \log
# \frac{\exp(s(\cos(W_{y_i}, e_i) - m))}{\exp(s(\cos(W_{y_i}, e_i) - m)) + R_i},
# \qquad R_i = \sum_{j \ne y_i} \exp(s \cos(W_j, e_i))$$
#
# Scores are compared by cosine in the end, so train with cosines. The right one must win by a
# margin $m$; the scale $s$ decides how much the loss cares. (The paper prints $W_{y_j}$ in
# Eq. 5, a slip.)

# %%
show(losses.additive_margin_softmax)

# %%
cosine_bases = bases_of("cosine")
ours = float(losses.AdditiveMarginSoftmax(scale=5, margin=0.35)(y, cosine_bases(e)))

cos, s, m = cosines(e, W), 5, 0.35
right = np.exp(s * (cos[i, y] - m))
R = np.exp(s * cos).sum(axis=1) - np.exp(s * cos[i, y])
by_hand = -np.log(right / (right + R)).sum()

assert np.isclose(ours, by_hand)
print(f"ours {ours:.5f}, by hand {by_hand:.5f}")

# %%
toy_margin = train_toy(
    toy_bases(similarity="cosine"),
    loss=losses.AdditiveMarginSoftmax(scale=5, margin=0.35, reduction="mean"),
)
pictures.circle(toy_margin, "$L_{AMS}$: only directions count, so we draw only those")


# %%
def own_cosine(seen, epoch=-1):
    """The mean cosine between an embedding and its speaker's basis."""
    own = cosines(seen.embeddings[epoch], seen.bases[epoch])[np.arange(len(toy_y)), toy_y]
    return own.mean()


print(f"cosine with the own basis: L_S {own_cosine(toy_softmax):.3f}, "
      f"L_AMS {own_cosine(toy_margin):.3f}")  # fmt: skip
assert own_cosine(toy_margin) > own_cosine(toy_softmax)

# %% [markdown]
# **Hoped for:** narrow bundles around their bases with gaps between. **Seen:** so it is, as far
# as eight speakers fit on one circle. The paper's networks have 128 dimensions of room.

# %% [markdown]
# ### $L_G$: GE2E (Eq. 6, 7, 8)
#
# $$S_{j,i,k} = w \cos(e_{j,i}, \hat c_k) + b, \qquad
# \hat c_k = \frac{1}{M_k} \sum_{i=1}^{M_k} e_{k,i}, \qquad
# L_G = \sum_{j,i} \Big[ 1 - \sigma(S_{j,i,j}) + \max_{k \ne j} \sigma(S_{j,i,k}) \Big]$$
#
# No $W$ at all: utterances are compared with the *mean embeddings* $\hat c_k$ of the speakers in
# the mini-batch, the own one and the nearest other one. It is the rival that the paper argues
# with: it only ever sees the speakers who happen to be in the batch.

# %%
show(losses.ge2e)

# %%
ge2e = losses.GE2E(init_weight=10, init_bias=-5)
ge2e(e, y)
ours = float(ge2e.losses[0])

means = np.stack([e[y == k].mean(axis=0) for k in range(3)])
sigmoid = 1 / (1 + np.exp(-(10 * cosines(e, means.T) - 5)))
others = np.where(np.arange(3) == y[:, None], 0, sigmoid)
by_hand = (1 - sigmoid[i, y] + others.max(axis=1)).sum()

assert np.isclose(ours, by_hand)
print(f"ours {ours:.5f}, by hand {by_hand:.5f}")

# %%
toy_ge2e = train_toy(losses.GE2E(reduction="mean", name="ge2e"))
pictures.circle(toy_ge2e, "$L_G$: no bases to draw")


# %%
def nearest_mean(seen):
    """How many utterances point to their own speaker's mean rather than to another's, in %."""
    points = seen.embeddings[-1]
    means = np.stack([points[toy_y == k].mean(axis=0) for k in range(TOY_SPEAKERS)])
    return 100 * np.mean(cosines(points, means.T).argmax(axis=1) == toy_y)


print(f"nearest to their own speaker: L_AMS {nearest_mean(toy_margin):.0f} %, "
      f"L_G {nearest_mean(toy_ge2e):.0f} %")  # fmt: skip
assert nearest_mean(toy_margin) > nearest_mean(toy_ge2e)

# %% [markdown]
# **Hoped for:** training does what verification does. **Seen:** some speakers get clear of the
# others, the rest stay in one heap. Within the heap the own mean and the nearest other one lie in
# the same place, so the pull of $1 - \sigma(S_{j,i,j})$ and the push of the maximum cancel. Two
# dimensions are a hard case, and the paper's networks have 128; but there, too, GE2E comes last in
# Table 2, with 20 speakers a batch.

# %% [markdown]
# ### $L_{BC}$: between-speaker variation (Eq. 9)
#
# $$L_{BC} = \sum_{i=1}^{N} \sum_{j \ne i} \cos(W_i, W_j)$$
#
# The first loss on the bases alone. The paper hopes that it drives speakers apart.

# %%
from speaker_bases.losses.between_speaker_variation import _sum_of_cosines

show(losses.between_speaker_variation, _sum_of_cosines)

# %% [markdown]
# Where is the double sum? With the unit vectors $w_i = W_i / \lVert W_i \rVert$ a cosine is a dot
# product, and a square of a sum is a sum over all pairs:
#
# $$\Big\lVert \sum_i w_i \Big\rVert^2 = \sum_i \sum_j w_i \cdot w_j
# = \underbrace{\sum_i w_i \cdot w_i}_{N} + \sum_i \sum_{j \ne i} \cos(W_i, W_j)
# \quad\Longrightarrow\quad
# L_{BC} = \Big\lVert \sum_i w_i \Big\rVert^2 - N$$
#
# One pass over $W$ instead of a table of $N \times N$; `total` is the sum of the $w_i$.

# %%
ours = float(losses.BetweenSpeakerVariation()(W))

w = W / np.linalg.norm(W, axis=0)
pairs = w.T @ w  # cos(W_i, W_j)
by_hand = pairs.sum() - np.trace(pairs)  # i != j
closed_form = np.sum(w.sum(axis=1) ** 2) - N

assert np.isclose(ours, by_hand, atol=1e-5) and np.isclose(by_hand, closed_form)
print(f"ours {ours:.5f}, all pairs {by_hand:.5f}, closed form {closed_form:.5f}")

# %% [markdown]
# The closed form says something about the paper, too. A square is at least 0, so $L_{BC} \ge -N$,
# and the minimum is reached **whenever the unit bases sum to zero**. Evenly spread bases do. So
# do two opposite clusters, in which speakers are not apart at all:

# %%
angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
even = np.stack([np.cos(angles), np.sin(angles)])
clusters = np.stack([np.where(np.arange(8) < 4, 1.0, -1.0), 0.06 * (np.arange(8) % 4 - 1.5)])
alike = np.stack([np.ones(8), 0.06 * (np.arange(8) - 3.5)])


def l_bc(bases):
    return float(losses.BetweenSpeakerVariation()(bases.astype("float32")))


named = {"evenly spread": even, "two opposite clusters": clusters, "all alike": alike}
pictures.unit_bases({f"{name}: $L_{{BC}}$ = {l_bc(v):.1f}": v for name, v in named.items()})
assert np.isclose(l_bc(even), -8, atol=0.1) and np.isclose(l_bc(clusters), -8, atol=0.1)

# %% [markdown]
# (Black: the mean of the arrows.) $L_{BC}$ takes the best value for both, and only tells them from
# "all alike". **It centres the bases; it does not spread them.** `gradient` above shows why: all
# that $W_j$ gets to know of the others is `total`, the *same* for every speaker, whoever is near.
# Let us minimise $L_{BC}$ alone:

# %%
start = np.random.default_rng(5).normal((0.8, 0.5), 0.7, size=(8, 2)).T
w = start / np.linalg.norm(start, axis=0)
for _ in range(500):
    total = w.sum(axis=1, keepdims=True)
    w = w - 0.02 * (total - w * (w * total).sum(axis=0))  # the part along w changes no direction
    w = w / np.linalg.norm(w, axis=0)


def closest_pair(bases):
    between = cosines(bases.T, bases)
    return between[~np.eye(len(between), dtype=bool)].max()


titles = [f"$L_{{BC}}$ = {l_bc(v):.1f}, closest pair {closest_pair(v):.3f}" for v in (start, w)]
pictures.unit_bases({f"start: {titles[0]}": start, f"end: {titles[1]}": w})
assert l_bc(w) < -7.9 and closest_pair(w) > 0.95

# %% [markdown]
# Two of the eight (violet, on top of orange) happened to start in the same direction, and at the
# minimum they still share it.
#
# One more thing before we add $L_{BC}$ to $L_S$: **adding the same vector to all bases changes
# nothing for $L_S$** (every logit of an utterance grows by the same number), so $L_S$ lets $L_{BC}$
# have its way for free.

# %%
shift = random.normal(size=(dim, 1)).astype("float32")
before = float(softmax("sum")(y, e @ W))
after = float(softmax("sum")(y, e @ (W + 5 * shift)))
assert np.isclose(before, after, rtol=1e-3)
print(f"L_S {before:.4f} -> {after:.4f}, L_BC {l_bc(W):.2f} -> {l_bc(W + 5 * shift):.2f}")

# %%
toy_proposed1 = train_toy(
    toy_centers(),
    toy_bases(between_speaker=losses.BetweenSpeakerVariation(scale=5.0, reduction="mean")),
    loss=softmax(),
    callbacks=[CenterUpdate(alpha=0.5)],
)
pictures.plane(toy_proposed1, "$L_S + L_C + L_{BC}$, the paper's proposal 1")
for title, seen in (("L_S + L_C", toy_center), ("with L_BC", toy_proposed1)):
    bases = seen.bases[-1]
    print(f"{title}: L_BC of the bases {l_bc(bases):.2f}, closest pair {closest_pair(bases):.3f}")
assert l_bc(toy_proposed1.bases[-1]) < -7.5 and closest_pair(toy_proposed1.bases[-1]) > 0.8

# %% [markdown]
# **Hoped for:** larger distances between speakers. **Seen:** what the closed form promises, and no
# more: $L_{BC}$ reaches its minimum of $-8$, and whether two bases nearly coincide is none of its
# business: without it blue and grey did, with it brown and red do. (Dot products may tell such a
# pair apart by length; cosines could not.) With `TOY_SEED` from 0 to 7 we saw $L_{BC}$ between
# $-7.9$ and $-0.3$ without asking for it and below $-7.8$ with, the closest pair's cosine between
# 0.92 and 1.00 without and 0.85 and 1.00 with.

# %% [markdown]
# ### $L_H$: all-speaker hard negative mining (Eq. 10)
#
# $$L_H = \sum_{i} \sum_{W_h \in \mathcal{H}_i}
# \log\big(1 + \exp(\cos(W_h, e_i) - \cos(W_{y_i}, e_i))\big)$$
#
# $\mathcal{H}_i$ are the $H$ bases with the largest $\cos(W_h, e_i)$, $h \ne y_i$. Here is the use
# of bases: the most similar among *all* training speakers are found by one matrix product,
# although they are not in the mini-batch.

# %%
from speaker_bases.losses.mining import hardest_negatives

show(losses.hard_negative_mining, hardest_negatives)

# %% [markdown]
# (`_target_then_negatives` looks up the cosines of the right speaker and of those that
# `hardest_negatives` names.)

# %%
H = 2
ours = float(losses.HardNegativeMining(num_negatives=H)(y, cosine_bases(e)))

cos = cosines(e, W)
others = np.where(np.arange(N) == y[:, None], -np.inf, cos)
hardest = np.sort(others, axis=1)[:, -H:]
by_hand = np.log(1 + np.exp(hardest - cos[i, y][:, None])).sum()

assert np.isclose(ours, by_hand)
print(f"ours {ours:.5f}, by hand {by_hand:.5f}")

# %% [markdown]
# The paper's proposal 2 is $L_H + L_{BC}$. Like the authors' later code we multiply the cosines
# by a scale of 5.

# %%
toy_proposed2 = train_toy(
    toy_bases(
        similarity="cosine",
        between_speaker=losses.BetweenSpeakerVariation(scale=5.0, reduction="mean"),
    ),
    loss=losses.HardNegativeMining(num_negatives=2, scale=5.0, reduction="mean"),
)
pictures.circle(toy_proposed2, "$L_H + L_{BC}$, the paper's proposal 2")

# %% [markdown]
# Which speakers were mined? Row: who speaks. Column: whose basis was among the $H = 2$ hardest.


# %%
def mined(seen, epoch, num_negatives=2):
    """Whose bases are mined for each utterance, as a table of 0 and 1."""
    cos = cosines(seen.embeddings[epoch], seen.bases[epoch])
    cos[np.arange(len(cos)), toy_y] = -np.inf
    smallest = np.sort(cos, axis=1)[:, -num_negatives, None]
    return cos >= smallest


def by_speaker(table):
    """The same in shares of each speaker's utterances, speakers in their final order."""
    last = toy_proposed2.bases[-1]
    order = np.argsort(np.arctan2(last[1], last[0]))
    shares = np.stack([table[toy_y == k].mean(axis=0) for k in order])
    return shares[:, order]


moments = {"before training": 0, "after 5 epochs": 5, "after training": 40}
tables = {title: by_speaker(mined(toy_proposed2, epoch)) for title, epoch in moments.items()}
pictures.matrices(tables, "mined speaker", "speaker of the utterance")

# %% [markdown]
# (Dark: for all of the speaker's utterances. Speakers are numbered around the final circle.) At
# first whoever is near by chance is mined. In the end it is mostly the two **neighbours on the
# circle**, beside the diagonal and, as 7 and 0 are neighbours, in the corners: the list of hard
# negatives has become a map of who resembles whom. It changes much at first, and hardly at the end:

# %%
epochs = range(1, 41)
tables = [mined(toy_proposed2, epoch) for epoch in range(41)]
new = [100 * (tables[t] & ~tables[t - 1]).sum() / tables[t].sum() for t in epochs]
figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
axes.plot(epochs, new, ".-")
axes.set(xlabel="epoch", ylabel="%", ylim=(0, None))
axes.set_title("Negatives that were not mined an epoch before", fontsize="medium")
plt.show()

last = by_speaker(tables[-1])
neighbours = (np.eye(8, k=1) + np.eye(8, k=-1) + np.eye(8, k=7) + np.eye(8, k=-7)).astype(bool)
share = last[neighbours].sum() / last.sum()
print(f"{100 * share:.0f} % of the mined speakers are neighbours on the circle")
assert share > 0.7 and np.mean(new[:5]) > np.mean(new[-5:])

# %% [markdown]
# **Hoped for:** effort goes where confusion is. **Seen:** it does, and it adapts. Note what the
# paper's own numbers make of $H$: 100 of 1,211 speakers, so the list is a twelfth of everybody.

# %% [markdown]
# ## 3. Training for a moment
#
# Now speech. To stay within a minute a system we take a network with the paper's widths but one
# block a row instead of 3, 4, 6 and 3, and a first stride of 2 x 2; crops of 80 frames; 120
# steps. Three systems: $L_S + L_C$, and the paper's two proposals.

# %%
from speaker_bases.losses import BetweenSpeakerVariation, HardNegativeMining
from speaker_bases.train.crops import CropStream
from speaker_bases.train.data import TrainingData
from speaker_bases.train.samplers import ShuffledUtterances

SMALL = ResNetTable(
    conv1_filters=16,
    conv1_strides=(2, 2),
    stage_filters=(16, 32, 64, 128),
    stage_blocks=(1, 1, 1, 1),
    stage_strides=((1, 1), (2, 2), (2, 2), (2, 2)),
    dense_units=None,
)
train_data = TrainingData(DATA / "train")
NUM_SPEAKERS = len(train_data.speakers)
batches = ShuffledUtterances(train_data.labels, batch_size=48, crops_per_utterance=1, seed=0)
print(f"{NUM_SPEAKERS} training speakers, {len(train_data.utterances)} utterances")


# %%
def between_speaker():
    return BetweenSpeakerVariation(scale=5.0, reduction="mean")


def hard_negatives():
    return HardNegativeMining(num_negatives=20, scale=5.0, reduction="mean")


def dot_bases(**options):
    return SpeakerBases(NUM_SPEAKERS, name="bases", **options)


def cosine_bases(**options):
    decay = keras.regularizers.L2(1e-4)
    return dot_bases(similarity="cosine", bases_regularizer=decay, **options)


def centers():
    return CenterLoss(NUM_SPEAKERS, weight=0.001, name="center")


SYSTEMS = {  # layers behind the backbone; loss on their output
    "center": lambda: ([centers(), dot_bases()], softmax()),
    "proposed1": lambda: ([centers(), dot_bases(between_speaker=between_speaker())], softmax()),
    "proposed2": lambda: ([cosine_bases(between_speaker=between_speaker())], hard_negatives()),
}


# %% [markdown]
# A system is ordinary Keras: `Input`, backbone, layers, `compile`, `fit`.


# %%
def train(name, epochs=12, seed=0):
    keras.utils.set_random_seed(seed)
    heads, loss = SYSTEMS[name]()
    features = keras.Input((None, 64), name="features")
    speakers = keras.Input((), dtype="int32", name="speakers")
    output = resnet34(SMALL, bn_momentum=0.8)(features)
    for head in heads:
        output = head(output, speakers)
    model = keras.Model([features, speakers], output)
    model.compile(keras.optimizers.Adam(0.003), loss)

    known = (train_data.reader, train_data.utterances, train_data.labels, train_data.num_frames)
    crops = CropStream(*known, batches, 80, seed)
    callbacks = [CenterUpdate(alpha=0.5)] if name != "proposed2" else []
    history = model.fit(
        crops, steps_per_epoch=10, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks
    )
    return model, history.history


models, histories = {}, {}
for name in SYSTEMS:
    models[name], histories[name] = train(name)
    first_loss, *_, last_loss = histories[name]["loss"]
    print(f"{name}: loss {first_loss:.2f} -> {last_loss:.2f}")
    assert last_loss < first_loss

# %%
figure, panels = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
for axes, (name, history) in zip(panels, histories.items(), strict=True):
    for metric, by_epoch in history.items():
        axes.plot(by_epoch, label=metric)
    axes.set_title(name, fontsize="medium")
    axes.set_xlabel("epoch of 10 steps")
    axes.legend(fontsize="small")
plt.show()

# %% [markdown]
# (Losses of different systems cannot be compared: they measure different things.)
#
# ### Embeddings and scores
#
# What follows are stages 3 and 4 of `run.sh`, on a folder laid out as `exp` is. Speakers of the
# test set were not trained on: the bases are of no use now, only the backbone is.

# %%
from speaker_bases.evaluate import baseline
from speaker_bases.evaluate.embed import embed
from speaker_bases.evaluate.score import score
from speaker_bases.kaldi_feats.kinds.record import feature_settings
from speaker_bases.run_dir import RunDir

LOSSES = {"center": "L_S + L_C", "proposed1": "L_S + L_C + L_BC", "proposed2": "L_H + L_BC"}
EXP = Path(tempfile.mkdtemp(prefix="walkthrough-"))
systems = {}
for name, model in models.items():
    systems[name] = system = RunDir(EXP / name / "seed0")
    config = {"system": name, "loss": LOSSES[name], "title": name, "corpus": "synthetic", "seed": 0}
    system.write_config(config | {"features": feature_settings(DATA / "train")})
    system.write_speakers(train_data.speakers)
    model.save(system.model)
    model.get_layer("backbone").save(system.embedder)

# %%
logging.getLogger().setLevel(logging.WARNING)
for system in systems.values():
    embed(system, DATA / "train")
    embed(system, DATA / "test")
run(baseline, "--exp", EXP, "--data-dir", DATA / "test")
systems["baseline"] = RunDir(EXP / "baseline/seed0")
for system in systems.values():
    score(system, DATA / "test")
scores = system.scores("synthetic").read_text()
print("enrolment, test, score:", *scores.split("\n")[:3], sep="\n")

# %% [markdown]
# The baseline has no network: it compares mean and deviation of the features.
#
# ### The equal error rate, by hand
#
# A threshold on the score turns it into yes or no. Too low, and impostors get in (false alarms);
# too high, and the right speakers stay out (misses). Where both rates are equal lies the **equal
# error rate**. Ten trials, four of them of the same speaker:

# %%
scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1])
is_target = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0], bool)

table = "| accept from | misses of 4 | false alarms of 6 |\n|---|---|---|\n"
for threshold in scores[1:6]:
    misses = np.sum(is_target & (scores < threshold))
    false_alarms = np.sum(~is_target & (scores >= threshold))
    table += f"| {threshold} | {misses}/4 | {false_alarms}/6 |\n"
display(Markdown(table))

# %% [markdown]
# From 0.6 on, misses are 1/4 and false alarms 1/6; from 0.5 on, 1/4 and 2/6. Somewhere between,
# the false alarms pass 1/4: draw a straight line between the two points, and the EER is **25 %**.

# %%
from speaker_bases.error_rates import det_curve, eer

by_hand = 1 / 4
assert np.isclose(eer(scores, is_target), by_hand)

curve = det_curve(scores, is_target)
figure, axes = plt.subplots(figsize=(3.6, 3.4), layout="constrained")
axes.plot(100 * curve.false_alarm, 100 * curve.miss, ".-")
axes.plot([0, 100], [0, 100], color="0.8")
axes.scatter(25, 25, s=80, color="C3", zorder=3, label="EER 25 %")
axes.set(xlabel="false alarms, %", ylabel="misses, %", aspect="equal")
axes.legend()
plt.show()

# %% [markdown]
# ### Our systems
#
# The same on all pairs of the test set's utterances. The DET curve is that plot with the axes
# stretched so that normal distributions give straight lines.

# %%
from speaker_bases.evaluate.reporting import plots
from speaker_bases.evaluate.reporting.results import collect

results = collect(EXP, DATA / "test", "synthetic").results
for result in results:
    row = result.row
    print(f"{row['system']:10} EER {row['eer_percent']:5.2f} % "
          f"({row['eer_low']:.2f} to {row['eer_high']:.2f})")  # fmt: skip
plots.det(results, EXP / "det.png")
display(Image(EXP / "det.png", width=480))

# %%
rates = {result.row["system"]: result.row["eer_percent"] for result in results}
assert all(rates[name] < rates["baseline"] for name in SYSTEMS)

# %% [markdown]
# Every network beats the statistics after 120 steps. **Which of the three is best this does not
# tell**: in brackets stands the 95 % interval over the choice of test speakers, and the intervals
# overlap. Nor do synthetic voices say anything of real ones. The paper's Table 2, on VoxCeleb1, has
# 6.55, 5.96 and 5.55 %.

# %% [markdown]
# ## 4. Figures 1 and 2 of the paper
#
# If `./run.sh` has trained a system in full, it is used here instead of ours of a moment.

# %%
from speaker_bases.evaluate import figures
from speaker_bases.evaluate.speaker_space import impostor_cosines, load_bases
from speaker_bases.evaluate.training_set import read_training_set


def best(name):
    full = RunDir(Path("exp") / name / "seed0")
    use_full = was_run and full.embeddings("train").exists()
    return full if use_full else systems[name]


def draw(figure, *arguments):
    run(figures, figure, "--data-dir", DATA / "train", "--out", EXP / f"{figure}.png", *arguments)
    display(Image(EXP / f"{figure}.png", width=520))


draw("speakers", "--run", best("proposed2").path)

# %% [markdown]
# **Figure 1:** a t-SNE map of five *training* speakers under $L_H + L_{BC}$ (those with the most
# utterances; the paper's five are chosen at random). Dots are utterances, triangles their means,
# crosses the bases. The paper says that a basis lies with its speaker, and so it does here. But
# t-SNE is only a drawing, so we also ask the numbers: which speaker's mean is nearest to a basis?

# %%
space = read_training_set(best("proposed2"), DATA / "train")
between = cosines(load_bases(best("proposed2")), space.means().T)
own = np.diag(between).mean()
others = between[~np.eye(len(between), dtype=bool)].mean()
found = np.mean(between.argmax(axis=1) == np.arange(len(between)))
print(f"cosine of a basis with its speaker's mean {own:.2f}, with others' {others:.2f}; "
      f"the nearest mean is its own for {100 * found:.0f} % of the speakers")  # fmt: skip
assert own > others and found > 0.9

# %%
draw("impostors", "--runs", best("center").path, best("proposed1").path)

# %% [markdown]
# **Figure 2:** cosines between the mean embeddings of different training speakers, without and
# with $L_{BC}$. In the paper $L_{BC}$ moves them down. And here?

# %%
for name in SYSTEMS:
    system = best(name)
    means = read_training_set(system, DATA / "train").means()
    bases = load_bases(system).T
    of_bases = l_bc(bases) / (NUM_SPEAKERS * (NUM_SPEAKERS - 1))
    print(f"{name:10} mean cosine of the bases {of_bases:+.4f}, "
          f"of the mean embeddings {impostor_cosines(means).mean():+.3f}")  # fmt: skip
    assert of_bases > -1.01 / (NUM_SPEAKERS - 1)
print(f"the least there can be for bases: {-1 / (NUM_SPEAKERS - 1):+.4f}")

# %% [markdown]
# Two things to take from these numbers. The *bases* get what they were asked for: with $L_{BC}$
# their mean cosine is near the least there can be, $-1/(N-1)$, which for many speakers is almost
# nothing below 0. And centred bases need not mean centred *embeddings*: add one vector $v$ to all
# embeddings, and every logit changes by $W_j \cdot v$, which the bias $b_j$ of Eq. 1 can take back;
# and a $v$ at right angles to all bases (128 dimensions leave room beside 60) no logit sees at all.
# In our moment of training the two histograms lie nearly on each other; look at what a full
# `./run.sh --systems "center proposed1 proposed2"` makes of it. (The authors' later code has no
# bias.)

# %% [markdown]
# ## 5. Exercises
#
# 1. **Margin.** Train the toy with `AdditiveMarginSoftmax(margin=0)` and `margin=0.7`. Does
#    `own_cosine` rise without end? *Hint: how wide is the gap between eight neighbours on a
#    circle? What would a margin wider than that ask for?*
# 2. **H.** Draw the matrices of mined speakers for `num_negatives=1` and `7`. With 7, which part
#    of "hard negative mining" is left? *Hint: there are $N - 1 = 7$ other speakers.*
# 3. **H and the gradient.** With `reduction="sum"` and `"mean"`, how does the loss grow with H?
#    Which of the two lets you keep the learning rate? *Hint: Adam divides by the gradient's size,
#    but what of the weight decay beside it?*
# 4. **Alpha.** Repeat the twelve steps of Eq. 3 with `CenterUpdate(alpha=1)`. Does a centre reach
#    the mean? *Hint: how far does a step go for a speaker with one utterance? With ten?*
# 5. **Scale.** Set `scale=1` in `HardNegativeMining`, as Eq. 10 is printed. What is the smallest
#    value that a term can take? *Hint: $\log(1 + e^{-2})$; compare with scale 5.*
# 6. **Spread.** Invent a loss on the bases that *does* tell even from clustered. *Hint: the square
#    of every cosine; can you still compute it without the $N \times N$ table? Think of
#    $\lVert w w^T \rVert^2$.*
# 7. **Bias.** Give `dot_bases` the option `use_bias=False` and draw Figure 2 again. *Hint: who
#    takes $W_j \cdot v$ back now?*
# 8. **Honesty.** Train `center` and `proposed1` with seeds 1 and 2. Is the difference between
#    systems larger than between seeds?

# %% [markdown]
# ## Where to read on
#
# | what | file | class or function |
# |---|---|---|
# | $W$ | `losses/speaker_bases.py` | `SpeakerBases` |
# | $L_C$, Eq. 2-3 | `losses/center_loss.py`, `center_update.py` | `CenterLoss`, `CenterUpdate` |
# | $L_{AMS}$, Eq. 4-5 | `losses/additive_margin_softmax.py` | `AdditiveMarginSoftmax` |
# | $L_G$, Eq. 6-8 | `losses/ge2e.py` | `GE2E` |
# | $L_{BC}$, Eq. 9 | `losses/between_speaker_variation.py` | `BetweenSpeakerVariation` |
# | $L_H$, Eq. 10 | `losses/hard_negative_mining.py` | `HardNegativeMining` |
# | mining among many speakers | `losses/mining.py` | `hardest_negatives` |
# | Tables 1 and 3 | `models/resnet.py` | `resnet34`, `NETWORKS` |
# | a row of Table 2 | `conf/systems/proposed2.yaml` | |
# | that row as a Keras model | `train/systems.py` | `build_model` |
# | crops | `train/crops.py` | `CropStream` |
# | EER, DET curve | `speaker_bases/error_rates.py` | `eer`, `det_curve` |
# | Figures 1 and 2 | `evaluate/figures.py` | `draw_speakers`, `draw_impostors` |
# | all stages | `run.sh` | |
#
# One of these losses in a model of your own: `notebooks/use_one_loss.ipynb`.
