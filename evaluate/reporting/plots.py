"""The report's figures: DET curves, EER bars, training curves, score histograms."""

import io
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ...files import atomic_write
from ...run_dir import read_log
from .results import Result

_TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 40, 60, 80]
"""Percent, of which an axis shows those in its range."""


def det(results: list[Result], path: Path) -> None:
    """DET curves of one trial list on probit axes, on which normal scores make straight lines."""
    figure = Figure(figsize=(6.5, 6), layout="constrained")
    axes = figure.subplots()
    lowest = min(result.row["eer_percent"] for result in results) / 100
    low, high = (1e-4, 0.5) if lowest < 0.01 else (1e-3, 0.6 if lowest < 0.4 else 0.9)
    palette = _colours(results)
    styles = ["-", "--", ":", "-."]
    seeds = sorted({result.row["seed"] for result in results})
    for result in results:
        curve = result.curve
        axes.plot(
            _probit(curve.false_alarm, low),
            _probit(curve.miss, low),
            color=palette[result.row["system"]],
            linestyle=styles[seeds.index(result.row["seed"]) % len(styles)],
            label=_label(result, len(seeds) > 1),
        )
    axes.plot(*[_probit(np.array([low, high]), low)] * 2, color="0.8", linewidth=0.8, zorder=0)
    ticks = [tick for tick in _TICKS if low <= tick / 100 <= high]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(_probit(np.array(ticks) / 100, low), [f"{tick:g}" for tick in ticks])
        axis.set_minor_locator(NullLocator())
    limits = _probit(np.array([low, high]), low)
    axes.set(xlim=limits, ylim=limits, xlabel="false alarms, %", ylabel="misses, %")
    axes.set_title(f"{results[0].row['trial_list']} ({results[0].row['backend']}); EER")
    axes.grid(color="0.9")
    axes.legend(fontsize="small")
    save_png(figure, path)


def eer_bars(results: list[Result], path: Path) -> None:
    """EER of every system and seed of one trial list, with its interval."""
    figure = Figure(figsize=(7, 1 + 0.4 * len(results)), layout="constrained")
    axes = figure.subplots()
    palette = _colours(results)
    for at, result in enumerate(results):
        row = result.row
        axes.barh(at, row["eer_percent"], color=palette[row["system"]], height=0.7)
        axes.plot([row["eer_low"], row["eer_high"]], [at, at], color="0.2", linewidth=1.5)
    names = [f"{result.row['system']} seed {result.row['seed']}" for result in results]
    axes.set_yticks(range(len(results)), names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("EER, % (line: 95 % interval over speakers)")
    axes.set_title(f"{results[0].row['trial_list']} ({results[0].row['backend']})")
    save_png(figure, path)


def score_histograms(results: list[Result], path: Path) -> None:
    """How target and non-target scores are distributed, a panel for each system and seed."""
    figure, panels = _panels(len(results))
    for axes, result in zip(panels, results, strict=False):
        edges, target, nontarget = result.histograms
        axes.stairs(nontarget, edges, fill=True, alpha=0.5, color="C0", label="non-target")
        axes.stairs(target, edges, fill=True, alpha=0.5, color="C1", label="target")
        axes.set_title(f"{result.row['system']}, seed {result.row['seed']}", fontsize="medium")
        axes.set_yticks([])
    panels[0].legend(fontsize="small")
    figure.supxlabel(f"score, {results[0].row['trial_list']} ({results[0].row['backend']})")
    save_png(figure, path)


def training_curves(logs: dict[str, Path], path: Path) -> None:
    """Every loss over the epochs, a panel for each system and seed.

    Args:
        logs: log.csv by the name of the system and seed.
        path: of the figure.
    """
    figure, panels = _panels(len(logs))
    for axes, (name, log) in zip(panels, logs.items(), strict=False):
        table = pd.DataFrame(read_log(log)).apply(pd.to_numeric, errors="coerce")
        for column in table.columns.difference(["epoch", "step", "seconds"], sort=False):
            axes.plot(table["epoch"], table[column], marker=".", label=column)
        axes.set_title(name, fontsize="medium")
        axes.legend(fontsize="small")
    figure.supxlabel("epoch")
    save_png(figure, path)


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=130)
    with atomic_write(path, "wb") as file:
        file.write(image.getvalue())


def _panels(count: int):
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(1 + 3.3 * columns, 0.6 + 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels


def _label(result: Result, several_seeds: bool) -> str:
    row = result.row
    seed = f", seed {row['seed']}" if several_seeds else ""
    return f"{row['system']}{seed}: {row['eer_percent']:.2f} %"


def _colours(results: list[Result]) -> dict[str, str]:
    """One colour a system, whatever the seed."""
    names = dict.fromkeys(result.row["system"] for result in results)
    return {name: f"C{index % 10}" for index, name in enumerate(names)}


def _probit(rates: np.ndarray, low: float) -> np.ndarray:
    """Normal quantiles; rates of 0 and 1 are drawn just outside the axes."""
    clipped = np.clip(rates, low / 2, 1 - low / 2)
    return np.array([NormalDist().inv_cdf(rate) for rate in clipped])
