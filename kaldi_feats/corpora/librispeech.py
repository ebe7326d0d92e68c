"""Corpora in LibriSpeech's layout: real read speech, many speakers, a folder a speaker.

``<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.flac``; the subsets ``train-*``
train, all others test. Panayotov et al., "LibriSpeech: an ASR corpus based on public domain
audio books", ICASSP 2015; https://www.openslr.org/12 and, the mini subsets,
https://www.openslr.org/31.
"""

import argparse
import math
import os
from pathlib import Path

from ...command_line import InputError
from ..corpus import Corpus, DataSet
from ..trials import all_pairs
from . import download
from .librispeech_tree import find_subsets
from .lists import Names, add_trials_option, read_lists
from .speakers import refuse_shared_speakers

# Reading a list takes 330 bytes of memory a trial.
MOST_PAIRS = 10_000_000


class LibriSpeech:
    """The corpus `librispeech`; see `CorpusFinder`."""

    summary = "a folder in LibriSpeech's layout: subsets train-* train, all others test"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """The folder, the trials, and a download."""
        parser.add_argument(
            "--corpus-dir",
            default="downloads/librispeech",
            help="the folder with the subsets (%(default)s)",
        )
        add_trials_option(parser, "all pairs of test utterances are one list, all-pairs")
        parser.add_argument(
            "--download",
            action="store_true",
            help="fetch the public mini-librispeech subsets, "
            f"{' and '.join(download.MINI_LIBRISPEECH)} (460 MB), into the corpus folder first",
        )
        parser.add_argument(
            "--download-url",
            default=download.OPENSLR,
            metavar="URL",
            help="where to fetch them from; wherever that is, they must be the published ones "
            "(%(default)s)",
        )
        parser.add_argument(
            "--download-sha256",
            action="append",
            type=download.subset_and_sha256,
            default=[],
            metavar="SUBSET=HEX",
            help="the SHA-256 of an archive that is not the published one; may be repeated",
        )

    def find(self, options: argparse.Namespace) -> Corpus:
        """See `find_corpus`."""
        if options.download:
            digests = dict(options.download_sha256)
            download.fetch_mini_librispeech(options.corpus_dir, options.download_url, digests)
        return find_corpus(options.corpus_dir, *options.trials)

    def installed(self, corpus: Corpus, data: Path) -> None:
        """Nothing to clear away."""


def find_corpus(corpus_dir: str | os.PathLike, *trial_lists: str | os.PathLike) -> Corpus:
    """Describe a corpus in LibriSpeech's layout.

    Args:
        corpus_dir: the folder with the subsets.
        trial_lists: files as `read_list` takes them, paths in them relative to `corpus_dir`, and
            folders of such; without one, all pairs of test utterances are one list, ``all-pairs``.

    Raises:
        InputError: the folder is not there, has no training or no test utterances, breaks the
            layout, has a speaker in both sets, or more than `MOST_PAIRS` pairs without a list; or
            a trial list is refused by `read_lists`.
    """
    root = Path(corpus_dir)
    subsets = find_subsets(root)
    train, test = DataSet(), DataSet()
    subset_of: dict[str, str] = {}
    for subset, files in subsets.items():
        chosen = train if subset.startswith("train-") else test
        for path in files:
            utterance, speaker = path.stem, path.parts[-3]
            if utterance in subset_of:
                raise InputError(
                    f"{path}: the utterance {utterance!r} is also in {subset_of[utterance]}; "
                    "subsets may not share utterances: move one of the subsets away"
                )
            subset_of[utterance] = subset
            chosen.add(utterance, speaker, path)
    refuse_shared_speakers(
        _of_speakers(train, subset_of),
        _of_speakers(test, subset_of),
        "move one of the subsets away",
        before=f"{root}: ",
    )
    if not trial_lists:
        _refuse_too_many_pairs(root, len(test.utt2spk))
        lists = {"all-pairs": all_pairs(test.utt2spk)}
    else:
        names = _names(root, test), lambda: _names(root, train)
        lists = read_lists(trial_lists, test.utt2spk, *names, "the speakers' folders")
    return Corpus("librispeech", train, test, lists)


def _refuse_too_many_pairs(root: Path, utterances: int) -> None:
    pairs = math.comb(utterances, 2)
    if pairs > MOST_PAIRS:
        raise InputError(
            f"{root}: all pairs of its {utterances:,} test utterances would be {pairs:,} trials, "
            f"and the most made are {MOST_PAIRS:,}; give a list of trials with --trials, or keep "
            "fewer subsets for test"
        )


def _of_speakers(data_set: DataSet, subset_of: dict[str, str]) -> dict[str, str]:
    """The first subset that each speaker is in."""
    first: dict[str, str] = {}
    for utterance, speaker in data_set.utt2spk.items():
        first[speaker] = min(subset_of[utterance], first.get(speaker, subset_of[utterance]))
    return first


def _names(root: Path, data_set: DataSet) -> Names:
    by_path = {os.path.splitext(path)[0]: name for name, path in data_set.wav_scp.items()}
    return Names(data_set.utt2spk, by_path, [os.path.abspath(root)])
