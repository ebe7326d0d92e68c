"""Check Kaldi data directories: the job of Kaldi's utils/validate_data_dir.sh."""

import argparse
import logging
import os
from pathlib import Path

from ..command_line import run_tool
from .checks import validate_data_dir
from .data_dir import read_table
from .prepared import lists_of, read_prepared
from .trials import look_up

log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.kaldi_feats.validate",
        description="Check Kaldi data directories and the trial lists in them. The first thing "
        "that is wrong is named on one line: which file, which line, what to do.",
    )
    parser.add_argument("data_dirs", nargs="+", metavar="DATA_DIR")
    parser.add_argument(
        "--features",
        action="store_true",
        help="check feats.scp and utt2num_frames too",
    )
    return parser


def validate_trials(data_dir: str | os.PathLike) -> None:
    """Check the trial lists of a data directory, ``trials/*``, if it has any.

    Raises:
        InputError: a broken list, or a trial with an utterance that utt2spk does not have.
    """
    utt2spk = Path(data_dir) / "utt2spk"
    lists = lists_of(data_dir)
    if not lists:
        return
    numbers = {utterance: number for number, utterance in enumerate(read_table(utt2spk))}
    for path in lists:
        look_up(read_prepared(path), numbers, path, str(utt2spk))


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    def check() -> None:
        for folder in arguments.data_dirs:
            count = validate_data_dir(folder, features=arguments.features)
            validate_trials(folder)
            log.info("%s: %d utterances, nothing wrong", folder, count)

    return run_tool(check)


if __name__ == "__main__":
    raise SystemExit(main())
