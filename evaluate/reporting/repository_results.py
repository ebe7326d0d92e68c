"""RESULTS.md of the repository, in Kaldi's habit: what was run, with which command, and when."""

import argparse
import re
import sys
from pathlib import Path

from ...command_line import InputError, run_tool
from ...files import atomic_write
from ...yaml_files import read_yaml
from .document import Block, Heading, Paragraph, to_markdown
from .paper import TABLE_OF_CORPUS
from .results import Collected
from .tables import document

_PROG = "python -m speaker_bases.evaluate.reporting.repository_results"
_TITLE = "# Results on "
_HEAD = """\
# Results

Each part is what stage 5 wrote, with its command and the date of its scores; error rates stand
under the trial list and the back-end that they were measured with. Rows of the paper that were not
run here say so. Made by `{command}`.
"""


def main(argv: list[str] | None = None) -> int:
    """Put the reports of several experiment folders into one file; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=_PROG,
        description="Write one RESULTS.md from the EXP/RESULTS.md of several corpora, without "
        "their figures. The paper's corpora that are not among them appear as not run.",
    )
    parser.add_argument(
        "exp", nargs="*", type=Path, metavar="EXP", help="experiment folders after stage 5"
    )
    parser.add_argument("--conf", type=Path, default=Path("conf"), help="(default: conf)")
    parser.add_argument(
        "--out", type=Path, default=Path("RESULTS.md"), help="(default: RESULTS.md)"
    )
    args = parser.parse_args(argv)
    words = [_PROG, *(sys.argv[1:] if argv is None else argv)]
    return run_tool(lambda: write_results(args.exp, args.conf, args.out, " ".join(words)))


def write_results(reports: list[Path], conf: Path, out: Path, command: str) -> None:
    """Write the file.

    Args:
        reports: experiment folders, one of each corpus.
        conf: the folder of ``systems/*.yaml`` and ``corpora/*.yaml``.
        out: the file to write. What stands in it between lines ``<!-- begin NAME: ... -->`` and
            ``<!-- end NAME -->`` (tables that another command makes) is kept, under its heading.
        command: what made it.

    Raises:
        InputError: a folder has no report, or two are of the same corpus.
    """
    parts: dict[str, str] = {}
    for exp in reports:
        corpus, text = _report(exp / "RESULTS.md")
        if corpus in parts:
            raise InputError(f"{exp}: a second report on {corpus}; give one")
        parts[corpus] = text
    for corpus in TABLE_OF_CORPUS:
        if corpus not in parts:
            about = read_yaml(conf / "corpora" / f"{corpus}.yaml")
            blocks = document(Collected(), corpus, about, "Not run here.")
            parts[corpus] = _demoted(to_markdown(_without_title(blocks), out.parent))
    kept = _marked_sections(out)
    order = [*TABLE_OF_CORPUS, *sorted(parts.keys() - TABLE_OF_CORPUS.keys())]
    with atomic_write(out) as file:
        file.write(_HEAD.format(command=command))
        for corpus in order:
            file.write(f"\n## {corpus}\n\n{parts[corpus].strip()}\n")
        file.writelines(f"\n{section.strip()}\n" for section in kept)


def _marked_sections(path: Path) -> list[str]:
    """The `## ` sections of a file that hold a table between two marking lines."""
    if not path.exists():
        return []
    sections = re.split(r"^(?=## )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [section for section in sections[1:] if "<!-- begin " in section]


def _without_title(blocks: list[Block]) -> list[Block]:
    skip = Paragraph("Nothing has been scored yet.")
    return [b for b in blocks if b != skip and not (isinstance(b, Heading) and b.level == 1)]


def _report(path: Path) -> tuple[str, str]:
    """The corpus of a report, and its text without title and figures."""
    if not path.is_file():
        raise InputError(f"{path}: no such report; run stage 5 first")
    title, _, text = path.read_text(encoding="utf-8").partition("\n")
    if not title.startswith(_TITLE):
        raise InputError(f"{path}:1: expected '{_TITLE}<corpus>'; make the report again (stage 5)")
    return title.removeprefix(_TITLE), _demoted(text.split("\n## Figures\n")[0])


def _demoted(text: str) -> str:
    return "\n".join(f"#{line}" if line.startswith("## ") else line for line in text.split("\n"))


if __name__ == "__main__":
    raise SystemExit(main())
