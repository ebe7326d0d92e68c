"""Comparisons as tables: one line a pair, and a matrix that one reads at a glance."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from .comparison import Comparison
from .difference import Difference

SURE = 0.95
"""Probability from which a system counts as better than another in a matrix."""

_HEADS = (
    "A",
    "B",
    "seeds",
    "EER A",
    "EER B",
    "A - B, points",
    "95 % interval",
    "P(A better)",
    "p",
    "p corrected",
    "speakers to tell",
    "seeds to tell",
    "minDCF A - B",
    "95 % interval",
    "P(A better)",
)


@dataclass(frozen=True)
class Matrix:
    """How much better each system is than each other, in EER.

    Attributes:
        names: the systems, best first.
        eer: (systems,) each one's EER in percent.
        value: (row, column) -> the row's EER less the column's, percent points.
        probability: (row, column) -> that the row's system is better.
        covers_seeds: (row, column) -> whether that is about other seeds too.
    """

    names: list[str]
    eer: dict[str, float]
    value: dict[tuple[str, str], float]
    probability: dict[tuple[str, str], float]
    covers_seeds: dict[tuple[str, str], bool]

    @classmethod
    def of(cls, comparisons: Sequence[Comparison]) -> "Matrix":
        eer, value, probability, covers_seeds = {}, {}, {}, {}
        for each in comparisons:
            eer |= {each.a: each.eer.rate_a, each.b: each.eer.rate_b}
            value |= {(each.a, each.b): each.eer.value, (each.b, each.a): -each.eer.value}
            sure = each.eer.probability
            probability |= {(each.a, each.b): sure, (each.b, each.a): 1.0 - sure}
            covers_seeds |= dict.fromkeys([(each.a, each.b), (each.b, each.a)], each.covers_seeds)
        names = sorted(eer, key=lambda name: (eer[name], name))
        return cls(names, eer, value, probability, covers_seeds)

    def is_sure(self, row: str, column: str) -> bool:
        """Whether the row's system is better with `SURE` probability, other seeds included."""
        pair = row, column
        return row != column and self.covers_seeds[pair] and self.probability[pair] >= SURE

    def cell(self, row: str, column: str) -> str:
        """``-1.24 (0.98)``, with ``?`` if seeds are not covered; the EER on the diagonal."""
        if row == column:
            return f"{self.eer[row]:.2f} %"
        open_end = "" if self.covers_seeds[row, column] else "?"
        return f"{self.value[row, column]:+.2f} ({self.probability[row, column]:.2f}{open_end})"


def as_text(title: str, comparisons: Sequence[Comparison]) -> str:
    """For a terminal: the pairs, the matrix, and what both say and do not say."""
    matrix = Matrix.of(comparisons)

    def mark(row: str, column: str) -> str:
        return matrix.cell(row, column) + ("*" if matrix.is_sure(row, column) else " ")

    cells = [["", *matrix.names]]
    cells += [[row, *(mark(row, column) for column in matrix.names)] for row in matrix.names]
    pairs = [list(_HEADS), *map(_cells, comparisons)]
    legend = _legend("with * where")
    return (
        "\n\n".join([title, _aligned(pairs), _aligned(cells), legend, *notes(comparisons)]) + "\n"
    )


def as_markdown(title: str, comparisons: Sequence[Comparison]) -> str:
    """The same for a page: the matrix first."""
    matrix = Matrix.of(comparisons)

    def mark(row: str, column: str) -> str:
        text = matrix.cell(row, column)
        return f"**{text}**" if matrix.is_sure(row, column) else text

    cells = [["", *matrix.names]]
    cells += [[row, *(mark(row, column) for column in matrix.names)] for row in matrix.names]
    pairs = [list(_HEADS), *map(_cells, comparisons)]
    legend = _legend("bold where")
    parts = [title, _piped(cells), legend, _piped(pairs), *notes(comparisons)]
    return "\n\n".join(parts) + "\n"


def as_csv(list_name: str, comparisons: Sequence[Comparison]) -> str:
    """Every number of every pair, with all its digits; a count out of reach is empty."""
    rows = []
    for each in comparisons:
        row = {"trial_list": list_name, "a": each.a, "b": each.b, "named": each.named}
        row |= {"seeds_a": each.seeds_a, "seeds_b": each.seeds_b, "speakers": each.speakers}
        row["covers_seeds"] = each.covers_seeds
        for measure in ("eer", "min_dcf"):
            numbers = asdict(getattr(each, measure))
            row |= {f"{measure}_{name}": number for name, number in numbers.items()}
        rows.append(row)
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def notes(comparisons: Sequence[Comparison]) -> list[str]:
    """What a reader must know of these intervals and p-values, a sentence or two each."""
    found = []
    alone = [f"{each.a} - {each.b}" for each in comparisons if not each.covers_seeds]
    if alone:
        which = (
            "All intervals" if len(alone) == len(comparisons) else f"Those of {', '.join(alone)}"
        )
        found.append(
            f"Seeds are not covered: {which} are about other speakers only, since a system has "
            "one seed; another training may turn the difference round."
        )
    if len(alone) < len(comparisons):
        rest = "The other intervals" if alone else "Intervals"
        found.append(f"{rest} are about other speakers and other seeds.")
    found.append(_correction(comparisons))
    found.append(
        "To tell: so many speakers, or seeds of each system, would give a difference of this size "
        "an interval that just excludes 0; '-': no number would, or the seeds' variance is unknown."
    )
    return found


def _correction(comparisons: Sequence[Comparison]) -> str:
    named = [each for each in comparisons if each.named]
    exploratory = len(comparisons) - len(named)
    text = ""
    if exploratory:
        text = f"The p-values of exploratory pairs ({exploratory}) are corrected by Holm's method."
    if named:
        corrected = any(each.eer.p_adjusted != each.eer.p_value for each in named)
        how = "corrected among themselves by Holm's method" if corrected else "not corrected"
        text += f" Those of pairs named beforehand ({len(named)}, marked !) are {how}."
    return text.strip()


def _legend(marked: str) -> str:
    return (
        "Row less column in EER, percent points, and in brackets the probability that the row is "
        f"better, {marked} it is at least {SURE:g}; with ? where other seeds may turn it round; "
        "on the diagonal, the EER."
    )


def _cells(each: Comparison) -> list[str]:
    eer, cost = each.eer, each.min_dcf
    return [
        each.a + (" !" if each.named else ""),
        each.b,
        f"{each.seeds_a}, {each.seeds_b}",
        f"{eer.rate_a:.2f}",
        f"{eer.rate_b:.2f}",
        f"{eer.value:+.2f}",
        _interval(eer, 2),
        f"{eer.probability:.3f}",
        f"{eer.p_value:.3f}",
        f"{eer.p_adjusted:.3f}",
        _count(eer.speakers_needed),
        _count(eer.seeds_needed),
        f"{cost.value:+.3f}",
        _interval(cost, 3),
        f"{cost.probability:.3f}",
    ]


def _interval(found: Difference, digits: int) -> str:
    return f"{found.low:+.{digits}f} to {found.high:+.{digits}f}"


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _piped(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
