"""Stage 5: tables, figures and a report of everything scored under one experiment folder."""

import argparse
import datetime
import shlex
import sys
from pathlib import Path

from ..command_line import InputError, run_tool
from ..files import atomic_write
from ..registry import add_plugin_option, load_plugins
from ..run_dir import runs
from ..yaml_files import read_yaml
from .reporting import plots
from .reporting.document import Block, Figure, Heading, to_html, to_markdown
from .reporting.results import Collected, Result, collect, groups, write_csv
from .reporting.tables import document

_PROG = "python -m speaker_bases.evaluate.report"


def main(argv: list[str] | None = None) -> int:
    """Write the report of an experiment folder; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=_PROG,
        description="Compute EER and minDCF of every score file under EXP and write "
        "EXP/results.csv, EXP/RESULTS.md (also printed), EXP/report.html and EXP/figures/.",
    )
    parser.add_argument("--exp", type=Path, required=True, help="folder of the systems")
    parser.add_argument("--data", type=Path, required=True, help="folder with test/trials/ in it")
    parser.add_argument(
        "--corpus-conf", type=Path, required=True, help="conf/corpora/CORPUS.yaml of the data"
    )
    parser.add_argument("--command", help="what made all this, to stand in the report")
    add_plugin_option(parser)
    args = parser.parse_args(argv)
    command = args.command or f"{_PROG} {shlex.join(sys.argv[1:] if argv is None else argv)}"

    def body() -> None:
        load_plugins(argv)
        report(args.exp, args.data, args.corpus_conf, command)

    return run_tool(body)


def report(exp: Path, data: Path, corpus_conf: Path, command: str) -> Collected:
    """Write results.csv, RESULTS.md, report.html and the figures; print RESULTS.md.

    Raises:
        InputError: if a configuration, trial list or score file is missing or broken.
    """
    corpus = corpus_conf.stem
    about = read_yaml(corpus_conf)
    if not about.get("description"):
        raise InputError(
            f"{corpus_conf}: has no description; say there what its numbers are comparable with"
        )
    found = collect(exp, data / "test", corpus)
    made = f"Last command: `{command}`. Scores of {_date_of_scores(exp)}."
    blocks = document(found, corpus, about, made)
    blocks += _figures(exp, found.results)
    write_csv(exp / "results.csv", found.results)
    markdown = to_markdown(blocks, exp)
    for name, text in (("RESULTS.md", markdown), ("report.html", to_html(blocks))):
        with atomic_write(exp / name) as file:
            file.write(text)
    sys.stdout.write(markdown)
    return found


def _figures(exp: Path, results: list[Result]) -> list[Block]:
    folder = exp / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    blocks: list[Block] = [Heading("Figures")]

    def draw(plot, what, name: str, caption: str) -> None:
        path = folder / f"{name}.png"
        plot(what, path)
        blocks.append(Figure(path, caption))

    for name, backend, group in groups(results):
        on = f"{name}, {backend}"
        draw(plots.det, group, f"det-{name}-{backend}", f"DET curves on {on}")
        draw(plots.eer_bars, group, f"eer-{name}-{backend}", f"EER on {on}")
        draw(plots.score_histograms, group, f"scores-{name}-{backend}", f"Scores on {on}")
    reported = {result.row["system"] for result in results}
    logs = {
        f"{run.system}, {run.path.name}": run.log
        for run in runs(exp)
        if run.system in reported and run.log.is_file()
    }
    if logs:
        draw(plots.training_curves, logs, "training", "Losses while training")
    return blocks if len(blocks) > 1 else []


def _date_of_scores(exp: Path) -> str:
    scored = [run.scores(*names) for run in runs(exp) for names in run.scored()]
    times = [path.stat().st_mtime for path in scored]
    newest = max(times, default=None)
    return "no date" if newest is None else datetime.date.fromtimestamp(newest).isoformat()


if __name__ == "__main__":
    raise SystemExit(main())
