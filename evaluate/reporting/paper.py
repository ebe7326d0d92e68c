"""What the paper's tables report, and which of our results may stand beside it.

Heo et al. 2019, Tables 2 and 4. No setting reaches these numbers.
"""

import math
from dataclasses import dataclass

from .comparable import what_makes_it_another

NAGRANI = "as reported by Nagrani et al. 2017"
FUTURE_WORK = "the paper's future work"


@dataclass(frozen=True)
class Row:
    """A row of the paper's tables, or one that its text announces.

    Attributes:
        system: the file of conf/systems that it is about.
        name: what the paper calls it.
        loss: as the paper writes it.
        eer: in percent, by trial list; NaN where the paper has no number.
        label: what it is, if it is not the paper's own experiment: `NAGRANI` or `FUTURE_WORK`.
    """

    system: str
    name: str
    loss: str
    eer: dict[str, float]
    label: str = ""

    @property
    def title(self) -> str:
        """The name and the label."""
        return f"{self.name} ({self.label})" if self.label else self.name


def _announced(loss: str, name: str, terms: str) -> Row:
    """The x-vector with a loss of the paper: the last paragraph of its conclusions."""
    return Row(f"xvector_{loss}", f"x-vector, {name}", terms, {"vox1-o": math.nan}, FUTURE_WORK)


TABLES = {
    2: (
        Row("ivector", "i-vector PLDA", "-", {"vox1-o": 8.8}, NAGRANI),
        Row("metric_learning", "metric learning", "-", {"vox1-o": 7.8}, NAGRANI),
        Row("softmax", "softmax", "L_S", {"vox1-o": 7.78}),
        Row("center", "centre", "L_S + L_C", {"vox1-o": 6.55}),
        Row("am_softmax", "AM-softmax", "L_AMS", {"vox1-o": 7.31}),
        Row("ge2e", "GE2E", "L_G", {"vox1-o": 10.65}),
        Row("proposed1", "Proposed 1", "L_S + L_C + L_BC", {"vox1-o": 5.96}),
        Row("proposed2", "Proposed 2", "L_H + L_BC", {"vox1-o": 5.55}),
        _announced("softmax", "softmax", "L_S"),
        _announced("proposed1", "Proposed 1", "L_S + L_C + L_BC"),
        _announced("proposed2", "Proposed 2", "L_H + L_BC"),
    ),
    4: (
        Row("vox2_center", "centre", "L_S + L_C", {"vox1-o": 2.99, "vox1-e": 3.01, "vox1-h": 5.19}),
        Row(
            "vox2_proposed_h100",
            "L_BC + L_H, H = 100",
            "L_BC + L_H",
            {"vox1-o": 2.75, "vox1-e": 2.71, "vox1-h": 4.53},
        ),
        Row(
            "vox2_proposed_h50",
            "L_BC + L_H, H = 50",
            "L_BC + L_H",
            {"vox1-o": 2.66, "vox1-e": 2.43, "vox1-h": 4.08},
        ),
    ),
}
"""The tables of error rates, by number."""

ORDER = ("baseline", *(row.system for rows in TABLES.values() for row in rows))
"""The rows of Table 2, then of Table 4; our baseline before them."""

TABLE_OF_CORPUS = {"voxceleb1": 2, "voxceleb2": 4}
"""The corpora of the paper: Table 2 was trained on VoxCeleb1, Table 4 on VoxCeleb2."""

BACKEND_OF_TABLE = {2: "cosine", 4: "bvector"}
"""How the paper scored each table."""


def rows_of(corpus: str) -> list[Row]:
    """The paper's own systems, which a corpus's results list even where they were not run.

    On corpora that are not the paper's they are those of Table 2.
    """
    return [row for row in TABLES[TABLE_OF_CORPUS.get(corpus, 2)] if not row.label]


def row_of(config: dict, corpus: str, backend: str) -> Row | None:
    """The row of the paper's tables that a run's results may stand in, if there is one.

    See `comparable`: a run that differs in anything that the paper gives has none. The paper gives
    the back-end of each table, but not of the systems that it quotes: theirs is the one that the
    system names.
    """
    table = TABLE_OF_CORPUS.get(corpus)
    for row in TABLES.get(table, ()):
        if row.system == config["system"]:
            quoted = row.label == NAGRANI
            scored = config.get("backend", "cosine") if quoted else BACKEND_OF_TABLE[table]
            same = backend == scored and not what_makes_it_another(config, corpus)
            return row if same else None
    return None


def paper_eer(config: dict, corpus: str, trial_list: str, backend: str) -> float:
    """The paper's EER in percent for the same system, corpus, list and back-end, or NaN."""
    row = row_of(config, corpus, backend)
    return row.eer.get(trial_list, math.nan) if row else math.nan


def gain(eer: float, reference: float) -> str:
    """How much lower an error rate is than another, in percent of that one; "" without both."""
    if not (math.isfinite(eer) and math.isfinite(reference) and reference > 0):
        return ""
    return f"{100 * (1 - eer / reference):.0f}"


def position(system: str) -> tuple[int, str]:
    """Sort key: the paper's order, then systems that are not the paper's by name."""
    return (ORDER.index(system) if system in ORDER else len(ORDER), system)
