"""Tables of what is made of trained runs by other scripts: backends.py and geometry.py."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from geometry import PAIRS
from markdown_table import as_table
from scipy import stats

NOT_RUN = "Not run yet."


def backends_table(path: Path, lists: Sequence[str]) -> str:
    """EER by other back-ends than the cosine: each list's, less the cosine's, and how sure."""
    rows = _lines_of(path)
    if not rows:
        return NOT_RUN
    keys = dict.fromkeys((row["system"], row["seed"], row["backend"]) for row in rows)
    lines = [["system", "seed", "back-end", *lists]]
    for key in keys:
        cells = {
            row["trial_list"]: f"{row['eer_percent']}: {float(row['less_cosine']):+.2f} "
            f"[{row['low']} to {row['high']}] ({row['p_better']})"
            for row in rows
            if (row["system"], row["seed"], row["backend"]) == key
        }
        lines.append([*key, *(cells.get(name, "-") for name in lists)])
    return as_table(lines, left=3)


def geometry_table(path: Path) -> str:
    """Where the training speakers of each system lie, and what L_BC changes about it."""
    lines = _lines_of(path)
    if not lines:
        return NOT_RUN
    columns = ("means", "bases", "own_basis")
    table = [["system", "seeds", "two speakers' means", "two bases", "utterance and its basis"]]
    found: dict[str, dict[str, list[float]]] = {}
    for line in lines:
        cells = found.setdefault(line["system"], {column: [] for column in columns})
        for column in columns:
            cells[column].append(float(line[column]))
    for system, cells in found.items():
        seeds = " ".join(line["seed"] for line in lines if line["system"] == system)
        table.append([system, seeds, *(_mean_and_range(cells[column]) for column in columns)])
    changes = [["L_BC added to", "two speakers' means", "two bases", "utterance and its basis"]]
    for without, with_it in PAIRS:
        if {without, with_it} <= found.keys():
            cells = [_change(found[with_it][column], found[without][column]) for column in columns]
            changes.append([f"{without}: {with_it}", *cells])
        else:
            changes.append([f"{without}: {with_it}", *["not run"] * len(columns)])
    return as_table(table, left=2) + "\n\n" + as_table(changes, left=1)


def _lines_of(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _mean_and_range(values: list[float]) -> str:
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def _change(after: list[float], before: list[float]) -> str:
    """The difference of the means, with its 95 % interval over seeds by Welch's t."""
    change = f"{np.mean(after) - np.mean(before):+.3f}"
    if min(len(after), len(before)) < 2:
        return f"{change} (one seed)"
    low, high = stats.ttest_ind(after, before, equal_var=False).confidence_interval()
    return f"{change} [{low:+.3f} to {high:+.3f}]"
