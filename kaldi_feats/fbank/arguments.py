"""The command line that the embedded extractor and the bookkeeping of Kaldi's share."""

import argparse
from pathlib import Path

import joblib

from ...command_line import InputError
from ..data_set import GIVEN_FEATURES
from ..kinds import FBANK, KINDS, kind_dir
from ..pipe import Limits
from .given import GivenFeatures
from .stage import FeatureStage
from .tables import copy_tables


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that this tool shares with the stage's Kaldi path."""
    parser.add_argument("data_dir", metavar="DATA_DIR", help="holds wav.scp, utt2spk, spk2utt")
    parser.add_argument(
        "log_dir", metavar="LOG_DIR", nargs="?", help="for logs (default: the features' folder/log)"
    )
    parser.add_argument(
        "ark_dir",
        metavar="ARK_DIR",
        nargs="?",
        help="for arks (default: the features' folder/KIND, such as DATA_DIR/fbank)",
    )
    parser.add_argument(
        "--kind",
        choices=list(KINDS),
        default=FBANK.name,
        help="of features; those of fbank lie in DATA_DIR itself, those of another kind in a data "
        "directory beside it, DATA_DIR_<kind>, into which its tables are copied (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--nj",
        type=int,
        default=joblib.cpu_count(),
        help="parallel jobs (default: one for each processor, %(default)s)",
    )
    for kind in KINDS.values():
        kind.add_options(parser)
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
        "broken_recordings, instead of ending with an error that lists them; only without "
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


def stage_of(arguments: argparse.Namespace) -> FeatureStage:
    """Check the arguments that `add_arguments` added and open the stage they describe.

    The tables of DATA_DIR are copied into the features' folder, where that is another.
    """
    if arguments.nj < 1:
        raise InputError("--nj must be at least 1")
    kind = KINDS[arguments.kind]
    settings = kind.read_settings(arguments)
    try:
        kind.extractor(settings.options)
    except ValueError as error:
        raise InputError(f"{getattr(arguments, f'{kind.name}_config')}: {error}") from None
    folder = kind_dir(arguments.data_dir, kind.name)
    if kind is not FBANK:
        copy_tables(Path(arguments.data_dir), folder)
    given = kind is FBANK and (folder / GIVEN_FEATURES).exists()
    return (GivenFeatures if given else FeatureStage)(
        folder,
        arguments.ark_dir,
        settings,
        arguments.compress == "true",
        arguments.skip_broken == "true",
    )


def limits_of(arguments: argparse.Namespace) -> Limits:
    """What a recording may take."""
    return Limits(arguments.pipe_timeout, arguments.max_minutes)


def log_dir_of(arguments: argparse.Namespace) -> Path:
    """LOG_DIR, or its default."""
    return Path(arguments.log_dir or kind_dir(arguments.data_dir, arguments.kind) / "log")
