"""Parts of a data directory, by speaker: those of one subset, or all but some held out.

    python experiments/real_speech/data_sets.py subset DATA OUT --of so
    python experiments/real_speech/data_sets.py hold-out DATA KEPT HELD_OUT --speakers 25 --of so

What is written shares DATA's features. HELD_OUT gets the trial list `held-out`, of all pairs of
its utterances: settings are chosen on it, and nothing on the test lists.
"""

import argparse
from collections.abc import Collection
from pathlib import Path

import numpy as np

from speaker_bases.command_line import InputError, run_tool, whole_number
from speaker_bases.files import atomic_write
from speaker_bases.kaldi_feats.data_dir import read_table, spk2utt_of, write_table
from speaker_bases.kaldi_feats.kinds.record import kind_and_record
from speaker_bases.kaldi_feats.trials import all_pairs, write_trials

TABLES = ("wav.scp", "utt2spk", "feats.scp", "utt2num_frames")
"""And the tables of vectors that a kind of features has beside them."""


def main(argv: list[str] | None = None) -> int:
    """Write parts of one data directory; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    subset = commands.add_parser("subset", help="speakers of one subset")
    hold_out = commands.add_parser("hold-out", help="all but some speakers, and those")
    for command in (subset, hold_out):
        command.add_argument("data", type=Path, help="data directory with features")
        command.add_argument("--of", default="", help="speakers whose name begins with this")
    subset.add_argument("out", type=Path, help="data directory to write")
    hold_out.add_argument("kept", type=Path, help="data directory to write, to train on")
    hold_out.add_argument("held_out", type=Path, help="data directory to write, with a trial list")
    hold_out.add_argument("--speakers", type=whole_number(2), default=25, help="(default: 25)")
    hold_out.add_argument(
        "--seed", type=whole_number(0), default=0, help="of the draw (default: 0)"
    )
    args = parser.parse_args(argv)
    if args.command == "subset":
        return run_tool(lambda: write_part(args.data, args.out, _speakers(args.data, args.of)))
    return run_tool(lambda: hold_out_speakers(args))


def hold_out_speakers(args: argparse.Namespace) -> None:
    """Write the two data directories of `hold-out`.

    Raises:
        InputError: a table is missing, or there are not more speakers than are to be held out.
    """
    of_prefix = _speakers(args.data, args.of)
    if len(of_prefix) <= args.speakers:
        raise InputError(
            f"{args.data / 'utt2spk'}: {len(of_prefix)} speakers begin with {args.of!r}; "
            f"{args.speakers} cannot be held out"
        )
    rng = np.random.default_rng(args.seed)
    chosen = set(rng.choice(of_prefix, args.speakers, replace=False).tolist())
    write_part(args.data, args.kept, set(_speakers(args.data, "")) - chosen)
    utt2spk = write_part(args.data, args.held_out, chosen)
    write_trials(args.held_out / "trials" / "held-out", all_pairs(utt2spk))


def write_part(data: Path, out: Path, speakers: Collection[str]) -> dict[str, str]:
    """Write the data directory of some of the speakers; returns its ``utt2spk``.

    Raises:
        InputError: a table is missing or broken.
    """
    kind, record = kind_and_record(data)
    names = [*TABLES, *(f"{name}.scp" for name in kind.vectors)]
    tables = {name: read_table(data / name) for name in names}
    utterances = [u for u, speaker in tables["utt2spk"].items() if speaker in set(speakers)]
    part = {name: {u: table[u] for u in utterances} for name, table in tables.items()}
    for name, table in part.items():
        write_table(out / name, table)
    write_table(out / "spk2utt", spk2utt_of(part["utt2spk"]))
    with atomic_write(out / record.name) as file:
        file.write(record.read_text(encoding="utf-8"))
    return part["utt2spk"]


def _speakers(data: Path, prefix: str) -> list[str]:
    """The speakers whose name begins with a prefix, sorted.

    Raises:
        InputError: there are none.
    """
    found = sorted({s for s in read_table(data / "utt2spk").values() if s.startswith(prefix)})
    if not found:
        raise InputError(f"{data / 'utt2spk'}: no speaker's name begins with {prefix!r}")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
