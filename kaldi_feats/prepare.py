"""Stage 0: a corpus becomes Kaldi data directories and a trial list."""

import argparse
import logging
import sys

import joblib

from . import download, librispeech, synthetic, voxceleb
from .arguments import whole_number
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
    for add_corpus in (_add_synthetic, _add_librispeech, _add_voxceleb1, _add_voxceleb2):
        options = add_corpus(corpora)
        options.add_argument("--data", default="data", help="where to write (%(default)s)")
        options.add_argument(
            "--nj",
            type=whole_number(1),
            default=joblib.cpu_count(),
            help="processes at a time, where there is audio to make (%(default)s)",
        )
    return parser


def _add_synthetic(corpora: argparse._SubParsersAction) -> argparse.ArgumentParser:
    summary = (
        "seeded espeak-ng voices, made here without a download; trials: all pairs of test "
        "utterances, in the list 'synthetic'"
    )
    options = corpora.add_parser("synthetic", help=summary, description=summary)
    options.set_defaults(find=_find_synthetic)
    for name, least, default, what in [
        ("seed", 0, 0, "of the voices, the texts and all else"),
        ("train-speakers", 1, 120, "training speakers; L_H with H = 100 needs more than 100"),
        ("test-speakers", 2, 20, "test speakers, other voices"),
        ("train-utterances", 1, 10, "utterances of each training speaker"),
        ("test-utterances", 2, 10, "utterances of each test speaker"),
    ]:
        options.add_argument(
            f"--{name}", type=whole_number(least), default=default, help=f"{what} (%(default)s)"
        )
    return options


def _find_synthetic(arguments: argparse.Namespace) -> Corpus:
    plan = synthetic.Plan(
        seed=arguments.seed,
        speakers={"train": arguments.train_speakers, "test": arguments.test_speakers},
        utterances={"train": arguments.train_utterances, "test": arguments.test_utterances},
    )
    return synthetic.make_corpus(plan, arguments.data, nj=arguments.nj)


def _add_librispeech(corpora: argparse._SubParsersAction) -> argparse.ArgumentParser:
    summary = "a folder in LibriSpeech's layout: subsets train-* train, all others test"
    options = corpora.add_parser("librispeech", help=summary, description=summary)
    options.set_defaults(find=_find_librispeech)
    options.add_argument(
        "--corpus-dir",
        default="downloads/librispeech",
        help="the folder with the subsets (%(default)s)",
    )
    options.add_argument(
        "--trials",
        metavar="PATH",
        help="trials as VoxCeleb has them, '1|0 path path', paths relative to the corpus folder: "
        "one list, named as the file, or a folder of lists. Without it: all pairs of test "
        "utterances, 'all-pairs'",
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
    return options


def _find_librispeech(arguments: argparse.Namespace) -> Corpus:
    if arguments.download:
        download.fetch_mini_librispeech(arguments.corpus_dir, arguments.download_url)
    return librispeech.find_corpus(arguments.corpus_dir, arguments.trials)


def _add_voxceleb1(corpora: argparse._SubParsersAction) -> argparse.ArgumentParser:
    summary = "VoxCeleb1 as unpacked: 1,211 speakers train, the 40 of the original list test"
    options = corpora.add_parser("voxceleb1", help=summary, description=summary)
    options.set_defaults(find=lambda given: voxceleb.find_voxceleb1(given.corpus_dir, given.trials))
    _add_voxceleb_options(options, "VoxCeleb1 was unpacked in: dev and test side by side or merged")
    return options


def _add_voxceleb2(corpora: argparse._SubParsersAction) -> argparse.ArgumentParser:
    summary = "VoxCeleb2 as unpacked, dev and test, trains; all of VoxCeleb1 is the test set"
    options = corpora.add_parser("voxceleb2", help=summary, description=summary)
    options.set_defaults(
        find=lambda given: voxceleb.find_voxceleb2(
            given.corpus_dir, given.test_corpus_dir, given.trials
        )
    )
    _add_voxceleb_options(
        options,
        "VoxCeleb2 was unpacked in: m4a, read through ffmpeg, or converted to wav or flac",
    )
    options.add_argument(
        "--test-corpus-dir", required=True, metavar="DIR", help="the folder of VoxCeleb1"
    )
    return options


def _add_voxceleb_options(options: argparse.ArgumentParser, what: str) -> None:
    options.add_argument(
        "--corpus-dir", required=True, metavar="DIR", help=f"the folder that {what}"
    )
    options.add_argument(
        "--trials",
        action="append",
        metavar="PATH",
        help="a folder with the official lists (veri_test.txt, list_test_hard.txt, ...), or one "
        "list, which may be your own: lines '1|0 id10270/<video>/00001.wav id10271/...'; may be "
        "repeated (default: the folder of VoxCeleb1)",
    )


def prepare(arguments: argparse.Namespace) -> None:
    """Make one corpus' data directories.

    Raises:
        InputError: what the corpus' module and `install` raise; what stood in the data folder
            before is then untouched.
    """
    corpus = arguments.find(arguments)
    changed = install(corpus, arguments.data)
    synthetic.remove_other_audio(corpus, arguments.data)
    for name, data_set in (("train", corpus.train), ("test", corpus.test)):
        speakers = len(set(data_set.utt2spk.values()))
        log.info("%s: %d utterances of %d speakers", name, len(data_set.wav_scp), speakers)
    for name, trials in corpus.trials.items():
        log.info("trial list %s: %d trials", name, len(trials))
    log.info("%s: %s", arguments.data, "written" if changed else "as before, nothing to do")


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    return run_tool(lambda: prepare(arguments))


if __name__ == "__main__":
    sys.exit(main())
