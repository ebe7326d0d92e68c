"""The walk-through's pictures. Nothing about the losses is in here: skip it."""

import keras
import matplotlib.pyplot as plt
import numpy as np

COLOURS = plt.get_cmap("tab10").colors


class Snapshots(keras.callbacks.Callback):
    """Where embeddings, bases and centres are at the end of each epoch; entry 0 is before `fit`.

    Args:
        x: (utterances, inputs), whose embeddings are kept.
        y: (utterances,) int, their speakers.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        super().__init__()
        self.x, self.y = x, y
        self.embeddings, self.bases, self.centers = [], [], []

    def on_train_begin(self, logs=None):
        self._take()

    def on_epoch_end(self, epoch, logs=None):
        self._take()

    def _take(self):
        get = self.model.get_layer
        names = [layer.name for layer in self.model.layers]
        self.embeddings.append(keras.ops.convert_to_numpy(get("backbone")(self.x)))
        if "bases" in names:
            self.bases.append(keras.ops.convert_to_numpy(get("bases").bases))
        if "center" in names:
            self.centers.append(keras.ops.convert_to_numpy(get("center").centers))


def plane(snapshots: Snapshots, title: str, epochs=(0, 5, -1)) -> None:
    """Embeddings (dots), directions of the bases (crosses) and centres (triangles)."""
    _, panels = _panels(title, len(epochs))
    for axes, epoch in zip(panels, epochs, strict=True):
        points = snapshots.embeddings[epoch]
        reach = 1.15 * np.quantile(np.linalg.norm(points, axis=1), 0.98)
        _dots(axes, points, snapshots.y)
        if snapshots.bases:
            _rays(axes, snapshots.bases[epoch], reach)
        if snapshots.centers:
            for speaker, center in enumerate(snapshots.centers[epoch]):
                axes.scatter(*center, marker="^", s=70, color=COLOURS[speaker], edgecolor="black")
        axes.set(xlim=(-1.25 * reach, 1.25 * reach), ylim=(-1.25 * reach, 1.25 * reach))
        axes.set_title(_when(epoch), fontsize="medium")
    plt.show()


def circle(snapshots: Snapshots, title: str, epochs=(0, 5, -1)) -> None:
    """Directions only, all a cosine sees: embeddings just inside the circle, bases outside."""
    _, panels = _panels(title, len(epochs))
    for axes, epoch in zip(panels, epochs, strict=True):
        points = snapshots.embeddings[epoch]
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
        depth = np.linspace(0.8, 0.98, 10)[np.arange(len(points)) % 10]
        _dots(axes, points * depth[:, None], snapshots.y)
        if snapshots.bases:
            _rays(axes, snapshots.bases[epoch], 1.1)
        axes.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.8"))
        axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))
        axes.set_title(_when(epoch), fontsize="medium")
    plt.show()


def unit_bases(pairs: dict[str, np.ndarray]) -> None:
    """Several sets of bases (2, speakers) as arrows on the unit circle, and their sum in black."""
    _, panels = _panels("", len(pairs))
    for axes, (title, bases) in zip(panels, pairs.items(), strict=True):
        units = bases / np.linalg.norm(bases, axis=0)
        for speaker, (x, y) in enumerate(units.T):
            axes.annotate("", (x, y), (0, 0), arrowprops={"color": COLOURS[speaker], "width": 1.5})
        axes.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.8"))
        axes.scatter(*units.mean(axis=1), color="black", s=60, zorder=3)
        axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))
        axes.set_title(title, fontsize="medium")
    plt.show()


def matrices(panels_: dict[str, np.ndarray], xlabel: str, ylabel: str) -> None:
    """Square tables as shades of blue."""
    _, panels = _panels("", len(panels_))
    for axes, (title, table) in zip(panels, panels_.items(), strict=True):
        axes.imshow(table, cmap="Blues", vmin=0, vmax=table.max())
        ticks = range(len(table))
        axes.set_xticks(ticks, ticks, fontsize="small")
        axes.set_yticks(ticks, ticks, fontsize="small")
        axes.set_xlabel(xlabel)
        axes.set_title(title, fontsize="medium")
    panels[0].set_ylabel(ylabel)
    plt.show()


def features(wave: np.ndarray, rate: int, before: np.ndarray, after: np.ndarray) -> None:
    """A wave above its filter banks, before and after the sliding mean, on one axis of time."""
    figure, panels = plt.subplots(3, 1, figsize=(9, 5.5), sharex=True, layout="constrained")
    seconds = len(wave) / rate
    panels[0].plot(np.arange(len(wave)) / rate, wave, linewidth=0.4)
    panels[0].set(title="the wave", ylabel="sample", xlim=(0, seconds))
    most = np.abs(after).max()
    centred = {"cmap": "RdBu_r", "vmin": -most, "vmax": most}  # white is 0
    for axes, bands, title, colours in (
        (panels[1], before, "64 log mel energies", {}),
        (panels[2], after, "minus the mean of 3 seconds: red is louder than usual", centred),
    ):
        extent = (0, seconds, 0, bands.shape[1])
        image = axes.imshow(bands.T, origin="lower", aspect="auto", extent=extent, **colours)
        axes.set(title=title, ylabel="band")
        figure.colorbar(image, ax=axes, pad=0.01)
    for axes in panels:
        axes.title.set_fontsize("medium")
    panels[-1].set_xlabel("seconds")
    plt.show()


def _panels(title: str, number: int):
    size = (3.1 * number, 3.6 if title else 3.3)
    figure, panels = plt.subplots(1, number, figsize=size, layout="constrained", squeeze=False)
    figure.suptitle(title)
    for axes in panels[0]:
        axes.set(xticks=[], yticks=[], aspect="equal")
    return figure, panels[0]


def _dots(axes, points: np.ndarray, speakers: np.ndarray) -> None:
    axes.scatter(*points.T, s=9, alpha=0.7, c=[COLOURS[speaker] for speaker in speakers])


def _rays(axes, bases: np.ndarray, reach: float) -> None:
    for speaker, (x, y) in enumerate((reach * bases / np.linalg.norm(bases, axis=0)).T):
        axes.plot([0, x], [0, y], color=COLOURS[speaker], linewidth=0.8)
        axes.scatter(x, y, marker="X", s=70, color=COLOURS[speaker], edgecolor="black", zorder=3)


def _when(epoch: int) -> str:
    return {0: "before training", -1: "after training"}.get(epoch, f"after {epoch} epochs")
