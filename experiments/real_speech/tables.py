"""The tables of README.md and docs/real-speech.md that the comparison on real speech fills.

A document holds a table between two lines,

    <!-- begin real-speech-NAME: made by experiments/real_speech/tables.py -->
    <!-- end real-speech-NAME -->

and what stands between them is written anew from the results (runs.csv) and the plan (runs.txt):
a run that is planned and not in the results is a row that says so. The figure beside the results is
drawn anew too.
"""

import argparse
import re
from pathlib import Path

from comparisons import comparison
from error_rates import draw_error_rates
from markdown_table import as_table
from planned_runs import Rows, Run, all_runs
from record import read_rows
from side_tables import backends_table, geometry_table

from speaker_bases.command_line import InputError, run_tool
from speaker_bases.files import atomic_write

ROOT = Path(__file__).resolve().parents[2]
PLAN = Path(__file__).with_name("runs.txt")
RESULTS = ROOT / "docs" / "real-speech" / "runs.csv"
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "real-speech.md"]
LISTS = ("so762", "so762-hard", "gsc", "libri")
HELD_OUT = "held-out"
NOT_RUN = "not run"
SILENCE = "silence-"
"""What the names of runs begin with that change one choice the paper is silent about."""
SIZES = "ivector-"
"""What the names of runs begin with that choose the size of the i-vector system."""


def main(argv: list[str] | None = None) -> int:
    """Write the tables, or only look whether they are what they should be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--csv", type=Path, default=RESULTS, help="(default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=PLAN, help="the plan (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if any differs")
    parser.add_argument(
        "documents", type=Path, nargs="*", help="(default: README.md docs/real-speech.md)"
    )
    args = parser.parse_args(argv)
    return run_tool(lambda: update(args.documents or DOCUMENTS, args.csv, args.runs, args.check))


def update(documents: list[Path], results: Path, plan: Path, check: bool = False) -> None:
    """Put the tables of the results into the documents.

    Args:
        documents: files with at least one marked place each.
        results: the CSV.
        plan: a file as runs.txt.
        check: write nothing.

    Raises:
        InputError: no results, a document without a marked place or with one for an unknown
            table, or, with `check`, a document that is not up to date.
    """
    rows = read_rows(results)
    if not rows:
        raise InputError(f"{results}: no results; run experiments/real_speech.sh")
    runs = all_runs(rows, plan)
    for document in documents:
        old = document.read_text(encoding="utf-8")
        new = filled(old, runs, document, results.parent / "scores")
        if check and new != old:
            raise InputError(f"{document}: not what {results} says; run {Path(__file__).name}")
        if new != old:
            with atomic_write(document) as file:
                file.write(new)
    if not check:
        rates = {
            run.name: {name: [float(row["eer_percent"]) for row in run.on(name)] for name in LISTS}
            for run in runs
            if run.data in ("train", "-")
        }
        draw_error_rates(rates, LISTS, results.parent / "error-rates.png")


def filled(text: str, runs: list[Run], where: Path, scores: Path) -> str:
    """The document with its marked places filled."""
    compared = {
        f"real-speech-comparison-{name}": lambda name=name: comparison(runs, scores, name)
        for name in LISTS
    }
    tables = compared | {
        "real-speech-summary": lambda: summary_table(runs),
        "real-speech-systems": lambda: systems_table(runs),
        "real-speech-min-dcf": lambda: min_dcf_table(runs),
        "real-speech-held-out": lambda: held_out_table(runs),
        "real-speech-ivector-sizes": lambda: changes_table(runs, SIZES, "components x dimensions"),
        "real-speech-silences": lambda: changes_table(runs, SILENCE, "choice"),
        "real-speech-backends": lambda: backends_table(scores.parent / "backends.csv", LISTS),
        "real-speech-geometry": lambda: geometry_table(scores.parent / "geometry.csv"),
        "real-speech-runs": lambda: runs_table(runs),
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


def summary_table(runs: list[Run]) -> str:
    """Systems trained on all speakers by trial list: the mean EER over the seeds."""
    lines = [["system", "loss", "seeds", *LISTS]]
    for run in runs:
        if run.data in ("-", "train"):
            means = (mean(run.on(name), "eer_percent", 2) for name in LISTS)
            lines.append([run.name, run.loss, seeds_of(run), *means])
    return as_table(lines, left=2)


def systems_table(runs: list[Run]) -> str:
    """Every system by trial list: EER, and what it took to train."""
    head = ["system", "loss", "trained on", "steps", "seeds"]
    lines = [[*head, *(f"EER %, {name}" for name in LISTS), "min"]]
    for run in runs:
        if run.data == "kept":
            continue
        trained = [row for row in run.on(LISTS[0]) if int(row["steps"])]
        minutes = sum(float(row["train_seconds"]) for row in trained) / 60 / max(1, len(trained))
        lines.append(
            [
                *(run.name, run.loss, run.data),
                trained[0]["steps"] if trained else "-",
                seeds_of(run),
                *(rates_of(run.on(name)) for name in LISTS),
                f"{minutes:.0f}" if trained else "-",
            ]
        )
    return as_table(lines, left=3)


def min_dcf_table(runs: list[Run]) -> str:
    """Every system by trial list: minDCF, the mean over the seeds."""
    lines = [["system", "loss", "trained on", "seeds", *LISTS]]
    for run in runs:
        if run.data != "kept":
            means = (mean(run.on(name), "min_dcf_0.01", 3) for name in LISTS)
            lines.append([run.name, run.loss, run.data, seeds_of(run), *means])
    return as_table(lines, left=3)


def held_out_table(runs: list[Run]) -> str:
    """The runs that chose the number of steps, on held-out training speakers."""
    head = ["run", "loss", "epochs", "steps", "seed", "EER %, 95 % interval", "minDCF p=0.01"]
    lines = [[*head, "training loss, first to last epoch", "min"]]
    chose = (r for r in runs if r.data == "kept" and not r.name.startswith((SILENCE, SIZES)))
    for run in sorted(chose, key=lambda r: int(r.epochs)):
        rows = {row["seed"]: row for row in run.on(HELD_OUT)}
        for seed in run.seeds:
            if seed not in rows:
                lines.append([run.name, run.loss, run.epochs, "-", seed, NOT_RUN, *["-"] * 3])
                continue
            row = rows[seed]
            lines.append(
                [
                    *(run.name, run.loss, run.epochs, row["steps"], seed, with_interval(row)),
                    row["min_dcf_0.01"],
                    f"{row['first_loss']} to {row['last_loss']}",
                    f"{float(row['train_seconds']) / 60:.0f}",
                ]
            )
    return as_table(lines, left=2)


def changes_table(runs: list[Run], prefix: str, what: str) -> str:
    """One choice changed at a time, on held-out training speakers.

    Args:
        runs: the plan and what was made of it.
        prefix: what the names of the runs begin with.
        what: heads the rest of their names.
    """
    lines = [[what, "loss", "steps", "seeds", "EER %", "minDCF p=0.01"]]
    for run in runs:
        if run.name.startswith(prefix):
            rows = run.on(HELD_OUT)
            steps = rows[0]["steps"] if rows else "-"
            about = [run.name.removeprefix(prefix), run.loss, steps, seeds_of(run)]
            lines.append([*about, rates_of(rows), mean(rows, "min_dcf_0.01", 3)])
    return as_table(lines, left=2)


def runs_table(runs: list[Run]) -> str:
    """A line for each run and seed, and below the commands that trained them."""
    head = ["run", "seed", "trained on", "epochs"]
    head += [f"EER %, {name}" for name in (*LISTS, HELD_OUT)]
    lines = [[*head, "loss, first to last", "s", "type", "device", "commit", "date"]]
    commands = {}
    for run in runs:
        for seed in run.seeds:
            rows = {row["trial_list"]: row for row in run.rows if row["seed"] == seed}
            about = [run.name, seed, run.data, run.epochs]
            if not rows:
                lines.append([*about, *[NOT_RUN if run.data != "kept" else "-"] * len(LISTS)])
                lines[-1] += [NOT_RUN if run.data == "kept" else "-", *["-"] * 6]
                continue
            row = next(iter(rows.values()))
            losses = f"{row['first_loss']} to {row['last_loss']}" if row["first_loss"] else "-"
            lines.append(
                [
                    *about,
                    *(
                        with_interval(rows[name]) if name in rows else "-"
                        for name in (*LISTS, HELD_OUT)
                    ),
                    losses,
                    *(row[name] or "-" for name in ("train_seconds", "dtype", "device")),
                    *(row[name] for name in ("commit", "date")),
                ]
            )
            command = re.sub(r"(seed ?)[0-9]+", r"\1K", row["command"])
            commands[f"{row['commit']} {run.name}: {command}"] = None
    return as_table(lines, left=len(lines[0])) + "\n\n```\n" + "\n".join(commands) + "\n```"


def seeds_of(run: Run) -> str:
    """`0 1 2`, those that were run; `0 (of 3)` if more are planned."""
    done = sorted({row["seed"] for row in run.rows}, key=int)
    if not done:
        return NOT_RUN
    return " ".join(done) + (f" (of {len(run.seeds)})" if len(done) < len(run.seeds) else "")


def rates_of(rows: Rows) -> str:
    """`5.43 (4.91 to 6.10)`: mean and range of the seeds, or the interval of the only one."""
    if not rows:
        return NOT_RUN
    if len(rows) == 1:
        return with_interval(rows[0])
    rates = [float(row["eer_percent"]) for row in rows]
    return f"{mean(rows, 'eer_percent', 2)} ({min(rates):.2f} to {max(rates):.2f})"


def mean(rows: Rows, column: str, digits: int) -> str:
    """The mean over the seeds."""
    if not rows:
        return NOT_RUN
    return f"{sum(float(row[column]) for row in rows) / len(rows):.{digits}f}"


def with_interval(row: dict[str, str]) -> str:
    """The EER with its 95 % interval over test speakers, in square brackets."""
    return f"{row['eer_percent']} [{row['eer_low']} to {row['eer_high']}]"


if __name__ == "__main__":
    raise SystemExit(main())
