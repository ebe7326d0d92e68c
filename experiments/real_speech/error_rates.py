"""A picture of the comparison: the EER of every system on each trial list, a dot a seed."""

from pathlib import Path

from matplotlib.figure import Figure

from speaker_bases.evaluate.reporting.plots import save_png


def draw_error_rates(
    rates: dict[str, dict[str, list[float]]], lists: tuple[str, ...], path: Path
) -> None:
    """Draw the figure.

    Args:
        rates: by system, from top to bottom, and trial list the EERs of its seeds in percent;
            a system without any gets an empty line.
        lists: the trial lists, a panel each.
        path: the PNG file to write.
    """
    figure = Figure(figsize=(9, 0.8 + 0.28 * len(rates)), layout="constrained")
    panels = figure.subplots(1, len(lists), sharey=True, squeeze=False)[0]
    heights = range(len(rates))
    for axes, name in zip(panels, lists, strict=True):
        for height, by_list in zip(heights, rates.values(), strict=True):
            values = by_list.get(name, [])
            if not values:
                axes.annotate(
                    "not run", (0.04, height), xycoords=("axes fraction", "data"),
                    color="0.6", va="center", fontsize="small",
                )  # fmt: skip
                continue
            axes.plot(values, [height] * len(values), "o", color="C0", alpha=0.5)
            axes.plot(sum(values) / len(values), height, "|", color="black", markersize=12)
        axes.set(title=name, xlim=(0, None), ylim=(len(rates) - 0.5, -0.5))
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(heights, list(rates))
    figure.supxlabel("EER %: dots are seeds, the bar is their mean", fontsize="small")
    save_png(figure, path)
