"""The matrix of a comparison as a picture."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from ..files import atomic_write
from .comparison import Comparison
from .comparison_tables import SURE, Matrix


def draw_matrix(comparisons: Sequence[Comparison], title: str, path: Path) -> None:
    """Draw the difference in EER of every pair of systems, best system first.

    A cell is blue where its row's system is the better one and red where it is the worse, the
    deeper the surer, and pale where other seeds are not covered; bold where the row is better with
    probability 0.95 or more.

    Args:
        comparisons: every pair of the systems.
        title: above the matrix.
        path: of the PNG, written whole or not at all.
    """
    matrix = Matrix.of(comparisons)
    count = len(matrix.names)
    sure = np.full((count, count), 0.5)
    pale = np.ones((count, count))
    for at, row in enumerate(matrix.names):
        for beside, column in enumerate(matrix.names):
            if row != column:
                sure[at, beside] = matrix.probability[row, column]
                pale[at, beside] = 1.0 if matrix.covers_seeds[row, column] else 0.35
    figure = Figure(figsize=(2.2 + 1.1 * count, 1.4 + 0.75 * count), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(sure, cmap="RdBu", vmin=-0.3, vmax=1.3, alpha=pale, aspect="auto")
    for at, row in enumerate(matrix.names):
        for beside, column in enumerate(matrix.names):
            text = matrix.cell(row, column).replace(" (", "\n(")
            weight = "bold" if matrix.is_sure(row, column) else "normal"
            axes.text(beside, at, text, ha="center", va="center", weight=weight, fontsize=9)
    axes.set_xticks(range(count), matrix.names, rotation=30, ha="right")
    axes.set_yticks(range(count), matrix.names)
    axes.set_xticks(np.arange(count - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(count - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.set_title(title, fontsize="medium")
    axes.set_xlabel(
        "row less column in EER, points (P that the row is better;\n"
        f"bold: at least {SURE:g}; ?: other seeds may turn it round)"
    )
    scale = ScalarMappable(image.norm, image.cmap)  # the image itself may be pale
    colours = figure.colorbar(scale, ax=axes, boundaries=np.linspace(0.0, 1.0, 101))
    colours.set_ticks([0.0, 0.05, 0.5, 0.95, 1.0])
    colours.set_label("P that the row is better")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=130)
    with atomic_write(path, "wb") as file:
        file.write(png.getvalue())
