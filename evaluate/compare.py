"""Which of several systems is better on a trial list, and how sure that is."""

import argparse
import sys
from pathlib import Path

from ..command_line import InputError, run_tool
from ..files import atomic_write
from .compared_systems import ComparedSystems, from_files, from_stored
from .comparison import Comparison, compare_systems
from .comparison_tables import as_csv, as_markdown, as_text


def main(argv: list[str] | None = None) -> int:
    """Compare systems on one trial list; returns the exit code."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.files is None:
        if args.list is None:
            parser.error("--scores needs --list, the name of a list in SCORES/lists")
        if args.trials or args.utt2spk:
            parser.error("--trials and --utt2spk go with --files; stored scores need neither")
    else:
        if args.list or args.systems:
            parser.error("--list and --systems go with --scores; --files names the systems itself")
        if args.trials is None:
            parser.error("--files needs --trials, the list that the scores are of")
        if args.utt2spk is None:
            parser.error("--files needs --utt2spk: the bootstrap draws speakers, not trials")
    if args.draws < 100:
        parser.error("--draws must be 100 or more")
    if args.seed < 0:
        parser.error("--seed must be 0 or more")
    return run_tool(lambda: _run(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.compare",
        description="For each pair of systems on one trial list: the difference in EER and "
        "minDCF(0.01), its 95 % interval over other speakers and other seeds, the probability "
        "that the first is better, and how many speakers and seeds it would take to tell. The "
        "systems are those of a folder of stored scores, or anybody's score files.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--scores",
        type=Path,
        help="folder of stored scores: lists/LIST.npz and SYSTEM.seedK.npz",
    )
    source.add_argument(
        "--files",
        nargs="+",
        metavar="SYSTEM=FILE,FILE",
        help="text files of lines 'enrol test score', one a seed",
    )
    parser.add_argument("--list", help="with --scores: the list's name")
    parser.add_argument(
        "--systems",
        nargs="+",
        help="with --scores: which systems (default: all that are scored on the list)",
    )
    parser.add_argument(
        "--trials", type=Path, help="with --files: lines 'enrol test target|nontarget'"
    )
    parser.add_argument("--utt2spk", type=Path, help="with --files: lines 'utterance speaker'")
    parser.add_argument(
        "--named",
        nargs="+",
        default=[],
        metavar="A:B",
        help="pairs decided on before the results were seen; the p-values of all others are "
        "corrected for their number (Holm)",
    )
    parser.add_argument(
        "--correct-named", action="store_true", help="correct those of the named pairs as well"
    )
    parser.add_argument("--draws", type=int, default=1000, help="draws of the speakers (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    parser.add_argument("--csv", type=Path, help="write every number to this file")
    parser.add_argument("--markdown", type=Path, help="write matrix and table to this file")
    parser.add_argument("--figure", type=Path, help="draw the matrix to this PNG file")
    return parser


def _run(args: argparse.Namespace) -> None:
    if args.files is None:
        systems = from_stored(args.scores, args.list, args.systems)
    else:
        systems = from_files(_score_files(args.files), args.trials, args.utt2spk)
    named = [_pair(text) for text in args.named]
    comparisons = _compare(systems, named, args)
    title = (
        f"{systems.list_name}: {len(systems.is_target):,} trials, "
        f"{comparisons[0].speakers} speakers, {args.draws} draws of them (seed {args.seed})"
    )
    sys.stdout.write(as_text(title, comparisons))
    _write(args.csv, as_csv(systems.list_name, comparisons))
    _write(args.markdown, as_markdown(title, comparisons))
    if args.figure:
        # matplotlib takes a second to import: only for a figure.
        from .comparison_figure import draw_matrix

        draw_matrix(comparisons, title, args.figure)


def _compare(
    systems: ComparedSystems, named: list[tuple[str, str]], args: argparse.Namespace
) -> list[Comparison]:
    try:
        return compare_systems(
            systems.scores,
            systems.is_target,
            systems.enrol_speakers,
            systems.test_speakers,
            named=named,
            correct_named=args.correct_named,
            draws=args.draws,
            seed=args.seed,
        )
    except ValueError as error:
        raise InputError(f"{systems.list_name}: {error}") from None


def _score_files(given: list[str]) -> dict[str, list[Path]]:
    files = {}
    for text in given:
        system, _, paths = text.partition("=")
        if not system or not paths or "" in paths.split(","):
            raise InputError(f"--files: expected SYSTEM=FILE or SYSTEM=FILE,FILE, found {text!r}")
        if system in files:
            raise InputError(f"--files: the system {system} is given twice; join its files by ','")
        files[system] = [Path(path) for path in paths.split(",")]
    return files


def _pair(text: str) -> tuple[str, str]:
    first, _, second = text.partition(":")
    if not first or not second:
        raise InputError(f"--named: expected A:B, the names of two systems, found {text!r}")
    return first, second


def _write(path: Path | None, text: str) -> None:
    if path:
        with atomic_write(path) as file:
            file.write(text)


if __name__ == "__main__":
    raise SystemExit(main())
