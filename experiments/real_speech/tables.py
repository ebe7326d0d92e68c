"""The tables of README.md and RESULTS.md that real_speech.sh's results fill.

A document holds a table between two lines,

    <!-- begin NAME: made by benchmarks/real_speech/tables.py -->
    <!-- end NAME -->

and what stands between them is written anew from the CSV.
"""

import argparse
import re
from itertools import groupby
from pathlib import Path

from record import read_rows

from speaker_bases.command_line import InputError, run_tool
from speaker_bases.files import atomic_write

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "real-speech" / "results.csv"
SHORT = "-2s"  # the end of the name of a list of first seconds

SYSTEMS = (
    "baseline",
    "resemblyzer",
    "softmax",
    "center",
    "am_softmax",
    "ge2e",
    "proposed1",
    "hard_negative",
    "proposed2",
)
"""Rows of the table of systems; every other name in the CSV is a row of the ablation."""

Rows = list[dict[str, str]]


def main(argv: list[str] | None = None) -> int:
    """Write the tables, or only look whether they are what they should be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--csv", type=Path, default=RESULTS, help="(default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if any differs")
    parser.add_argument("documents", type=Path, nargs="*", help="(default: README.md RESULTS.md)")
    args = parser.parse_args(argv)
    documents = args.documents or [ROOT / "README.md", ROOT / "RESULTS.md"]
    return run_tool(lambda: update(documents, args.csv, args.check))


def update(documents: list[Path], path: Path, check: bool = False) -> None:
    """Put the tables of the results into the documents.

    Args:
        documents: files with at least one marked place each.
        path: the CSV.
        check: write nothing.

    Raises:
        InputError: no results, a document without a marked place or with one for an unknown
            table, or, with `check`, a document that is not up to date.
    """
    rows = read_rows(path)
    if not rows:
        raise InputError(f"{path}: no results; run benchmarks/real_speech.sh")
    for document in documents:
        old = document.read_text(encoding="utf-8")
        new = filled(old, rows, path.parent / "impostors.txt", document)
        if check and new != old:
            raise InputError(f"{document}: not what {path} says; run {Path(__file__).name} again")
        if new != old:
            with atomic_write(document) as file:
                file.write(new)


def filled(text: str, rows: Rows, impostors: Path, where: Path) -> str:
    """The document with its marked places filled."""
    tables = {
        "real-speech-systems": lambda: systems_table(rows),
        "real-speech-ablation": lambda: ablation_table(rows),
        "real-speech-runs": lambda: runs_table(rows),
        "real-speech-impostors": lambda: impostors_table(impostors),
    }
    pattern = re.compile(
        r"(<!-- begin (real-speech-\S+): .*? -->\n).*?(<!-- end \2 -->)", re.DOTALL
    )

    def table(match: re.Match) -> str:
        if match[2] not in tables:
            raise InputError(f"{where}: no such table '{match[2]}'; there are {', '.join(tables)}")
        return f"{match[1]}\n{tables[match[2]]()}\n\n{match[3]}"

    text, count = pattern.subn(table, text)
    if not count:
        raise InputError(f"{where}: no line '<!-- begin real-speech-...: ... -->'")
    return text


def systems_table(rows: Rows) -> str:
    """Each system over its seeds, most epochs first, on whole utterances and on first seconds."""
    lines = [
        ["system", "loss", "steps", "seeds", "EER %, whole utterances", "EER %, first 2 s", "min"],
        ["---", "---", "---:", "---", "---:", "---:", "---:"],
    ]
    rows = [row for row in rows if row["name"] in SYSTEMS]

    def order(row):
        return -int(row["epochs"]) if int(row["epochs"]) else -(10**9), SYSTEMS.index(row["name"])

    for _, group in groupby(sorted(rows, key=order), key=order):
        group = list(group)
        whole, short = split(group)
        minutes = sum(float(row["train_seconds"]) / 60 for row in whole) / len(whole)
        trained = int(whole[0]["epochs"]) > 0
        lines.append(
            [
                whole[0]["name"],
                whole[0]["loss"],
                whole[0]["steps"] if trained else "-",
                " ".join(sorted(row["seed"] for row in whole)),
                mean_and_range(whole),
                mean_and_range(short),
                f"{minutes:.1f}" if trained else "-",
            ]
        )
    return as_table(lines)


def ablation_table(rows: Rows) -> str:
    """One change at a time, seed 0, beside the run without it."""
    lines = [
        ["run", "what is changed", "steps", "EER %, whole utterances", "EER %, first 2 s"],
        ["---", "---", "---:", "---:", "---:"],
    ]
    rows = [row for row in rows if row["seed"] == "0" and int(row["epochs"])]
    changed = [row for row in rows if row["name"] not in SYSTEMS]
    bases = dict.fromkeys(base_of(row) for row in changed)
    epochs = min((int(row["epochs"]) for row in changed), default=0)
    for base in bases:
        names = dict.fromkeys(
            row["name"] for row in rows if row["name"] == base or base_of(row) == base
        )
        for name in sorted(names, key=lambda name: name != base):
            group = [r for r in rows if r["name"] == name and int(r["epochs"]) == epochs]
            if not group:
                continue
            whole, short = split(group)
            change = "-" if name == base else f"`{whole[0]['settings'].replace(' ', '` `')}`"
            rates = [with_interval(part[0]) for part in (whole, short)]
            lines.append([name, change, whole[0]["steps"], *rates])
    return as_table(lines)


def base_of(row: dict[str, str]) -> str:
    """The system that a run is a variant of: the file of conf/systems in its command."""
    match = re.search(r"--system \S*?(\w+)\.yaml", row["command"])
    return match[1] if match else row["name"]


def runs_table(rows: Rows) -> str:
    """Every line of the results, and below the commands that trained each run."""
    head = ["run", "seed", "epochs", "trial list", "EER %, 95 % interval", "minDCF p=0.01"]
    head += ["training loss, first to last epoch", "s", "type", "device", "commit", "date"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        losses = f"{row['first_loss']} to {row['last_loss']}" if row["first_loss"] else "-"
        lines.append(
            [
                *(row[name] for name in ("name", "seed", "epochs", "trial_list")),
                with_interval(row),
                row["min_dcf_0.01"],
                losses,
                *(row[name] for name in ("train_seconds", "dtype", "device", "commit", "date")),
            ]
        )
    commands = {}
    for row in rows:
        command = re.sub(r"(seed ?)[0-9]+", r"\1K", row["command"])
        commands[f"{row['name']}: {command}"] = None
    return as_table(lines) + "\n\n```\n" + "\n".join(commands) + "\n```"


def impostors_table(path: Path) -> str:
    """The mean cosines under Figure 2, from the lines that real_speech.sh keeps of its making."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    form = r"^(.+): mean (\S+) of (.*) \(.*/seed(\d+)\)$"
    of_means: dict[str, list[str]] = {}
    of_bases: dict[str, list[str]] = {}
    for loss, mean, what, seed in re.findall(form, text, re.MULTILINE):
        means = of_means if what.endswith("impostor cosines") else of_bases
        means.setdefault(loss, []).append(f"{seed}: {mean}")
    lines = [["loss", "mean embeddings, by seed", "bases, by seed"], ["---", "---:", "---:"]]
    for loss, means in of_means.items():
        lines.append([loss, ", ".join(means), ", ".join(of_bases.get(loss, ["-"]))])
    return as_table(lines)


def split(rows: Rows) -> tuple[Rows, Rows]:
    """The rows on whole utterances and those on first seconds."""
    short = [row for row in rows if row["trial_list"].endswith(SHORT)]
    return [row for row in rows if row not in short], short


def mean_and_range(rows: Rows) -> str:
    """`5.4 (4.9 to 6.1)` over the seeds; the number alone if there is one."""
    rates = [float(row["eer_percent"]) for row in rows]
    mean = f"{sum(rates) / len(rates):.2f}"
    return mean if len(rates) == 1 else f"{mean} ({min(rates):.2f} to {max(rates):.2f})"


def with_interval(row: dict[str, str]) -> str:
    """The EER with its 95 % interval over test speakers."""
    return f"{row['eer_percent']} ({row['eer_low']} to {row['eer_high']})"


def as_table(lines: list[list[str]]) -> str:
    """The lines of a Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    raise SystemExit(main())
