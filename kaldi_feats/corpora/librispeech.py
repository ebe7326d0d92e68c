"""Corpora in LibriSpeech's layout: real read speech, many speakers, a folder a speaker.

``<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.flac``; the subsets ``train-*``
train, all others test. Panayotov et al., "LibriSpeech: an ASR corpus based on public domain
audio books", ICASSP 2015; https://www.openslr.org/12 and, the mini subsets,
https://www.openslr.org/31.
"""

import argparse
import math
import os
import posixpath
from pathlib import Path

import numpy as np

from ...command_line import InputError
from ..corpus import Corpus, DataSet
from ..trials import Trials, all_pairs, from_voxceleb_list, refuse_wrong_labels
from . import download
from .librispeech_tree import find_subsets

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
        parser.add_argument(
            "--trials",
            metavar="PATH",
            help="trials as VoxCeleb has them, '1|0 path path', paths relative to the corpus "
            "folder: one list, named as the file, or a folder of lists. Without it: all pairs of "
            "test utterances, 'all-pairs'",
        )
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
        return find_corpus(options.corpus_dir, options.trials)

    def installed(self, corpus: Corpus, data: Path) -> None:
        """Nothing to clear away."""


def find_corpus(
    corpus_dir: str | os.PathLike, trial_list: str | os.PathLike | None = None
) -> Corpus:
    """Describe a corpus in LibriSpeech's layout.

    Args:
        corpus_dir: the folder with the subsets.
        trial_list: trials in VoxCeleb's form, paths relative to `corpus_dir`, or a folder of
            such lists; without it, all pairs of test utterances are one list, ``all-pairs``.

    Raises:
        InputError: the folder is not there, has no training or no test utterances, breaks the
            layout, has a speaker in both sets, or more than `MOST_PAIRS` pairs without a list; or
            the trial list is broken, names an utterance that is not in a test subset, or has a
            label that contradicts the speakers' folders.
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
    _refuse_shared_speakers(root, train, test, subset_of)
    if trial_list is None:
        _refuse_too_many_pairs(root, len(test.utt2spk))
        lists = {"all-pairs": all_pairs(test.utt2spk)}
    else:
        lists = {path.stem: _read_list(path, root, test) for path in _lists(Path(trial_list))}
    return Corpus("librispeech", train, test, lists)


def _lists(path: Path) -> list[Path]:
    """The list itself, or the lists of a folder."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.glob("[!.]*") if file.is_file())
    stems = [file.stem for file in files]
    doubled = [file for file in files if stems.count(file.stem) > 1]
    if doubled:
        raise InputError(
            f"{doubled[1]}: the list would be called {doubled[1].stem}, as {doubled[0].name} "
            "would; rename one"
        )
    if not files:
        raise InputError(f"{path}: no trial list in this folder")
    return files


def _refuse_too_many_pairs(root: Path, utterances: int) -> None:
    pairs = math.comb(utterances, 2)
    if pairs > MOST_PAIRS:
        raise InputError(
            f"{root}: all pairs of its {utterances:,} test utterances would be {pairs:,} trials, "
            f"and the most made are {MOST_PAIRS:,}; give a list of trials with --trials, or keep "
            "fewer subsets for test"
        )


def _refuse_shared_speakers(
    root: Path, train: DataSet, test: DataSet, subset_of: dict[str, str]
) -> None:
    shared = set(train.utt2spk.values()) & set(test.utt2spk.values())
    if not shared:
        return
    speaker = min(shared)
    first, second = (
        min(subset_of[utterance] for utterance, who in data_set.utt2spk.items() if who == speaker)
        for data_set in (train, test)
    )
    others = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
    raise InputError(
        f"{root}: the speaker {speaker!r}{others} is both in {first}, for training, and in "
        f"{second}, for test; a test needs speakers that training has not seen: "
        "move one of the subsets away"
    )


def _read_list(trial_list: str | os.PathLike, root: Path, test: DataSet) -> Trials:
    top = os.path.abspath(root)
    utterance_of = {
        Path(os.path.relpath(path, top)).as_posix(): utterance
        for utterance, path in test.wav_scp.items()
    }
    trials = from_voxceleb_list(trial_list, lambda path: utterance_of[posixpath.normpath(path)])
    speakers = test.utt2spk
    pairs = zip(trials.enrol, trials.test, strict=True)
    same = np.array([speakers[enrol] == speakers[other] for enrol, other in pairs])
    refuse_wrong_labels(trial_list, trials, same, "the speakers' folders")
    return trials
