"""Stage 0: a corpus becomes Kaldi data directories and trial lists."""

import argparse
import logging
from pathlib import Path

import joblib

from ..command_line import InputError, run_tool, whole_number
from ..registry import add_plugin_option, load_plugins
from .corpora import CORPORA
from .corpus import install

log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """One subcommand a corpus."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.kaldi_feats.prepare",
        description="Write <data>/{train,test}/{wav.scp,utt2spk,spk2utt} and the trial lists "
        "<data>/test/trials/<list>. A rerun does only what is not done yet, or has changed.",
    )
    subcommands = parser.add_subparsers(dest="corpus", required=True, metavar="CORPUS")
    for name, corpus in CORPORA.items():
        options = subcommands.add_parser(name, help=corpus.summary, description=corpus.summary)
        corpus.add_options(options)
        options.add_argument("--data", default="data", help="where to write (%(default)s)")
        options.add_argument(
            "--nj",
            type=whole_number(1),
            default=joblib.cpu_count(),
            help="processes at a time, where there is audio to make (default: one for each "
            "processor, %(default)s)",
        )
        options.add_argument(
            "--allow-missing",
            action="store_true",
            help="take a corpus that has not the published number of utterances and speakers, "
            "where that is known (VoxCeleb)",
        )
        add_plugin_option(options)
    return parser


def prepare(options: argparse.Namespace) -> None:
    """Make one corpus' data directories.

    Raises:
        InputError: what the corpus' module and `install` raise; what stood in the data folder
            before is then untouched.
    """
    finder, data = CORPORA[options.corpus], Path(options.data)
    corpus = finder.find(options)
    changed = install(corpus, data)
    finder.installed(corpus, data)
    for name, data_set in (("train", corpus.train), ("test", corpus.test)):
        speakers = len(set(data_set.utt2spk.values()))
        log.info("%s: %d utterances of %d speakers", name, len(data_set.wav_scp), speakers)
    for name, trials in corpus.trials.items():
        log.info("trial list %s: %d trials", name, len(trials))
    log.info("%s: %s", options.data, "written" if changed else "as before, nothing to do")


def main(argv: list[str] | None = None) -> int:
    """Prepare one corpus; returns the exit code."""
    try:
        load_plugins(argv)  # before the parser: a plugin's corpus is a subcommand
    except InputError as error:
        problem = error
        return run_tool(lambda: _fail(problem))
    options = build_parser().parse_args(argv)
    return run_tool(lambda: prepare(options))


def _fail(problem: InputError) -> None:
    raise problem


if __name__ == "__main__":
    raise SystemExit(main())
