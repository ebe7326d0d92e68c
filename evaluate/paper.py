"""What the paper's tables report, and which of our results may stand beside it.

Heo et al. 2019, Tables 2 and 4. The numbers of the systems built here are in their YAML files
(`paper_eer`); here are the order of the rows and the two that the paper itself quotes.
"""

import math

from ..models.experiment import ExperimentDir

ORDER = (
    "baseline",
    "softmax",
    "center",
    "am_softmax",
    "ge2e",
    "proposed1",
    "proposed2",
    "vox2_center",
    "vox2_proposed_h100",
    "vox2_proposed_h50",
)
"""The rows of Table 2, then of Table 4; our baseline before them."""

QUOTED = (
    ("i-vector PLDA (as reported by Nagrani et al. 2017)", "-", {"vox1-o": 8.8}),
    ("metric learning (as reported by Nagrani et al. 2017)", "-", {"vox1-o": 7.8}),
)
"""Table 2's first two rows: title, loss, EER in percent by trial list."""

OF_THE_SYSTEM = frozenset({"network", "similarity", "losses", "weight_decay", "optimizer", "batch"})
"""The settings that the paper gives for a row; one that was changed makes another system."""

TABLE_OF_CORPUS = {"voxceleb1": 2, "voxceleb2": 4}
"""The corpora of the paper: Table 2 was trained on VoxCeleb1, Table 4 on VoxCeleb2."""

BACKEND_OF_TABLE = {2: "cosine", 4: "bvector"}
"""How the paper scored each table."""


def table_of(corpus: str) -> int:
    """Whose systems a corpus's results list; on corpora that are not the paper's, Table 2's."""
    return TABLE_OF_CORPUS.get(corpus, 2)


def paper_eer(
    system: ExperimentDir, config: dict, corpus: str, trial_list: str, backend: str
) -> float:
    """The paper's EER in percent for the same system, corpus, list and back-end, or NaN.

    A folder that is not named as its system holds a variation of it, which the paper has not; and
    so does one for which the command line changed one of `OF_THE_SYSTEM`.
    """
    changed = {text.partition("=")[0].partition(".")[0] for text in config.get("overrides", [])}
    table = config.get("paper_table")
    same = (
        TABLE_OF_CORPUS.get(corpus) == table
        and BACKEND_OF_TABLE.get(table) == backend
        and system.path.parent.name == config["system"]
        and not changed & OF_THE_SYSTEM
    )
    return config.get("paper_eer", {}).get(trial_list, math.nan) if same else math.nan


def position(system: str) -> tuple[int, str]:
    """Sort key: the paper's order, then systems that are not the paper's by name."""
    return (ORDER.index(system) if system in ORDER else len(ORDER), system)
