# %% [markdown]
# # 5. Training on speech, and comparing what comes out
#
# A configuration file becomes a Keras model; crops of utterances stream into it; three systems
# are trained with three seeds each. Then comes the question that every paper's table raises: is
# one of them *better*, or did it have the better day?
#
# **Goals.** You read `conf/systems/proposed2.yaml` and say what each line becomes. You know what
# a training example is, and why the same seed gives the same batches. You compare two systems on
# the same test speakers, with an interval, and you read Figures 1 and 2 of the paper with care.
#
# **Time.** An hour with the exercises; the cells run in under 90 seconds on two cores.
#
# **You need.** Chapters 1 to 4, and espeak-ng's voices: `pip install -e '.[synthetic]'`. The
# voices are synthetic: what an error rate below says of real voices is nothing.

# %%
import dataclasses
import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's chatter, not its errors

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from course import ROOT, SEEDS, SHORT, check, pictures, say, speech
from course.restart import restart
from speaker_bases.error_rates import eer

# %% [markdown]
# ## The data
#
# 60 training speakers with 8 utterances each, and 12 others for the test: Kaldi data directories,
# as stages 0 and 1 of `run.sh` make them.
# %%
from speaker_bases.train.data import TrainingData

speech.corpus()
data = TrainingData(speech.TRAIN)

# %% say
seconds = np.array(data.num_frames) / 100
say(
    f"{len(data.speakers)} training speakers, {len(data.utterances)} utterances of "
    f"{seconds.min():.1f} to {seconds.max():.1f} s. A speaker is a class: `data.labels` "
    f"are integers from 0 to {max(data.labels)}."
)

# %% [markdown]
# ## From YAML to a model
#
# The paper's second proposal, as `run.sh` trains it:

# %% say
say(f"```yaml\n{(ROOT / 'conf/systems/proposed2.yaml').read_text()}```")

# %% [markdown]
# We change a few settings, as `--set` does on the command line, so that a training takes seconds.
# The network keeps the paper's widths, with one residual block in a row of Table 1 instead of 3,
# 4, 6 and 3. To give a configuration such a network it needs a name in the registry `NETWORKS`; a
# plugin of yours would do just this.

# %%
from speaker_bases.models import NETWORKS, ResNetTable, resnet34
from speaker_bases.train.config import load_config
from speaker_bases.train.systems import build_model, loss_callbacks

if "small" not in NETWORKS:  # the cell may be run again
    table = ResNetTable(
        conv1_filters=16,
        conv1_strides=(2, 2),
        stage_filters=(16, 32, 64, 128),
        stage_blocks=(1, 1, 1, 1),
        stage_strides=((1, 1), (2, 2), (2, 2), (2, 2)),
        dense_units=None,
    )
    NETWORKS.add("small", functools.partial(resnet34, table))

CHANGES = [
    "network=small",
    "crop_frames=64",
    "batch.size=48",
    f"epochs={5 if SHORT else 8}",
    "optimizer.learning_rate=3e-3",  # few steps: larger ones
    "bn_momentum=0.8",  # few steps: moving statistics that keep up
]


def configuration(system):
    changes = list(CHANGES)
    if system == "proposed2":
        changes.append("losses.hard_negative.num_negatives=20")  # of 59, not of 1,210
    conf = ROOT / "conf"
    return load_config(conf / f"systems/{system}.yaml", conf / "corpora/synthetic.yaml", changes)


config = configuration("proposed2")
keras.utils.set_random_seed(0)
model = build_model(config, num_speakers=len(data.speakers), steps=1)

# %% [markdown]
# Where did the lines go? (Why $L_H$ is a `Loss`, $L_{BC}$ a regulariser and $L_C$ a layer,
# chapter 1 explains.)

# %% say
backbone, bases_layer = model.get_layer("backbone"), model.get_layer("bases")
kernels = [v for v in model.trainable_variables if v.name == "kernel"]
lines = {
    "`network: small`": f"the sublayer `backbone`, {backbone.count_params():,} weights, from "
    f"`(batch, frames, 64)` to `(batch, {backbone.output_shape[-1]})`",
    "`hard_negative`": f"the model's loss, `{type(model.loss).__name__}`, and, from many speakers "
    "on, the mining in `SpeakerBases`",
    "(follows from it)": f"`SpeakerBases(similarity={bases_layer.similarity!r})`, "
    f"$W$ of shape `{tuple(bases_layer.bases.shape)}`",
    "`between_speaker`": f"`{type(bases_layer.between_speaker).__name__}`, a regulariser of $W$",
    "`weight_decay`": f"L2 on {len(kernels)} kernels and on $W$",
    "`optimizer`": f"`{type(model.optimizer).__name__}`, learning rate "
    f"{float(model.optimizer.learning_rate):.3f}",
    "`batch`": "nothing in the model: it says how the data are cut (below)",
}
say("| line | becomes |\n|---|---|\n" + "\n".join(f"| {a} | {b} |" for a, b in lines.items()))

# %% [markdown]
# ## What goes in: crops
#
# A training example is a **crop**: 64 frames of an utterance, from a place drawn anew in each
# epoch. `ShuffledUtterances` says which utterances make a batch, `CropStream` cuts them. Both
# follow from the seed and the number of the epoch, and from nothing else. So a training that was
# interrupted goes on with the very batches that it would have had.

# %%
from speaker_bases.train.crops import CropStream


def crop_stream(config, seed, first_step=0):
    batches = data.batches(config, seed)
    return CropStream(
        data.reader,
        data.utterances,
        data.labels,
        data.num_frames,
        batches,
        config["crop_frames"],
        seed,
        first_step=first_step,
        bands=64,
    )


stream = crop_stream(config, seed=0)
inputs, speakers = stream[0]
later, _ = crop_stream(config, seed=0, first_step=7)[0]  # as after an interruption
np.testing.assert_array_equal(later["features"], stream[7][0]["features"])

# %% say
say(
    f"A batch: `features` {inputs['features'].shape}, `speakers` {inputs['speakers'].shape}; "
    f"{stream.batches.steps_per_epoch} batches an epoch. This one has utterances of "
    f"{len(set(speakers))} of the {len(data.speakers)} speakers. The others are absent, but their "
    "bases are not: $L_H$ mines among them, and $L_{BC}$ looks at all."
)


# %%
def begins(utterance, epochs):
    """Where the crop of an utterance begins in each epoch."""
    features = data.reader[data.utterances[utterance]]
    found = []
    for epoch in epochs:
        step, row = np.argwhere(stream.batches.epoch(epoch) == utterance)[0]
        crop = stream[epoch * stream.batches.steps_per_epoch + step][0]["features"][row]
        places = range(len(features) - len(crop) + 1)
        found.append(next(at for at in places if np.array_equal(features[at : at + 64], crop)))
    return found


longest = int(np.argmax(data.num_frames))
places = begins(longest, range(5))
whole = data.reader[data.utterances[longest]]
most = np.abs(whole).max()
figure, axes = plt.subplots(figsize=(9, 3.2), layout="constrained")
extent = (0, len(whole) / 100, 0, 64)
picture = axes.imshow(
    whole.T,
    origin="lower",
    aspect="auto",
    extent=extent,
    cmap=pictures.SIGNED,
    vmin=-most,
    vmax=most,
)
for epoch, place in enumerate(places):
    top = 66 + 5 * epoch
    axes.plot([place / 100, place / 100 + 0.64], [top, top], linewidth=3, clip_on=False)
    axes.text(place / 100 + 0.66, top, f"epoch {epoch}", va="center", fontsize="small")
axes.set(xlabel="time, s", ylabel="mel band", ylim=(0, 92), yticks=[0, 32, 64])
figure.colorbar(picture, ax=axes, label="log energy less its sliding mean")
pictures.show(
    figure,
    alt=f"The features of {data.utterances[longest]}, and above them the stretch of 0.64 s that is "
    f"cut from it in each of five epochs, beginning at frames {', '.join(map(str, places))}.",
)
assert len(set(places)) > 1

# %% [markdown]
# ## One step, taken apart
#
# What is the number `loss` in the log? Compute it from what you know: one batch, the backbone's
# embeddings, and the three terms.


# %%
def unit(vectors, axis=-1):
    return vectors / np.linalg.norm(vectors, axis=axis, keepdims=True)


logged = model.test_on_batch(inputs, speakers, return_dict=True)

e = ops.convert_to_numpy(backbone(inputs["features"])).astype(float)
W = ops.convert_to_numpy(bases_layer.bases).astype(float)
cos = unit(e) @ unit(W, axis=0)
own = cos[np.arange(len(e)), speakers]
others = np.where(np.arange(len(data.speakers)) == speakers[:, None], -np.inf, cos)
hardest = np.sort(others, axis=1)[:, -20:]
l_h = np.log(1 + np.exp(5 * (hardest - own[:, None]))).mean()  # reduction: mean, scale: 5
N = len(data.speakers)
l_bc = 5 * (np.sum(unit(W, axis=0).sum(axis=1) ** 2) - N) / (N * (N - 1))
decay = 1e-4 * sum(np.sum(ops.convert_to_numpy(v) ** 2) for v in [*kernels, bases_layer.bases])
np.testing.assert_allclose(logged["loss"], l_h + l_bc + decay, rtol=1e-4)

# %% say
say(
    f"| | by hand | in the log |\n|---|---|---|\n| $L_H$ | {l_h:.4f} | "
    f"{logged['hard_negative_mining']:.4f} |\n| $L_{{BC}}$ | {l_bc:.4f} | "
    f"{logged['between_speaker']:.4f} |\n| weight decay | {decay:.4f} | (only in the total) |\n"
    f"| total | {l_h + l_bc + decay:.4f} | {logged['loss']:.4f} |"
)
untrained = unit(e) @ unit(e).T
say(
    "The network is untrained, and the mean cosine between any two of these embeddings is "
    f"{untrained[np.triu_indices(len(e), 1)].mean():.3f}: chapter 4 says why."
)

# %% [markdown]
# ## Three systems, three seeds
#
# | system | loss | what it is for |
# |---|---|---|
# | `center` | $L_S + L_C$ | the paper's best without a loss on bases |
# | `proposed1` | $L_S + L_C + L_{BC}$ | the same with $L_{BC}$: one thing is changed |
# | `proposed2` | $L_H + L_{BC}$ | the paper's best |
#
# A seed stands for the initial weights, the order of the utterances and the crops. With the same
# seed, all systems begin with the same backbone and get the same batches.

# %%
from speaker_bases.evaluate.training_set import TrainingSet
from speaker_bases.kaldi_feats.batches import read_batches
from speaker_bases.kaldi_feats.reader import FeatureReader, read_num_frames
from speaker_bases.models.utterance_embedder import UtteranceEmbedder

SYSTEMS = ("center", "proposed1", "proposed2")
RUN_SEEDS = SEEDS[:3]


@dataclasses.dataclass
class Run:
    """One trained system: losses by epoch; training set; test embeddings by utterance; bases."""

    losses: dict[str, list[float]]
    space: TrainingSet
    test: dict[str, np.ndarray]
    bases: np.ndarray  # (dim, speakers)


def embed(embedder, data_dir):
    """The embedding of each whole utterance of a data directory, by name."""
    embeddings = {}
    for batch in read_batches(
        FeatureReader(data_dir / "feats.scp"), read_num_frames(data_dir), 20_000
    ):
        rows = embedder.predict_on_batch([batch.features, batch.num_frames])
        embeddings |= zip(batch.utterances, rows, strict=False)  # further rows are padding
    return embeddings


@functools.cache
def train(system):
    """The runs of a system, one for each seed."""
    config, model, runs = configuration(system), None, []
    for seed in RUN_SEEDS:
        keras.utils.set_random_seed(seed)
        fresh = build_model(config, len(data.speakers), steps=1)
        if model is None:
            model = fresh
            embedder = UtteranceEmbedder(model.get_layer("backbone"))
        else:
            restart(model, fresh)
        stream = crop_stream(config, seed)
        history = model.fit(
            stream,
            epochs=config["epochs"],
            steps_per_epoch=stream.batches.steps_per_epoch,
            shuffle=False,  # the stream has its own order
            callbacks=loss_callbacks(config),  # alpha of L_C
            verbose=0,
        )
        by_utterance = embed(embedder, speech.TRAIN)
        train_set = np.stack([by_utterance[name] for name in data.utterances])
        space = TrainingSet(data.speakers, data.utterances, train_set, np.array(data.labels))
        bases = ops.convert_to_numpy(model.get_layer("bases").bases).copy()
        runs.append(Run(history.history, space, embed(embedder, speech.TEST), bases))
    return runs


runs = {system: train(system) for system in SYSTEMS}

# %%
LINES = {"loss": "C7", "softmax": "C0", "hard_negative_mining": "C0", "center": "C1"}
LINES["between_speaker"] = "C3"
figure, panels = plt.subplots(1, 3, figsize=(9.5, 3.6), layout="constrained")
for axes, system in zip(panels, SYSTEMS, strict=True):
    for name in runs[system][0].losses:
        for run in runs[system]:
            label = name if run is runs[system][0] else None
            epochs = np.arange(1, len(run.losses[name]) + 1)
            axes.plot(epochs, run.losses[name], color=LINES[name], linewidth=1, label=label)
    axes.set(title=system, xlabel="epoch of 10 steps")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, frameon=False)
panels[0].set_ylabel("loss")
pictures.show(
    figure,
    alt="The losses of the three systems by epoch, a line for each seed: the totals and the losses "
    "on the outputs fall; L_BC soon reaches its minimum, just below 0, and stays there.",
)
for system in SYSTEMS:
    for run in runs[system]:
        assert run.losses["loss"][-1] < run.losses["loss"][0]

# %% [markdown]
# (Do not compare the heights of different systems: they measure different things.)
#
# ## Scores and error rates
#
# The test speakers were not trained on. Their bases do not exist; what is compared is embeddings,
# by cosine, over all pairs of test utterances.

# %%
from speaker_bases.evaluate.trial_list import load_trial_list

trials = load_trial_list(speech.TEST, "synthetic")


def scores_of(run, common=0.0):
    """The cosine of each trial, (trials,); `common` is taken away from all embeddings before."""
    first, second = (
        unit(np.stack([run.test[name] for name in names]) - common)
        for names in (trials.trials.enrol, trials.trials.test)
    )
    return np.sum(first * second, axis=1, dtype=float)


scores = {system: np.stack([scores_of(run) for run in runs[system]]) for system in SYSTEMS}
rates = {
    system: np.array([100 * eer(row, trials.is_target) for row in scores[system]])
    for system in SYSTEMS
}

# %% say
head = "| | " + " | ".join(f"seed {seed}" for seed in RUN_SEEDS) + " | mean |"
rows = [head, "|---" * (len(RUN_SEEDS) + 2) + "|"]
for system in SYSTEMS:
    row = " | ".join(f"{rate:.2f}" for rate in [*rates[system], rates[system].mean()])
    rows.append(f"| `{system}` | {row} |")
say("EER, %:\n\n" + "\n".join(rows))
by_seed = np.mean([np.ptp(rates[system]) for system in SYSTEMS])
by_system = np.ptp([rates[system].mean() for system in SYSTEMS])
say(
    f"From seed to seed, a system's EER varies by {by_seed:.1f} points; from the best system to "
    f"the worst, the means differ by {by_system:.1f}. Had you trained each system once, which "
    "would you call the best?"
)

# %%
for system in SYSTEMS:
    assert rates[system].max() < (40 if SHORT else 20)  # chance is 50

# %% [markdown]
# ## Is one of them better?
#
# Three things could have come out otherwise: **the test speakers** (12 of all there might be),
# **the seeds**, and nothing else, for everything else was fixed. So we ask how much the
# *difference* between two systems moves when either is drawn anew.
#
# Draw the 12 speakers with replacement, a thousand times, and compute both systems' EER on each
# draw. When hard voices are drawn, both get worse. So the difference moves less than either: the
# comparison is **paired**.

# %%
from speaker_bases.evaluate.comparison import compare_systems
from speaker_bases.evaluate.speaker_draws import SpeakerTrials, drawn_rates

by_speaker = SpeakerTrials.of(trials.is_target, trials.enrol_speakers, trials.test_speakers)
stacked = np.concatenate([scores[system] for system in SYSTEMS])
drawn = 100 * drawn_rates(stacked, by_speaker, 200 if SHORT else 1000, seed=0).eer
drawn = dict(zip(SYSTEMS, np.split(drawn, len(SYSTEMS), axis=1), strict=True))  # (draws, seeds)
without, with_bc = (drawn[system].mean(axis=1) for system in ("center", "proposed1"))

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.scatter(without, with_bc, s=6, alpha=0.5)
ends = [0, max(without.max(), with_bc.max()) * 1.05]
left.plot(ends, ends, color=pictures.LIGHT)
left.set(
    xlabel="EER of center, %", ylabel="EER of proposed1, %", title="a dot for each draw of speakers"
)
spread = 1.05 * np.abs(np.concatenate([without - without.mean(), with_bc - with_bc.mean()])).max()
bins = np.linspace(-spread, spread, 61)
right.hist(without - without.mean(), bins, alpha=0.5, label="center, about its mean")
right.hist(with_bc - without, bins, alpha=0.7, label="proposed1 less center")
right.axvline(0, color=pictures.GREY, linewidth=0.8)
right.set(xlabel="EER, percent points", ylabel="draws", title="how far each moves")
right.legend()
correlation = np.corrcoef(without, with_bc)[0, 1]
pictures.show(
    figure,
    alt="Left: the EERs of center and proposed1 over draws of the test speakers lie along the "
    f"diagonal, correlation {correlation:.2f}. Right: their difference moves less than either.",
)
assert np.std(with_bc - without) < np.std(without)

# %% [markdown]
# `compare_systems` (on the command line: `python -m speaker_bases.evaluate.compare`) adds the
# variance that the seeds bring. Which comparisons we care about we say *before* we look: what
# $L_{BC}$ adds to `center`, and the paper's best against `center`.

# %%
PLANNED = [("proposed1", "center"), ("proposed2", "center")]
comparisons = compare_systems(
    scores,
    trials.is_target,
    trials.enrol_speakers,
    trials.test_speakers,
    named=PLANNED,
    draws=200 if SHORT else 1000,
)
planned = {(each.a, each.b): each for each in comparisons if each.named}
assert set(planned) == set(PLANNED)


# %% say
def verdict(difference):
    if difference.low > 0 or difference.high < 0:
        return "tells them apart"
    return "does not tell them apart"


rows = [
    "| A | B | EER A - B, points | 95 % interval | P(A better) | |",
    "|---|---|---|---|---|---|",
]
for (a, b), each in planned.items():
    found = each.eer
    rows.append(
        f"| `{a}` | `{b}` | {found.value:+.2f} | {found.low:+.2f} to {found.high:+.2f} | "
        f"{found.probability:.2f} | {verdict(found)} |"
    )
say("\n".join(rows))
for (a, b), each in planned.items():
    alone = np.quantile(drawn[a].mean(axis=1) - drawn[b].mean(axis=1), [0.025, 0.975])
    number = each.eer.speakers_needed
    enough = (
        f"It would take about {number:,} test speakers" if number else "No number of them is enough"
    )
    say(
        f"`{a}` against `{b}`: by the draws of speakers alone, with these very trainings, the "
        f"difference lies between {alone[0]:+.2f} and {alone[1]:+.2f}. {enough} to tell a "
        "difference of this size with so few seeds."
    )

# %% [markdown]
# Compare the two kinds of interval: nearly all the width comes from **the seeds**. A list of test
# speakers can be made longer; that a training has good days and bad days, no list can tell. What
# you should take away is the method, not these numbers: 12 synthetic speakers and trainings of
# seconds. The paper's Table 2 gives one number for each system; whether 5.96 % and 5.55 % (on
# VoxCeleb1, 40 speakers) differ by more than luck, it does not say.
#
# With the same seed, `center` and `proposed1` begin with the same weights and see the same crops.
# Do their EERs rise and fall together in the table above? `compare_systems` does not use this:
# three pairs are too few to lean on.
#
# ## Figure 1: does a basis lie with its speaker?
#
# A t-SNE map of five *training* speakers of `proposed2`: dots are utterances, triangles their
# means, numbered crosses the bases.

# %%
from speaker_bases.evaluate.figures import speaker_map

chosen = [0, 12, 24, 36, 48]
run = runs["proposed2"][0]
points, means, crosses = speaker_map(run.space, run.bases.T, chosen, seed=0)
figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
for at, speaker in enumerate(chosen):
    colour = pictures.COLOURS[at + 1]
    axes.scatter(*points[at].T, s=20, color=colour, alpha=0.7, linewidth=0)
    axes.scatter(*means[at], s=110, marker="^", color=colour, edgecolor="black", zorder=3)
    axes.scatter(*crosses[at], s=110, marker="X", color=colour, edgecolor="black", zorder=3)
    axes.annotate(str(speaker), crosses[at], xytext=(7, 5), textcoords="offset points")
axes.set(
    xticks=[], yticks=[], title="$L_H + L_{BC}$: utterances, means (triangles), bases (crosses)"
)
pictures.show(
    figure,
    alt="A t-SNE map of the utterances of five training speakers, with each speaker's mean as a "
    "triangle and basis as a cross.",
)

# %% [markdown]
# t-SNE is only a drawing. So ask the numbers, in all 128 dimensions: which speaker's mean is
# nearest to a basis?


# %%
def nearest_is_own(run):
    """The share of bases whose nearest speaker mean is that of their own speaker."""
    cosines = unit(run.bases.T) @ unit(run.space.means()).T
    return np.mean(cosines.argmax(axis=1) == np.arange(len(cosines)))


own_share = {system: [nearest_is_own(run) for run in runs[system]] for system in SYSTEMS}
for shares in own_share.values():
    assert min(shares) > (0.3 if SHORT else 0.9)

# %% say
say(
    "The mean nearest to a basis is its own speaker's for "
    + "; ".join(
        f"{' / '.join(f'{100 * share:.0f} %' for share in shares)} of the speakers in `{system}`"
        for system, shares in own_share.items()
    )
    + " (seeds in order). So the paper's claim holds here, for three losses."
)

# %% [markdown]
# ## Figure 2: do the speakers move apart?
#
# The cosines between the mean embeddings of all pairs of training speakers. Left as in the paper;
# right after taking away what all embeddings have in common, their mean.

# %%
from speaker_bases.evaluate.speaker_space import impostor_cosines

figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained", sharey=True)
bins = np.linspace(-1, 1, 41)
for axes, title in zip(panels, ("mean embeddings", "less their common mean"), strict=True):
    for system in SYSTEMS:
        of_speakers = runs[system][0].space.means()
        if axes is panels[1]:
            of_speakers = of_speakers - of_speakers.mean(axis=0)
        between = impostor_cosines(of_speakers)
        axes.hist(
            between, bins, histtype="step", linewidth=1.6, label=f"{system}: {between.mean():+.3f}"
        )
    axes.set(title=title, xlabel="cosine between two training speakers")
    axes.legend(title="mean", loc="upper left")
panels[0].set_ylabel("pairs of speakers")
pictures.show(
    figure,
    alt="Histograms of the cosines between speakers' mean embeddings for three systems. Left, they "
    "lie around 0.4 to 0.5 for all; right, without the common mean, around 0 for all.",
)


# %%
def geometric_median(bases, steps=500):
    """Chapter 4's: less it, the unit bases sum to zero."""
    median = bases.mean(axis=1)
    for _ in range(steps):
        weight = 1 / np.linalg.norm(bases - median[:, None], axis=0)
        median = (bases * weight).sum(axis=1) / weight.sum()
    return median


def l_bc_of(bases):
    return np.sum(unit(bases, axis=0).sum(axis=1) ** 2) - bases.shape[1]


figure_2 = {}
for system in SYSTEMS:
    for run in runs[system]:
        means_of = run.space.means()
        wide = run.bases.astype(float)
        figure_2.setdefault(system, []).append(
            [
                impostor_cosines(wide.T).mean(),
                impostor_cosines(means_of).mean(),
                impostor_cosines(means_of - means_of.mean(axis=0)).mean(),
                l_bc_of(wide - geometric_median(wide)[:, None]),
            ]
        )
        _, of_means, of_centred, of_shifted = figure_2[system][-1]
        assert of_means > 0.2 and abs(of_centred) < 0.03
        assert np.isclose(of_shifted, -N, atol=1e-4)
    if system != "center":
        pairs = zip(figure_2[system], figure_2["center"], strict=True)
        assert all(with_it[0] < without_it[0] - 0.01 for with_it, without_it in pairs)

# %% say
head = ["bases", "mean embeddings", "less their common mean", "$L_{BC}$ after a shift of the bases"]
rows = ["| | " + " | ".join(head) + " |", "|---|---|---|---|---|"]
for system, numbers in figure_2.items():
    three = " | ".join(f"{number:+.3f}" for number in np.mean(numbers, axis=0)[:3])
    rows.append(f"| `{system}` | {three} | {np.mean(numbers, axis=0)[3]:.4f} |")
say("Mean cosines, averaged over the seeds:\n\n" + "\n".join(rows))
say(f"The least there can be for {N} vectors: {-1 / (N - 1):+.4f}.")

# %% [markdown]
# The *bases* of `proposed1` and `proposed2` get what $L_{BC}$ asks for. The mean *embeddings* of
# `proposed1` do not move away from where `center` has them. What holds them together is the part
# that all share, because they are averages of LeakyReLU's outputs (chapter 4); take it away, and
# the speakers of *all three* systems lie as far apart as they can on average. And the last column
# is chapter 4's shift, on real runs: `center` could have the least $L_{BC}$ there is without
# retraining and without any change of its embeddings or of what its softmax says.
#
# What a full training makes of it: `./run.sh --systems "center proposed1 proposed2"`, then
# `python -m speaker_bases.evaluate.figures impostors --help`.

# %% [markdown]
# ## In three lines
#
# - A configuration names losses, and each goes where Keras has a place for it; the log's `loss`
#   is their sum.
# - A crop follows from the seed and the epoch; what a system is worth depends on the seed, too.
# - Compare systems on the same draws of speakers, over several seeds, with an interval, as
#   planned beforehand.

# %% [markdown]
# ## Exercises
#
# ### Warm-up
#
# There are 480 utterances. A configuration has `crops_per_utterance: 2`, `batch: {size: 100}` and
# `epochs: 8`. How many steps does the optimizer take?

# %%
# <solution>
answer = 480 * 2 // 100 * 8
# <blank>
# answer = ...  # a number
# </solution>
check.steps(answer)


# %% [markdown]
# ### Code
#
# Write the paired interval. You get the EERs of two systems over the same draws of speakers,
# `rates_a` of shape `(draws, seeds_a)` and `rates_b` of shape `(draws, seeds_b)`. A system's rate
# is the mean over its seeds. Return the quantiles `[0.025, 0.975]` of A's rate less B's, an array
# of two numbers.


# %%
def paired_interval(rates_a, rates_b):
    # <solution>
    difference = rates_a.mean(axis=1) - rates_b.mean(axis=1)
    return np.quantile(difference, [0.025, 0.975])
    # <blank>
    # ...  # your code
    # </solution>


check.paired_interval(paired_interval)

# %% [markdown] solved
# Try it on `drawn["proposed1"]` and `drawn["center"]`: it is narrower than `compare_systems`'s,
# which counts the seeds' variance as well, and takes Student's t for so few speakers.

# %% [markdown]
# ### Experiment
#
# Does the common part of all embeddings do harm? Take the mean of each run's *training*
# embeddings (`run.space.embeddings.mean(axis=0)`) away before the cosine (`scores_of(run,
# common=...)`), and look at how much each run's EER changes. Guess first: the cosines between
# speakers fall from about a half to about 0, so what becomes of the error rate?

# %%
# <solution>
changes = [
    100 * eer(scores_of(run, run.space.embeddings.mean(axis=0)), trials.is_target) - rate
    for system in SYSTEMS
    for run, rate in zip(runs[system], rates[system], strict=True)
]
# <blank>
# changes = ...  # a list: EER without the common part less EER with it, in points, a number a run
# </solution>
check.common_part(changes)
