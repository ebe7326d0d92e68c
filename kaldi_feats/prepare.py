"""Stage 0: a corpus becomes Kaldi data directories and a trial list."""

import argparse
import logging
import sys

import joblib

from . import download, librispeech, synthetic
from .corpus import Corpus, install
from .files import run_tool

log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.kaldi_feats.prepare",
        description="Write <data>/{train,test}/{wav.scp,utt2spk,spk2utt} and the trial list "
        "<data>/test/trials/<list>. A rerun does only what is not done yet, or has changed.",
    )
    corpora = parser.add_subparsers(dest="corpus", required=True, metavar="CORPUS")
    for name, add_options in {
        "synthetic": _add_synthetic_options,
        "librispeech": _add_librispeech_options,
    }.items():
        options = corpora.add_parser(name, help=_HELP[name], description=_HELP[name])
        options.add_argument("--data", default="data", help="where to write (%(default)s)")
        options.add_argument(
            "--nj",
            type=_count(1),
            default=joblib.cpu_count(),
            help="processes at a time, where there is audio to make (%(default)s)",
        )
        add_options(options)
    return parser


_HELP = {
    "synthetic": "seeded espeak-ng voices, made here without a download; trials: all pairs of "
    "test utterances, in the list 'synthetic'",
    "librispeech": "a folder in LibriSpeech's layout: subsets train-* train, all others test",
}


def _count(least: int):
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= {least}")
        return int(text)

    return parse


def _add_synthetic_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("--seed", type=_count(0), default=0, help="(%(default)s)")
    for name, least, default, what in [
        ("train-speakers", 1, 120, "training speakers; L_H with H = 100 needs more than 100"),
        ("test-speakers", 2, 20, "test speakers, other voices"),
        ("train-utterances", 1, 10, "utterances of each training speaker"),
        ("test-utterances", 2, 10, "utterances of each test speaker"),
    ]:
        options.add_argument(
            f"--{name}", type=_count(least), default=default, help=f"{what} (%(default)s)"
        )


def _add_librispeech_options(options: argparse.ArgumentParser) -> None:
    options.add_argument(
        "--corpus-dir",
        default="downloads/librispeech",
        help="the folder with the subsets (%(default)s)",
    )
    options.add_argument(
        "--trials",
        metavar="FILE",
        help="trials as VoxCeleb has them, '1|0 path path', paths relative to the corpus folder; "
        "the list is named as the file. Without it: all pairs of test utterances, 'all-pairs'",
    )
    options.add_argument(
        "--download",
        action="store_true",
        help="fetch the public mini-librispeech subsets, "
        f"{' and '.join(download.MINI_LIBRISPEECH)} (460 MB), into the corpus folder first",
    )
    options.add_argument(
        "--download-url",
        default=download.OPENSLR,
        metavar="URL",
        help="where to fetch them from (%(default)s)",
    )


def prepare(arguments: argparse.Namespace) -> None:
    """Make one corpus' data directories.

    Raises:
        InputError: what `librispeech`, `download`, `synthetic` and `install` raise; what stood
            in the data folder before is then untouched.
    """
    if arguments.corpus == "synthetic":
        corpus = _prepare_synthetic(arguments)
    else:
        if arguments.download:
            download.fetch_mini_librispeech(arguments.corpus_dir, arguments.download_url)
        corpus = librispeech.find_corpus(arguments.corpus_dir, arguments.trials)
    changed = install(corpus, arguments.data)
    if arguments.corpus == "synthetic":
        synthetic.remove_other_audio(corpus, arguments.data)
    log.info(
        "%s: %s, %s; %s: %s",
        arguments.data,
        *(
            f"{name} {len(s.wav_scp)} utterances of {len(set(s.utt2spk.values()))} speakers"
            for name, s in (("train", corpus.train), ("test", corpus.test))
        ),
        ", ".join(f"{len(trials)} trials in {name}" for name, trials in corpus.trials.items()),
        "written" if changed else "as before, nothing to do",
    )


def _prepare_synthetic(arguments: argparse.Namespace) -> Corpus:
    plan = synthetic.Plan(
        seed=arguments.seed,
        speakers={"train": arguments.train_speakers, "test": arguments.test_speakers},
        utterances={"train": arguments.train_utterances, "test": arguments.test_utterances},
    )
    return synthetic.make_corpus(plan, arguments.data, nj=arguments.nj)


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    return run_tool(lambda: prepare(arguments))


if __name__ == "__main__":
    sys.exit(main())
