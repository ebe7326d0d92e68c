# %% [markdown]
# # 0. Listen
#
# Two recordings: is it the same person who speaks? This chapter goes from a sound to that decision,
# with a network that has learnt nothing yet. All seven chapters follow one paper:
#
# > Heo, Jung, Yang, Yoon, Shim, Yu: *End-to-end losses based on speaker basis vectors and
# > all-speaker hard negative mining for speaker verification*, 2019,
# > [arXiv 1902.02455](https://arxiv.org/abs/1902.02455).
#
# **Goals.** You know what the network takes in and what it returns. You can write a residual
# block, say why an untrained network finds everybody alike, and work out an equal error rate by
# hand.
#
# **Time.** An hour to read and try; the cells run in under 90 seconds on two cores.
#
# **You need.** Python, NumPy, a little Keras, and headphones;
# `pip install -e '.[synthetic,notebook]'`. Nothing is downloaded.

# %%
import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

import keras
import matplotlib.pyplot as plt
import numpy as np
import soundfile
from IPython.display import Audio, Markdown, display
from keras import layers

from course import ROOT, SEEDS, check, pictures, say, show, speech

# %% [markdown]
# ## Two voices
#
# Our speakers are synthetic: voices of espeak-ng, each with a vocal tract and a pitch of its own.
# That is enough to see how everything works. It is **not** enough to say anything about real
# voices: no error rate in these chapters can be compared with the paper's.
#
# The first run makes them, which takes half a minute.
# %%
from speaker_bases.kaldi_feats.data_dir import read_table

data = speech.corpus()
wav_scp, utt2spk = read_table(data / "test/wav.scp"), read_table(data / "test/utt2spk")
for utterance in list(wav_scp)[:3]:
    print(utterance, utt2spk[utterance], wav_scp[utterance].rsplit("/", 1)[1])

# %% [markdown]
# These are Kaldi's *data directories*: text files with one line per utterance. `wav.scp` says where
# the sound is, `utt2spk` who is speaking, `feats.scp` where the features are. Here are two speakers,
# two seconds each:

# %%
ours = next(iter(wav_scp))
theirs = next(each for each in wav_scp if utt2spk[each] != utt2spk[ours])
for utterance in (ours, theirs):
    sound, rate = soundfile.read(wav_scp[utterance], dtype="int16")
    display(Markdown(f"`{utterance}`"), Audio(sound[: 2 * rate], rate=rate))

# %% [markdown]
# ## 64 bands, minus their mean
#
# Every 10 ms a window of 25 ms becomes 64 numbers: how much energy it has in each of 64 bands of
# frequency (mel bands, narrow at the bottom as in the ear), as logarithms. Then each band loses
# its mean over the three seconds around.

# %%
from speaker_bases.kaldi_feats.fbank.features import Fbank
from speaker_bases.kaldi_feats.fbank.options import read_options
from speaker_bases.kaldi_feats.fbank.sliding_mean import subtract_sliding_mean
from speaker_bases.kaldi_feats.reader import FeatureReader

fbank = Fbank(read_options(ROOT / "conf/fbank.conf"))
wave, rate = soundfile.read(wav_scp[ours], dtype="int16")
energies = fbank(wave)
centred = subtract_sliding_mean(energies, window=300)

features = FeatureReader(data / "test/feats.scp")  # the same, written by the feature stage
np.testing.assert_allclose(centred, features[ours], atol=1e-4)

# %%
figure, axes = plt.subplots(3, 1, figsize=(7.5, 5.5), sharex=True, layout="constrained")
seconds = len(wave) / rate
axes[0].plot(np.arange(len(wave)) / rate, wave / 2**15, linewidth=0.4)
axes[0].set(title="the wave", ylabel="share of full scale", xlim=(0, seconds))
most = np.abs(centred).max()
for each, bands, title, options in (
    (axes[1], energies, "energy in 64 mel bands", {}),
    (axes[2], centred, "minus the mean of three seconds", {"vmin": -most, "vmax": most}),
):
    colours = pictures.SIGNED if options else pictures.SHADES
    look = {"origin": "lower", "aspect": "auto", "extent": (0, seconds, 0, 64), "cmap": colours}
    image = each.imshow(bands.T, **look, **options)
    each.set(title=title, ylabel="band")
    figure.colorbar(image, ax=each, pad=0.01, label="log energy")
axes[2].set_xlabel("seconds")
pictures.show(
    figure,
    alt=f"A wave of {seconds:.1f} seconds above its 64 mel bands. Syllables are bright columns; "
    "after the mean is taken away, each band varies around zero.",
)

# %% [markdown]
# What stays the same for seconds is the microphone and the room, and the subtraction takes them
# away. **But the speaker stays the same, too.** The mean that is thrown away is the speaker's own
# average spectrum as much as it is the microphone's. How much does it tell? Here we compare only
# those means, one vector of 64 numbers per utterance:

# %%
from speaker_bases.error_rates import det_curve, eer

speakers = np.array([utt2spk[each] for each in wav_scp])
first, second = np.triu_indices(len(speakers), 1)  # all pairs
same_speaker = speakers[first] == speakers[second]

waves = [soundfile.read(path, dtype="int16")[0] for path in wav_scp.values()]
means = np.stack([fbank(each).mean(axis=0) for each in waves])
means = means - means.mean(axis=1, keepdims=True)  # not how loud it is on the whole
distances = np.linalg.norm(means[first] - means[second], axis=1)
rate_of_means = 100 * eer(-distances, same_speaker)
assert rate_of_means < 45

# %% say
say(f"""
The equal error rate, explained below, would be 50 % if the means said nothing about the speaker.
It is **{rate_of_means:.0f} %**. So the subtraction costs something, and buys independence of the
microphone, which is another one for each of our utterances.
""")

# %% [markdown]
# ## The network of Table 1
#
# Features are a picture, of frames times bands, and so an image network looks at them: a ResNet-34,
# made narrow. Here is the paper's table beside our network, for $l = 304$ frames.

# %%
from fractions import Fraction

from speaker_bases.models import resnet34

PAPER = {  # row of Table 1: output, in frames x bands x channels; kernel; stride
    "conv1": ("l x 64 x 16", "7x7", "1x1"),
    "res1": ("l x 64 x 16", "3x3", "1x1"),
    "res2": ("l/2 x 32 x 32", "3x3", "2x2"),
    "res3": ("l/4 x 16 x 64", "3x3", "2x2"),
    "res4": ("l/8 x 8 x 128", "3x3", "2x2"),
    "pool": ("128", "global", "global"),
}


def untrained_network(seed):
    keras.utils.set_random_seed(seed)
    return resnet34("table1")


network = untrained_network(0)
rows = keras.Model(network.input, [network.get_layer(row).output for row in PAPER])
shapes = [shape[1:] for shape in rows.compute_output_shape((None, 304, 64))]

# %% say
lines = ["| row | output | kernel | stride | ours at 304 frames |", "|---|---|---|---|---|"]
for (row, printed), shape in zip(PAPER.items(), shapes, strict=True):
    sizes = printed[0].replace("l", "304").split(" x ")
    assert shape == tuple(int(Fraction(size)) for size in sizes), row
    lines.append(f"| {row} | {' | '.join(printed)} | {' x '.join(map(str, shape))} |")
lines.append(f"\nIt has {network.count_params():,} weights.")
say("\n".join(lines))

# %% [markdown]
# ### A residual block
#
# Each row `res1` to `res4` is a few **residual blocks**. A block is two convolutions, and adds what
# they compute to its own input: it learns what to change, not what to copy. Only where the shape
# changes does the input go through a convolution too, of $1 \times 1$, or it could not be added.


# %%
def residual_block(x, filters, strides=(1, 1)):
    def convolution(x, size, strides):
        x = layers.ZeroPadding2D(size // 2)(x)
        x = layers.Conv2D(filters, size, strides, use_bias=False)(x)
        return layers.BatchNormalization()(x)

    y = layers.LeakyReLU(0.3)(convolution(x, 3, strides))
    y = convolution(y, 3, (1, 1))
    if strides != (1, 1) or x.shape[-1] != filters:
        x = convolution(x, 1, strides)
    return layers.LeakyReLU(0.3)(layers.Add()([x, y]))


# %% [markdown]
# The library's function makes all blocks of a row. It differs in four ways:
#
# | it adds | because |
# |---|---|
# | names such as `res2_conv0a` | a row of the table can be found in the network, and in a file |
# | a mask of the frames | an embedding must not depend on the padding of shorter utterances |
# | options for initial values and weight decay | the systems of Table 2 differ in them |
# | `activation`, and a second kind of block | the paper cites two kinds of block |

# %%
from speaker_bases.models.residual import post_activation_stage

show(post_activation_stage)

# %% [markdown]
# Does ours compute the same? We give both the same weights, and the same picture.


# %%
def as_model(build):
    image = keras.Input((None, 64, 16))
    return keras.Model(image, build(image))


keras.utils.set_random_seed(1)
by_hand = as_model(lambda image: residual_block(image, 32, (2, 2)))
convolution = {"kernel_initializer": "he_normal", "kernel_regularizer": None}
normalization = {"momentum": 0.99, "fused_normalization": None}
settings = (32, 1, (2, 2), "res2", "leaky_relu", convolution, normalization)
library = as_model(lambda image: post_activation_stage(image, *settings))

of_shape = {weight.shape: weight for weight in by_hand.weights if len(weight.shape) == 4}
for weight in library.weights:
    if len(weight.shape) == 4:  # kernels; the normalisations are new, and alike
        weight.assign(of_shape[weight.shape])
image = np.random.default_rng(0).normal(size=(2, 21, 64, 16)).astype("float32")
np.testing.assert_allclose(by_hand(image), library(image), atol=1e-5)
print("the same for an image of", image.shape, "->", by_hand(image).shape)

# %% [markdown]
# ### The pool
#
# The last row takes one mean for each of the 128 channels: **over time and over the 8 bands** that
# are left. So an utterance of any length becomes one vector of 128 numbers, its **embedding** $e$.

# %%
last = keras.Model(network.input, [network.get_layer(row).output for row in ("res4", "pool")])
res4, pooled = (np.asarray(output) for output in last(centred[None, :304]))
np.testing.assert_allclose(pooled, res4.mean(axis=(1, 2)), rtol=1e-4)
print(res4.shape, "->", pooled.shape)

# %% [markdown]
# ## Everybody alike
#
# Two embeddings are compared by their cosine. The network is not trained. What does it make of our
# twelve speakers? It hears two seconds of each utterance.


# %%
def cosine_table(vectors):
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units @ units.T


def mean_of_pairs(table):
    return table[~np.eye(len(table), dtype=bool)].mean()


clips = np.stack([features[each][:200] for each in wav_scp])


@functools.cache  # run a cell again, and it is there at once
def embeddings_of(seed):
    heard = untrained_network(seed)
    return np.concatenate([heard(part) for part in np.split(clips, 4)])


# %%
untrained = {seed: embeddings_of(seed) for seed in SEEDS}
alike = [mean_of_pairs(cosine_table(vectors)) for vectors in untrained.values()]
assert min(alike) > 0.99

# %% say
say(f"""
The mean cosine of two utterances is **{alike[0]:.3f}**, whoever speaks; with other random weights
{", ".join(f"{value:.3f}" for value in alike[1:])}. Is the network deaf?
""")

# %% [markdown]
# Look at what an embedding is: each of its numbers is a mean of what comes out of a LeakyReLU,
# which keeps what is above 0 and shrinks what is below. What goes in may be 0 on average; what comes
# out is not. So each channel has an offset, the same for every utterance: all embeddings share a
# long **common vector**, and differ by a little around it. Here is the same in four lines, without
# a network:

# %%
noise = np.random.default_rng(0).normal(size=(36, 304, 128))  # 36 "utterances", nothing but noise
of_noise = noise.mean(axis=1)
of_leaky_noise = np.where(noise > 0, noise, 0.3 * noise).mean(axis=1)
cosines_of_noise = [mean_of_pairs(cosine_table(each)) for each in (of_noise, of_leaky_noise)]
print("means of noise: mean cosine {:+.3f}; of its LeakyReLU: {:+.3f}".format(*cosines_of_noise))
assert abs(cosines_of_noise[0]) < 0.05 and cosines_of_noise[1] > 0.95

# %% [markdown]
# If that is the reason, then taking the common vector away must take the likeness away:

# %%
shared, rest, along_one, follows_contrast = [], [], [], []
contrast = clips.std(axis=(1, 2))  # how strongly an utterance's picture varies
for vectors in untrained.values():
    common = vectors.mean(axis=0)
    shared.append(np.sum(common**2) / np.mean(np.sum(vectors**2, axis=1)))
    rest.append(mean_of_pairs(cosine_table(vectors - common)))
    places, sizes, _ = np.linalg.svd(vectors - common, full_matrices=False)
    along_one.append(sizes[0] ** 2 / np.sum(sizes**2))
    follows_contrast.append(abs(np.corrcoef(places[:, 0], contrast)[0, 1]))
assert min(shared) > 0.99 and max(np.abs(rest)) < 0.05
assert min(along_one) > 0.7 and np.median(follows_contrast) > 0.8

# %%
figure, axes = plt.subplots(1, 2, figsize=(7.5, 3.4), layout="constrained")
example = untrained[0]
panels = {"as they are": example, "minus their mean": example - example.mean(axis=0)}
for each, (title, vectors) in zip(axes, panels.items(), strict=True):
    image = each.imshow(cosine_table(vectors), vmin=-1, vmax=1, cmap=pictures.SIGNED)
    each.set_xticks(np.arange(2.5, 72, 6), range(12))
    each.set_yticks(np.arange(2.5, 72, 6), range(12))
    each.set(title=title, xlabel="speaker")
axes[0].set_ylabel("speaker, six utterances each")
figure.colorbar(image, ax=axes, label="cosine")
pictures.show(
    figure,
    alt="Two tables of cosines between 72 embeddings of an untrained network. As they are, all are "
    "near 1. Minus their mean, they are near 1 or near -1, in no order that follows the speakers.",
)

# %% say
say(f"""
The common vector makes up {100 * min(shared):.1f} % or more of the embeddings' squared length, for
each of {len(SEEDS)} networks. Without it the mean cosine is {rest[0]:+.3f}. So **a cosine near 1
says that all vectors point the same way, not that they are equal**. Chapter 5 meets this vector
again, in a network that is trained.

But the picture on the right knows nothing of speakers either. Of what is left,
{100 * min(along_one):.0f} to {100 * max(along_one):.0f} % lies along a single direction, and that
direction mostly tells how strongly the utterance's picture varies (correlation
{min(follows_contrast):.2f} to {max(follows_contrast):.2f}). Random filters measure contrast.
""")

# %% [markdown]
# ## The equal error rate, by hand
#
# A threshold turns a score into yes or no. Too low, and impostors get in (**false alarms**); too
# high, and the right speakers stay out (**misses**). Where both rates are equal lies the equal
# error rate, the EER. Ten trials, four of them of the same speaker:

# %%
scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1])
is_target = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0], bool)

# %% say
lines = ["| accept from | misses of 4 | false alarms of 6 |", "|---|---|---|"]
for threshold in scores[1:6]:
    misses = np.sum(is_target & (scores < threshold))
    false_alarms = np.sum(~is_target & (scores >= threshold))
    lines.append(f"| {threshold} | {misses} | {false_alarms} |")
say("\n".join(lines))

# %% [markdown]
# From `0.6` on, 1 of 4 is missed and 1 of 6 gets in; from `0.5` on, 1 of 4 and 2 of 6. Somewhere
# between, the false alarms pass one quarter: draw a straight line between the two points, and the
# EER is one quarter.

# %%
assert np.isclose(eer(scores, is_target), 1 / 4)
curve = det_curve(scores, is_target)
figure, axes = plt.subplots(figsize=(3.8, 3.6), layout="constrained")
axes.plot(100 * curve.false_alarm, 100 * curve.miss, ".-", label="thresholds")
axes.plot([0, 100], [0, 100], color=pictures.LIGHT)
axes.scatter(25, 25, s=70, color=pictures.COLOURS[5], zorder=3, label="EER: 25 %")
axes.set(xlabel="false alarms, %", ylabel="misses, %", aspect="equal")
axes.legend()
pictures.show(
    figure,
    alt="Misses against false alarms for ten trials: a staircase that falls from the upper left to "
    "the lower right and meets the diagonal at 25 percent.",
)


# %% [markdown]
# And our network, which has learnt nothing? Its scores are the cosines of all pairs of utterances.


# %%
def rate_of(vectors):
    return 100 * eer(cosine_table(vectors)[first, second], same_speaker)


untrained_rates = [rate_of(vectors) for vectors in untrained.values()]
assert min(untrained_rates) > 30 and max(untrained_rates) < 50

# %% say
say(f"""
The EER of {len(SEEDS)} untrained networks lies between **{min(untrained_rates):.0f} and
{max(untrained_rates):.0f} %**, which is hardly better than the 50 % of a coin. The average spectrum
alone had {rate_of_means:.0f} %. The next chapters are about what makes it fall: the loss.
""")

# %% [markdown]
# ## In three lines
#
# - An utterance becomes a picture of frames times bands, and the network makes one vector of it.
# - The pool takes means over time and bands of LeakyReLU outputs, so that untrained embeddings
#   share a long common vector and all cosines are near 1.
# - The EER is the error rate at the threshold where misses and false alarms are equally frequent.

# %% [markdown]
# ## Exercises
#
# ### Warm-up
#
# An utterance has 304 frames. Over how many numbers does `pool` take each of its 128 means?

# %%
# <solution>
positions = 304 // 8 * 8  # frames that are left, times bands that are left
# <blank>
# positions = ...
# </solution>

check.positions(positions)

# %% [markdown]
# ### Code
#
# Write the equal error rate in NumPy. Sort the trials by their scores, the highest first: after
# the first $k$, which share of the impostors is accepted, and which share of the targets missed?
# Find the two neighbours between which the false alarms pass the misses, and the point on the
# straight line between them. (No two scores are equal.)


# %%
def equal_error_rate(scores, is_target):
    # <solution>
    order = np.argsort(-scores)
    hits = np.append(0, np.cumsum(is_target[order]))
    alarms = np.append(0, np.cumsum(~is_target[order]))
    miss, alarm = 1 - hits / hits[-1], alarms / alarms[-1]
    k = np.argmax(alarm >= miss)
    before, after = miss[k - 1] - alarm[k - 1], miss[k] - alarm[k]
    share = before / (before - after)
    return miss[k - 1] + share * (miss[k] - miss[k - 1])
    # <blank>
    # ...
    # </solution>


check.equal_error_rate(equal_error_rate)

# %% [markdown]
# ### Experiment
#
# Take the common vector away from the untrained embeddings. Does the EER fall? Measure it with
# `rate_of`, as they are and minus their mean: two lists with one rate per seed, in %.

# %%
# <solution>
as_they_are = [rate_of(vectors) for vectors in untrained.values()]
minus_mean = [rate_of(vectors - vectors.mean(axis=0)) for vectors in untrained.values()]
print("as they are:", np.round(as_they_are, 1), "minus mean:", np.round(minus_mean, 1))
# <blank>
# as_they_are = ...
# minus_mean = ...
# </solution>

check.common_vector(as_they_are, minus_mean)
