"""The notebooks' pictures. Nothing about the losses is in here: skip it."""

import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from .toy import Run

# From Paul Tol's "muted" and "bright" schemes: eight that stay apart under every common kind of
# colour blindness.
COLOURS = ("#332288", "#0077BB", "#88CCEE", "#999933", "#DDCC77", "#CC6677", "#882255", "#000000")
"""One colour for each speaker, in their order; also the colours of lines, in the order given."""
GREY, LIGHT = "#666666", "#BBBBBB"
SHADES, SIGNED = "cividis", "PuOr_r"
"""Colour maps: of sizes, and of numbers around 0."""
DPI = 120

plt.rcParams.update(
    {
        "figure.dpi": DPI,
        "axes.prop_cycle": plt.cycler(color=[COLOURS[k] for k in (1, 5, 0, 3, 6, 2, 4, 7)]),
        "axes.titlesize": "medium",
        "image.cmap": SHADES,
        "legend.fontsize": "small",
    }
)


def show(figure: plt.Figure, alt: str) -> None:
    """Display a figure and close it.

    Args:
        figure: of matplotlib.
        alt: what is seen in it, in a sentence or two, for those who do not see it.
    """
    from IPython.display import display

    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI)
    plt.close(figure)
    bundle = {"image/png": png.getvalue(), "text/plain": alt}
    display(bundle, raw=True, metadata={"image/png": {"alt": alt}})


def panels(number: int, title: str = "", size: float = 2.9):
    """A figure with a row of square panels without ticks, of equal scale on both axes."""
    height = size + (0.6 if title else 0.3)
    figure, axes = plt.subplots(
        1, number, figsize=(size * number, height), layout="constrained", squeeze=False
    )
    figure.suptitle(title)
    for each in axes[0]:
        each.set(xticks=[], yticks=[], aspect="equal")
    return figure, axes[0]


def plane(run: Run, title: str, alt: str, epochs: Sequence[int] = (0, 5, -1)) -> None:
    """Embeddings (dots), directions of the bases (numbered crosses) and centres (triangles)."""
    figure, axes = panels(len(epochs), title)
    for each, epoch in zip(axes, epochs, strict=True):
        points = run.embeddings[epoch]
        reach = 1.15 * np.quantile(np.linalg.norm(points, axis=1), 0.98)
        dots(each, points, run.y)
        if run.bases:
            rays(each, run.bases[epoch], reach)
        if run.centers:
            for speaker, center in enumerate(run.centers[epoch]):
                each.scatter(*center, marker="^", s=60, color=COLOURS[speaker], edgecolor="white")
        each.set(xlim=(-1.4 * reach, 1.4 * reach), ylim=(-1.4 * reach, 1.4 * reach))
        each.set_title(when(epoch))
    show(figure, alt)


def circle(run: Run, title: str, alt: str, epochs: Sequence[int] = (0, 5, -1)) -> None:
    """Directions only, all a cosine sees: embeddings just inside the circle, bases outside.

    Without bases the speakers' numbers stand at their means.
    """
    figure, axes = panels(len(epochs), title)
    for each, epoch in zip(axes, epochs, strict=True):
        on_circle(each, run.embeddings[epoch], run.y)
        if run.bases:
            rays(each, run.bases[epoch], 1.1)
        else:
            names(each, run.embeddings[epoch], run.y)
        each.set_title(when(epoch))
    show(figure, alt)


def matrices(tables: dict[str, np.ndarray], xlabel: str, ylabel: str, unit: str, alt: str) -> None:
    """Square tables of numbers from 0 up as shades, with one colour bar.

    Args:
        tables: by the panels' titles.
        xlabel: of the columns.
        ylabel: of the rows.
        unit: what the colour bar shows.
        alt: see `show`.
    """
    figure, axes = panels(len(tables))
    most = max(table.max() for table in tables.values())
    for each, (title, table) in zip(axes, tables.items(), strict=True):
        image = each.imshow(table, vmin=0, vmax=most)
        ticks = range(len(table))
        each.set_xticks(ticks, ticks, fontsize="small")
        each.set_yticks(ticks, ticks, fontsize="small")
        each.set(xlabel=xlabel, title=title)
    axes[0].set_ylabel(ylabel)
    figure.colorbar(image, ax=axes, label=unit, shrink=0.8)
    show(figure, alt)


def dots(axes, points: np.ndarray, speakers: np.ndarray, **options) -> None:
    """Points (utterances, 2) in their speakers' colours."""
    options = {"s": 9, "alpha": 0.7, "linewidth": 0} | options
    axes.scatter(*points.T, c=[COLOURS[speaker] for speaker in speakers], **options)


def on_circle(axes, embeddings: np.ndarray, speakers: np.ndarray, **options) -> None:
    """The directions of embeddings, just inside the unit circle."""
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    depth = np.linspace(0.8, 0.98, 10)[np.arange(len(units)) % 10]
    dots(axes, units * depth[:, None], speakers, **options)
    axes.add_patch(plt.Circle((0, 0), 1, fill=False, color=LIGHT))
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))


def rays(axes, bases: np.ndarray, reach: float, alpha: Sequence[float] | None = None) -> None:
    """The directions of bases (2, speakers): a line, a cross and the speaker's number."""
    alpha = np.ones(bases.shape[1]) if alpha is None else alpha
    units = bases / np.linalg.norm(bases, axis=0)
    angles = np.arctan2(units[1], units[0])
    out, last = 1.16, -np.inf
    for speaker in np.argsort(angles):
        x, y = reach * units[:, speaker]
        look = {"color": COLOURS[speaker], "alpha": alpha[speaker]}
        axes.plot([0, x], [0, y], linewidth=0.8, **look)
        axes.scatter(x, y, marker="X", s=60, edgecolor="white", linewidth=0.5, zorder=3, **look)
        out = out + 0.08 if angles[speaker] - last < 0.1 else 1.16  # numbers side by side
        last = angles[speaker]
        axes.text(out * x, out * y, speaker, ha="center", va="center", fontsize="small", **look)


def names(axes, embeddings: np.ndarray, speakers: np.ndarray) -> None:
    """The speakers' numbers outside the circle, in the directions of their means."""
    for speaker in np.unique(speakers):
        x, y = embeddings[speakers == speaker].mean(axis=0)
        x, y = 1.15 * np.array([x, y]) / np.hypot(x, y)
        look = {"color": COLOURS[speaker], "fontsize": "small", "ha": "center", "va": "center"}
        axes.text(x, y, speaker, **look)


def when(epoch: int) -> str:
    """The title of a panel."""
    return {0: "before training", -1: "after training"}.get(epoch, f"after {epoch} epochs")
