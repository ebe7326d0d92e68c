"""The command line that the embedded extractor and the bookkeeping of Kaldi's share."""

import argparse
from pathlib import Path

import joblib

from ...command_line import InputError
from ..data_set import GIVEN_FEATURES
from ..pipe import Limits
from .features import Fbank
from .given import GivenFeatures
from .options import read_options
from .stage import FbankStage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that this tool shares with the stage's Kaldi path."""
    parser.add_argument("data_dir", metavar="DATA_DIR", help="holds wav.scp, utt2spk, spk2utt")
    parser.add_argument(
        "log_dir", metavar="LOG_DIR", nargs="?", help="for logs (default: DATA_DIR/log)"
    )
    parser.add_argument(
        "fbank_dir", metavar="FBANK_DIR", nargs="?", help="for arks (default: DATA_DIR/fbank)"
    )
    parser.add_argument(
        "--nj",
        type=int,
        default=joblib.cpu_count(),
        help="parallel jobs (default: one for each processor, %(default)s)",
    )
    parser.add_argument(
        "--fbank-config",
        default="conf/fbank.conf",
        help="options of compute-fbank-feats (default: %(default)s)",
    )
    parser.add_argument(
        "--cmn-window",
        type=int,
        default=300,
        help="frames that the sliding mean is taken over (default: %(default)s)",
    )
    parser.add_argument(
        "--compress",
        choices=["true", "false"],
        default="false",
        help="store one byte a number, as Kaldi's compressed matrices: a quarter of the disk "
        "(VoxCeleb1 8 instead of 33 GB, VoxCeleb2 55 instead of 220 GB), and an error of up to "
        "0.09 on each log-mel value (default: %(default)s)",
    )
    parser.add_argument(
        "--skip-broken",
        choices=["true", "false"],
        default="false",
        help="leave out recordings that cannot be read, and list them in "
        "DATA_DIR/broken_recordings, instead of ending with an error that lists them; only without "
        "Kaldi (default: %(default)s)",
    )
    parser.add_argument(
        "--allow-missing",
        choices=["true", "false"],
        default="false",
        help="drop trials of utterances that have no features (too short, or broken), instead of "
        "refusing the lists in DATA_DIR/trials that have such (default: %(default)s)",
    )
    parser.add_argument(
        "--pipe-timeout",
        type=positive_number,
        default=Limits.pipe_timeout,
        metavar="SECONDS",
        help="how long a command in wav.scp may write nothing; only without Kaldi "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--max-minutes",
        type=positive_number,
        default=Limits.max_minutes,
        metavar="MINUTES",
        help="the longest that a recording may be; only without Kaldi (default: %(default)g)",
    )


def positive_number(text: str) -> float:
    """An argparse type: a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a number above 0")
    return number


def stage_of(arguments: argparse.Namespace) -> FbankStage:
    """Check the arguments that `add_arguments` added and open the stage they describe."""
    for option in ("nj", "cmn_window"):
        if getattr(arguments, option) < 1:
            raise InputError(f"--{option.replace('_', '-')} must be at least 1")
    options = read_options(arguments.fbank_config)
    try:
        Fbank(options)
    except ValueError as error:
        raise InputError(f"{arguments.fbank_config}: {error}") from None
    given = Path(arguments.data_dir, GIVEN_FEATURES).exists()
    return (GivenFeatures if given else FbankStage)(
        arguments.data_dir,
        arguments.fbank_dir,
        options,
        arguments.cmn_window,
        arguments.compress == "true",
        arguments.skip_broken == "true",
    )


def limits_of(arguments: argparse.Namespace) -> Limits:
    """What a recording may take."""
    return Limits(arguments.pipe_timeout, arguments.max_minutes)


def log_dir_of(arguments: argparse.Namespace) -> Path:
    """LOG_DIR, or its default."""
    return Path(arguments.log_dir or Path(arguments.data_dir) / "log")
