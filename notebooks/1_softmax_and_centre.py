# %% [markdown]
# # 1. Softmax and centre
#
# The first two systems of the paper's Table 2: a softmax, and a softmax with a centre loss. On the
# way we see which of Keras's four places a loss can live in, and why.
#
# **Goals.** You can say what a Loss, a Layer, a regulariser and a callback get to see, and when.
# You can write $L_S$, $L_C$ and the update of the centres in a few lines each, and know what the
# softmax already does about hard negatives.
#
# **Time.** An hour and a half to read and try; the cells run in under 90 seconds on two cores.
#
# **You need.** Chapter 0, and the chain rule.

# %%
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
# ## Where a loss lives in Keras
#
# | in Keras | it is given | when | in the paper |
# |---|---|---|---|
# | a `Loss` | labels and outputs of one batch | each step, after the forward pass | $L_S$, $L_{AMS}$, $L_H$ |
# | a `Layer` with `add_loss` | its inputs, its own variables, `training` | each step, in the forward pass | $L_C$, $L_G$ |
# | a regulariser | one matrix of weights, no data | each step, after the forward pass | $L_{BC}$, weight decay |
# | a callback | the model, and numbers for the logs; no tensors | between steps and epochs, in Python | $\alpha$ of Eq. 3 |
#
# A `Loss` is the simplest, and has no variables that Keras would train or save. So what needs
# variables of its own (centres, a score's weight and bias) is a layer. What needs no data at all
# is a regulariser. And what changes with the *phase* of training, not with the batch, is a
# callback's. Four spies in one small model show what each gets to see:

# %%
seen = []


class SpyLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        seen.append(("Loss", f"labels {tuple(y_true.shape)}, outputs {tuple(y_pred.shape)}"))
        return ops.mean(y_pred, axis=-1)


class SpyLayer(keras.layers.Layer):
    def call(self, embeddings, speakers, training=None):
        shapes = f"embeddings {tuple(embeddings.shape)}, speakers {tuple(speakers.shape)}"
        seen.append(("Layer", f"{shapes}, training={training}"))
        self.add_loss(0.0 * ops.sum(embeddings))
        return embeddings


class SpyRegularizer(keras.regularizers.Regularizer):
    def __call__(self, kernel):
        seen.append(("regulariser", f"a matrix {tuple(kernel.shape)}"))
        return 0.0 * ops.sum(kernel)


class SpyCallback(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        seen.append(("callback", f"batch {batch} is over, {', '.join(logs)}"))

    def on_epoch_end(self, epoch, logs=None):
        seen.append(("callback", f"epoch {epoch} is over, {', '.join(logs)}"))


features, names = keras.Input((16,)), keras.Input((), dtype="int32")
embeddings = SpyLayer()(keras.layers.Dense(2)(features), names)
output = keras.layers.Dense(8, kernel_regularizer=SpyRegularizer())(embeddings)
spied = keras.Model([features, names], output)
spied.compile("sgd", SpyLoss(), run_eagerly=True)  # eagerly: Python sees every step

seen.clear()
two_batches = [toy.x[:160], toy.y[:160]]
spied.fit(two_batches, toy.y[:160], batch_size=80, verbose=0, callbacks=[SpyCallback()])
order = [who for who, _ in seen]
assert order == ["Layer", "Loss", "regulariser", "callback"] * 2 + ["callback"]

# %% say
lines = "\n".join(f"| {who} | {what} |" for who, what in seen)
say(f"One epoch of two batches of 80:\n\n| who | sees |\n|---|---|\n{lines}")

# %% [markdown]
# ## $L_S$: softmax (Eq. 1)
#
# $$L_S = -\sum_{i=1}^{M} \log
# \frac{\exp(W_{y_i} \cdot e_i + b_{y_i})}{\sum_{j=1}^{N} \exp(W_j \cdot e_i + b_j)}$$
#
# | paper | here |
# |---|---|
# | embedding $e_i$ of utterance $i$, of $M$ in the mini-batch | `e`, row $i$ |
# | its speaker $y_i$, of $N$ | `y` |
# | basis $W_j$ of speaker $j$ | `W`, **column** $j$ |
#
# The ordinary classifier: of all $N$ logits the right one shall be the largest. The paper's idea is
# to read its weight matrix: column $W_j$ is a learned picture of speaker $j$, the speaker's
# **basis**. To hold each loss against its equation we take six embeddings of three speakers, two
# each, and five bases.

# %%
M, N, dim = 6, 5, 4
random = np.random.default_rng(0)
e = random.normal(size=(M, dim)).astype("float32")
W = random.normal(size=(dim, N)).astype("float32")
b = np.zeros(N, "float32")  # a new layer's bias
y = np.array([0, 0, 1, 1, 2, 2])


def softmax_loss(speakers, logits):
    own = ops.take_along_axis(logits, speakers[:, None], axis=1)[:, 0]
    return ops.sum(ops.logsumexp(logits, axis=1) - own)


by_hand = float(softmax_loss(y, e @ W + b))

# %% [markdown]
# Keras has this loss, so the library adds none; it has the layer that owns $W$.

# %%
layer = losses.SpeakerBases(N)
layer.build((M, dim))
layer.bases.assign(W)


def softmax(reduction="sum_over_batch_size"):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)


of_library = float(softmax("sum")(y, layer(e)))
assert np.isclose(by_hand, of_library)
print(f"by hand {by_hand:.5f}, library {of_library:.5f}")

# %% [markdown]
# `SpeakerBases` is a `Dense` layer that also knows cosines (chapter 2), negatives (chapter 3) and
# $L_{BC}$ (chapter 4). It computes in float32 even where the rest of the model uses half precision:
# among a thousand logits, half precision may not tell the largest two apart.
#
# ### What the gradient does: soft mining
#
# Write $p_{ij}$ for the softmax's probability of speaker $j$. Then
#
# $$\frac{\partial L_S}{\partial W_j} = \sum_i \big(p_{ij} - 1(y_i = j)\big)\, e_i, \qquad
# -\frac{\partial L_S}{\partial e_i} = W_{y_i} - \sum_j p_{ij} W_j .$$
#
# An utterance pulls its own basis with a force of $1 - p_{i y_i}$ and pushes **every other basis**
# with a force of $p_{ij}$, the speakers who are absent from the batch included.

# %%
p = np.exp(e @ W + b)
p /= p.sum(axis=1, keepdims=True)
is_own = np.eye(N)[y]
with tf.GradientTape() as tape:
    W_now = tf.Variable(W)
    loss = softmax_loss(y, ops.matmul(e, W_now) + b)
gradient = tape.gradient(loss, W_now).numpy()
np.testing.assert_allclose(gradient, e.T @ (p - is_own), atol=1e-5)
assert np.all(np.linalg.norm(gradient, axis=0) > 0.01)  # speakers 3 and 4 are not in the batch

# %% say
lengths = ", ".join(f"{length:.2f}" for length in np.linalg.norm(gradient, axis=0))
say(f"""
The five columns of the gradient have lengths {lengths}, and the last two belong to speakers who
are not in the batch. **All speakers are in every step of a softmax**, and the nearest count most:
it is mining already, of a soft kind. What $L_H$ changes is how sharply it looks at the nearest.
""")

# %% [markdown]
# How soft? That depends on how large the logits are. Take the second utterance, and multiply its
# logits by a scale $s$:

# %%
logits = (e @ W)[1]
others = np.arange(N) != y[1]
shares = {}
for s in (0.1, 1.0, 10.0):
    push = np.exp(s * logits[others])
    shares[s] = np.sort(push / push.sum())[::-1]
assert shares[0.1][0] < 0.3 and shares[10.0][0] > 0.95

figure, axes = plt.subplots(figsize=(5.5, 2.8), layout="constrained")
for k, (s, share) in enumerate(shares.items()):
    axes.bar(np.arange(4) + 0.27 * (k - 1), 100 * share, width=0.25, label=f"logits times {s:g}")
axes.set(xlabel="the other speakers, hardest first", ylabel="share of the push, %")
axes.set_xticks(range(4), ["1st", "2nd", "3rd", "4th"])
axes.legend()
pictures.show(
    figure,
    alt="Shares of the push on four other speakers. With small logits all get about a quarter; "
    f"with logits ten times as large the hardest gets {100 * shares[10.0][0]:.0f} percent.",
)

# %% [markdown]
# With small logits the push is spread evenly, with large ones the hardest negative gets all of it.
# Chapter 3 measures this among 1,211 speakers, as many as the paper trains on.
#
# ### A toy on a plane
#
# To *see* a loss we train a tiny network on eight made-up speakers, 30 utterances each, whose
# embeddings have two dimensions. The model is an ordinary Keras model:

# %%
show(toy.train, toy._build)

# %%
only_softmax = toy.train(lambda: [toy.bases()], loss=softmax(), seeds=SEEDS)
pictures.plane(
    only_softmax[1],
    "$L_S$: dots are utterances, crosses the directions of the bases",
    alt="Eight clouds of utterances. Before training they overlap; after it each points in a "
    "direction of its own, like the petals of a flower, with its numbered basis nearby.",
)

# %% [markdown]
# (Each panel has its own scale.) **Hoped for:** each speaker in a direction of its own. **Seen:**
# by and large. (A cloud need not lie on the line to its cross: the length of a basis and its bias
# count as well.) And the clouds get tighter. An utterance is named rightly as soon as its own logit is
# the largest, but the loss does not stop there: the pull on its own basis is $1 - p$, and $p$ never
# reaches 1. Cross-entropy never stops pulling.

# %%
moments = (0, 5, 10, 20, 40)
tightness = np.array(
    [[toy.tightness(run, epoch) for epoch in moments] for run in only_softmax.values()]
)
assert np.all(np.diff(tightness, axis=1) < 0)  # for every seed, from each moment to the next

figure, axes = plt.subplots(figsize=(5.5, 2.8), layout="constrained")
for seed, run in only_softmax.items():
    axes.plot([toy.tightness(run, epoch) for epoch in range(41)], label=f"seed {seed}")
axes.set(xlabel="epoch", ylabel="tightness", ylim=(0, None))
axes.legend()
pictures.show(
    figure,
    alt="The distance of utterances to their own mean, as a share of that to the mean of all, "
    f"falls from about {tightness[:, 0].mean():.2f} to {tightness[:, -1].mean():.2f} in 40 epochs.",
)

# %% say
row = ", ".join(f"{value:.2f}" for value in tightness.mean(axis=0))
say(f"""
`toy.tightness` is an utterance's mean distance to its speaker's mean, as a share of that to the
mean of all. At epochs {", ".join(map(str, moments))} it is **{row}** (means of {len(SEEDS)} seeds).
""")

# %% [markdown]
# ## $L_C$: centre loss (Eq. 2)
#
# $$L_C = \frac{\lambda}{2} \sum_{i=1}^{M} \lVert e_i - c_{y_i} \rVert^2$$
#
# Used beside $L_S$. Each speaker has a centre $c_k$, and embeddings are pulled towards their own.
# The loss alone is three lines:


# %%
def centre_loss(e, y, c, weight):
    away = e - ops.stop_gradient(ops.take(c, y, axis=0))
    return weight / 2 * ops.sum(away**2)


# %% [markdown]
# It needs the embeddings, which a `Loss` does not get, and the centres, which are variables. So it
# lives in a layer. Here is the whole of it, with the update of the centres that comes next:


# %%
class SmallCentreLoss(keras.layers.Layer):
    def __init__(self, num_speakers, weight, **kwargs):
        super().__init__(**kwargs)
        self.num_speakers, self.weight = num_speakers, weight
        self.alpha = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def build(self, e_shape, y_shape):
        shape = (self.num_speakers, e_shape[-1])
        self.c = self.add_weight(shape=shape, initializer="zeros", trainable=False)

    def call(self, e, y, training=None):
        self.add_loss(centre_loss(e, y, self.c, self.weight))
        if training:
            self.c.assign(moved_centres(self.c, e, y, self.alpha))
        return e


# %% [markdown]
# ### How the centres move (Eq. 3)
#
# $$\Delta c_k = \frac{\sum_i 1(y_i = k)\,(c_k - e_i)}{1 + \sum_i 1(y_i = k)}, \qquad
# c_k \leftarrow c_k - \alpha \Delta c_k$$
#
# No gradient trains the centres: in every mini-batch each moves a little towards its own speaker's
# embeddings. The 1 in the denominator keeps a speaker who is not in the batch from a division by
# zero, and lets many utterances count for more than one.


# %%
def moved_centres(c, e, y, alpha):
    is_own = ops.one_hot(y, c.shape[0], axis=0)  # (speakers, utterances)
    count = ops.sum(is_own, axis=1, keepdims=True)
    delta = (count * c - ops.matmul(is_own, e)) / (1 + count)
    return c - alpha * delta


# %% [markdown]
# Of a speaker with $n$ utterances in the batch, the centre goes $\alpha\, n / (1 + n)$ of the way
# to their mean. Twelve steps with $\alpha$ = 0.5, as in the paper, for three speakers whose centres
# begin at the origin. Speaker 0 has two utterances in the batch, speaker 1 has one, and speaker 2
# none.

# %%
points = np.array([[2, 0], [2, 2], [-1, 1]], "float32")
who = np.array([0, 0, 1], "int32")
trail = [np.zeros((3, 2), "float32")]
for _ in range(12):
    trail.append(np.asarray(moved_centres(trail[-1], points, who, 0.5)))
trail = np.array(trail)
target = {0: points[:2].mean(axis=0), 1: points[2]}
for k, share in ((0, 0.5 * 2 / 3), (1, 0.5 * 1 / 2)):
    np.testing.assert_allclose(trail[1, k], share * target[k], rtol=1e-5)
assert not trail[:, 2].any()

figure, axes = plt.subplots(figsize=(5.5, 2.9), layout="constrained")
for k in (0, 1):
    axes.scatter(*points[who == k].T, color=pictures.COLOURS[2 * k + 1], s=60)
    axes.plot(*trail[:, k].T, "^-", color=pictures.COLOURS[2 * k + 1], linewidth=0.8)
    axes.annotate(f"speaker {k}", target[k], xytext=(8, 4), textcoords="offset points")
axes.annotate("speaker 2 stays", (0, 0), xytext=(6, -14), textcoords="offset points")
axes.set(
    aspect="equal",
    xlabel="first dimension",
    ylabel="second dimension",
    xlim=(-2, 4),
    ylim=(-0.5, 2.3),
)
pictures.show(
    figure,
    alt="Dots are embeddings, triangles the centres after each step. Both centres run from the "
    "origin to the mean of their own speaker's embeddings, in steps that get shorter.",
)

# %% [markdown]
# ### Who sets $\alpha$: the callback
#
# The layer can move the centres, but it does not know when training begins and when it is over, and
# the centres of a trained model must stay where they are, whoever calls it. `fit` knows its own
# beginning and end, and tells callbacks:


# %%
class SmallCentreUpdate(keras.callbacks.Callback):
    def __init__(self, layer, alpha):
        super().__init__()
        self.layer, self.alpha = layer, alpha

    def on_train_begin(self, logs=None):
        self.layer.alpha.assign(self.alpha)

    def on_train_end(self, logs=None):
        self.layer.alpha.assign(0.0)


# %% [markdown]
# All of it beside the library's `CenterLoss` and `CenterUpdate`. The embeddings are held fixed
# here: they *are* the input.


# %%
def centres_after(layer, callback, steps=12):
    e_in, y_in = keras.Input((2,)), keras.Input((), dtype="int32")
    model = keras.Model([e_in, y_in], losses.SpeakerBases(3)(layer(e_in, y_in)))
    model.compile("sgd", softmax())
    model.fit([points, who], who, epochs=steps, verbose=0, callbacks=[callback])
    assert float(layer.alpha) == 0
    model([points, who], training=True)  # nothing moves now
    return np.array(layer.c if isinstance(layer, SmallCentreLoss) else layer.centers)


small = SmallCentreLoss(3, weight=0.001)
centres_by_hand = centres_after(small, SmallCentreUpdate(small, 0.5))
library_layer = losses.CenterLoss(3, weight=0.001, centers_initializer="zeros")
centres_of_library = centres_after(library_layer, losses.CenterUpdate(0.5))
np.testing.assert_allclose(centres_by_hand, trail[-1], atol=1e-6)
np.testing.assert_allclose(centres_of_library, trail[-1], atol=1e-6)

# %% [markdown]
# ### What the library adds, and why
#
# | it adds | because |
# |---|---|
# | single rows are read and written, no table of speakers times utterances | with a million speakers such a table is all the memory there is |
# | a label that is no speaker's makes the loss NaN | most devices read *some* row instead, and train on |
# | float32, also under mixed precision | half precision knows no 1211: labels and small steps get lost |
# | the callback finds the layers by itself, and sets $\alpha$ anew at each epoch | another callback that loads weights would take it back |
# | a metric `center` | a loss that a layer adds is seen in the logs only as part of the total |
#
# The update is the place to look at, since it does without the table: every utterance moves its own
# centre by its share, so that repetitions add up.

# %%
show(losses.CenterLoss._update_centers, losses.CenterUpdate)

# %%
checked = losses.CenterLoss(N)
checked(e, np.array([0, 0, 1, 1, 2, N]))  # N counts from 1
loss_of_wrong_label = float(checked.losses[0])
labels = ops.convert_to_tensor([1211.0])
rounded = int(ops.cast(ops.cast(labels, "bfloat16"), "int32")[0])
assert np.isnan(loss_of_wrong_label) and rounded == 1208
print(f"a wrong label: loss {loss_of_wrong_label}; speaker 1211 in bfloat16: {rounded}")

# %% [markdown]
# ### The toy again
#
# With a $\lambda$ that suits its size:

# %%
with_centres = toy.train(
    lambda: [toy.centers(), toy.bases()],
    loss=softmax(),
    callbacks=[losses.CenterUpdate(alpha=0.5)],
    seeds=SEEDS,
)
pictures.plane(
    with_centres[1],
    "$L_S + L_C$: triangles are the centres",
    alt="The same eight speakers. After training each is a tight lump around its own centre, a "
    "triangle, in a direction of its own.",
)

# %%
ends = {
    name: np.array([toy.tightness(run) for run in runs.values()])
    for name, runs in (("L_S", only_softmax), ("L_S + L_C", with_centres))
}
assert np.all(ends["L_S + L_C"] < 0.8 * ends["L_S"])  # for every seed

# %% say
say(f"""
**Hoped for:** clouds become lumps. **Seen:** they do, for each of {len(SEEDS)} seeds: the tightness
is {ends["L_S"].mean():.2f} with $L_S$ and **{ends["L_S + L_C"].mean():.2f}** with $L_C$ too. So
$L_S$ pulls speakers together, and $L_C$ pulls harder. What $L_C$ does not ask for is distance
*between* speakers: that is left to $L_S$.
""")

# %% [markdown]
# ## In three lines
#
# - What a loss has to see decides where it lives: outputs (Loss), embeddings and variables of its
#   own (Layer), weights alone (regulariser), the phase of training (callback).
# - $L_S$ touches every speaker's basis in every step, the nearest most: it is soft mining.
# - $L_C$ pulls utterances to centres that no gradient trains: Eq. 3 moves them, and a callback says
#   when.

# %% [markdown]
# ## Exercises
#
# ### Warm-up
#
# A speaker has four utterances in the batch, and $\alpha$ = 1, not 0.5 as in the paper. Which share
# of the way to their mean does the speaker's centre go?

# %%
# <solution>
share_of_the_way = 4 / 5
# <blank>
# share_of_the_way = ...
# </solution>

check.share_of_the_way(share_of_the_way)

# %% [markdown]
# ### Code
#
# $L_C$ with `keras.ops`: embeddings `e` (utterances, dim), speakers `y`, centres `c` (speakers,
# dim), and `weight`, the paper's $\lambda$. No gradient may reach the centres.


# %%
def center_loss(e, y, c, weight):
    # <solution>
    away = e - ops.stop_gradient(ops.take(c, y, axis=0))
    return weight / 2 * ops.sum(away**2)
    # <blank>
    # ...
    # </solution>


check.center_loss(center_loss)

# %% [markdown]
# And the gradient of $L_S$ for $W$, in NumPy, without a tape: `e` (utterances, dim), `y`, `W` (dim,
# speakers), no bias. Return an array of the shape of `W`.


# %%
def softmax_gradient(e, y, W):
    # <solution>
    p = np.exp(e @ W)
    p /= p.sum(axis=1, keepdims=True)
    return e.T @ (p - np.eye(W.shape[1])[y])
    # <blank>
    # ...
    # </solution>


check.softmax_gradient(softmax_gradient)

# %% [markdown]
# ### Experiment
#
# A common bug: the callback is forgotten. Train the toy with `toy.centers()` and without
# `CenterUpdate`, for `SEEDS`. Where are the centres then, and where do they pull the embeddings?
# Give two lists with one number per seed: the mean length of the embeddings after training
# (`np.linalg.norm(run.embeddings[-1], axis=1).mean()`), with the callback and without.

# %%
# <solution>
forgotten = toy.train(lambda: [toy.centers(), toy.bases()], loss=softmax(), seeds=SEEDS)


def mean_length(run):
    return np.linalg.norm(run.embeddings[-1], axis=1).mean()


with_callback = [mean_length(run) for run in with_centres.values()]
without_callback = [mean_length(run) for run in forgotten.values()]
print("with:", np.round(with_callback, 2), "without:", np.round(without_callback, 2))
# <blank>
# with_callback = ...
# without_callback = ...
# </solution>

check.forgotten_callback(with_callback, without_callback)
