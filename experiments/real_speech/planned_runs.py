"""The runs of the comparison: what runs.txt plans, with what the results have of it."""

import re
from dataclasses import dataclass
from pathlib import Path

from speaker_bases.command_line import InputError
from speaker_bases.train.config import load_config

HERE = Path(__file__).resolve().parent
CONF = HERE.parents[1] / "conf"
ORDER = (
    "baseline",
    "resemblyzer",
    "ivector",
    "metric_learning",
    "softmax",
    "center",
    "am_softmax",
    "ge2e",
    "proposed1",
    "hard_negative",
    "proposed2",
    "author2019",
    "xvector_softmax",
    "xvector_proposed2",
)
"""Of the rows: the paper's Table 2, L_H alone before L_H + L_BC; the author's later code; the
network that the paper names as the next."""

Rows = list[dict[str, str]]


@dataclass
class Run:
    """One line of a table: a system over its seeds.

    Attributes:
        name: of the system's folder.
        loss: as the paper writes it.
        data: what it is trained on; "-" for what is not trained here.
        epochs: how long.
        seeds: those that are planned.
        rows: the lines of the results, of all seeds and lists.
    """

    name: str
    loss: str
    data: str
    epochs: str
    seeds: list[str]
    rows: Rows

    def on(self, trial_list: str) -> Rows:
        """The lines of one trial list, by seed."""
        rows = [row for row in self.rows if row["trial_list"] == trial_list]
        return sorted(rows, key=lambda row: int(row["seed"]))


def all_runs(rows: Rows, plan: Path) -> list[Run]:
    """What is planned, and what else is in the results, in the order of the tables."""
    runs = {(run.name, run.epochs): run for run in planned(plan)}
    for row in rows:
        key = row["name"], row["epochs"]
        if key not in runs:
            runs[key] = Run(row["name"], row["loss"], row["data"], row["epochs"], [], [])
        run = runs[key]
        run.rows.append(row)
        if row["seed"] not in run.seeds:
            run.seeds.append(row["seed"])

    def order(run: Run) -> tuple[int, int]:
        system = re.sub(r"-(so762|[0-9]+)$", "", run.name)
        place = ORDER.index(system) if system in ORDER else len(ORDER)
        return (0 if run.data in ("-", "train") else 1), place

    return sorted(runs.values(), key=order)


def planned(path: Path) -> list[Run]:
    """The runs of a file as runs.txt, those of one name and length joined.

    Raises:
        InputError: a line has too few words, or its settings are no configuration.
    """
    runs: dict[tuple[str, str], Run] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) < 5:
            raise InputError(f"{path}:{number}: expected name system data epochs seeds settings...")
        name, system, data, epochs, seeds, *settings = words
        config = load_config(CONF / "systems" / f"{system}.yaml", HERE / "open-sv.yaml", settings)
        run = runs.setdefault((name, epochs), Run(name, config["loss"], data, epochs, [], []))
        run.seeds += seeds.split(",")
    return list(runs.values())
