"""VoxCeleb1 and VoxCeleb2: real speech from interviews, the corpora of the paper.

VoxCeleb1 trains on 1,211 speakers and is tested on 40 (the paper's Table 2); VoxCeleb2 trains on
all its 6,112 and is tested on all of VoxCeleb1 (Table 4). Nagrani, Chung, Zisserman, "VoxCeleb: a
large-scale speaker identification dataset", Interspeech 2017; Chung, Nagrani, Zisserman,
"VoxCeleb2: deep speaker recognition", Interspeech 2018.
"""

import argparse
import hashlib
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from ...command_line import InputError
from ..audio import warn_without_ffmpeg
from ..corpus import Corpus, DataSet
from ..trials import Trials, look_up
from .left_out import LeftOut
from .voxceleb_counts import (
    TEST_SPEAKERS,
    VOXCELEB1,
    VOXCELEB1_FIRST,
    VOXCELEB2,
    compare_counts,
)
from .voxceleb_lists import ListFile, find_lists, read_list
from .voxceleb_tree import SpeakerFiles, scan

log = logging.getLogger(__name__)


class VoxCeleb1:
    """The corpus `voxceleb1`; see `CorpusFinder`."""

    summary = "VoxCeleb1 as unpacked: 1,211 speakers train, the 40 of the original list test"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """The folder and the lists."""
        _add_options(parser, "VoxCeleb1 was unpacked in: dev and test side by side or merged")

    def find(self, options: argparse.Namespace) -> Corpus:
        """See `find_voxceleb1`."""
        return find_voxceleb1(options.corpus_dir, options.trials, options.allow_missing)

    def installed(self, corpus: Corpus, data: Path) -> None:
        """Nothing to clear away."""


class VoxCeleb2:
    """The corpus `voxceleb2`; see `CorpusFinder`."""

    summary = "VoxCeleb2 as unpacked, dev and test, trains; all of VoxCeleb1 is the test set"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Both folders and the lists."""
        _add_options(
            parser,
            "VoxCeleb2 was unpacked in: m4a, read through ffmpeg, or converted to wav or flac",
        )
        parser.add_argument(
            "--test-corpus-dir", required=True, metavar="DIR", help="the folder of VoxCeleb1"
        )

    def find(self, options: argparse.Namespace) -> Corpus:
        """See `find_voxceleb2`."""
        return find_voxceleb2(
            options.corpus_dir, options.test_corpus_dir, options.trials, options.allow_missing
        )

    def installed(self, corpus: Corpus, data: Path) -> None:
        """Nothing to clear away."""


def _add_options(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--corpus-dir", required=True, metavar="DIR", help=f"the folder that {what}"
    )
    parser.add_argument(
        "--trials",
        nargs="+",
        action="extend",
        metavar="PATH",
        help="a folder with the official lists (veri_test.txt, list_test_hard.txt, ...), or one "
        "list, which may be your own: lines '1|0 id10270/<video>/00001.wav id10271/...'; may be "
        "repeated (default: the folder of VoxCeleb1)",
    )


@dataclass
class ScannedSet(DataSet):
    """A data set whose files were looked at when they were found."""

    fingerprints: dict[str, str] = field(default_factory=dict)

    def add_speaker(self, found: SpeakerFiles) -> None:
        self.wav_scp.update(found.sources)
        self.utt2spk.update(dict.fromkeys(found.sources, found.speaker))
        self.fingerprints[found.speaker] = found.fingerprint

    def fingerprint(self) -> str:
        rows = (f"{speaker} {value}\n" for speaker, value in sorted(self.fingerprints.items()))
        return hashlib.sha256("".join(rows).encode()).hexdigest()


def find_voxceleb1(
    corpus_dir: str | os.PathLike,
    lists: list[str | os.PathLike] | None = None,
    allow_missing: bool = False,
) -> Corpus:
    """Describe VoxCeleb1: test are the 40 speakers of the original trial list, train all others.

    Args:
        corpus_dir: where it was unpacked, dev and test.
        lists: files or folders with trial lists; the corpus folder itself if None.
        allow_missing: take a corpus that is not complete, with a warning.

    Raises:
        InputError: as `scan`, `find_lists`, `read_list` and `look_up`; speakers of
            VoxCeleb2; a list about all of VoxCeleb1; no speakers left for training; not the
            published numbers of utterances and speakers.
    """
    found = _without_whole_lists(find_lists(lists or [corpus_dir]), lists or [corpus_dir])
    trials = {one: read_list(one) for one in found}
    for_test = set(TEST_SPEAKERS)
    for one in trials.values():
        for side in (one.enrol, one.test):
            for_test.update(name[:7] for name in side)
    train, test, left_out = ScannedSet(), ScannedSet(), LeftOut()
    for speaker in scan(corpus_dir, left_out):
        if speaker.speaker < VOXCELEB1_FIRST:
            raise InputError(
                f"{corpus_dir}: {speaker.speaker} is a speaker of VoxCeleb2; give VoxCeleb1's "
                "folder alone, or take the corpus voxceleb2"
            )
        (test if speaker.speaker in for_test else train).add_speaker(speaker)
    _refuse_empty(corpus_dir, "test", test, "unpack vox1_test_wav.zip as well")
    if not train.wav_scp:
        _refuse_lists_of_everybody(trials, set(test.utt2spk.values()))
    _refuse_empty(corpus_dir, "training", train, "unpack vox1_dev_wav as well")
    everybody = train.utt2spk | test.utt2spk
    compare_counts(corpus_dir, everybody, VOXCELEB1, left_out, allow_missing)
    return _corpus("voxceleb1", train, test, trials, str(corpus_dir))


def find_voxceleb2(
    corpus_dir: str | os.PathLike,
    test_corpus_dir: str | os.PathLike,
    lists: list[str | os.PathLike] | None = None,
    allow_missing: bool = False,
) -> Corpus:
    """Describe VoxCeleb2, dev and test, for training, and all of VoxCeleb1 for test.

    Args:
        corpus_dir: where VoxCeleb2 was unpacked, dev and test.
        test_corpus_dir: where VoxCeleb1 was unpacked, dev and test.
        lists: files or folders with trial lists; VoxCeleb1's folder itself if None.
        allow_missing: take corpora that are not complete, with a warning.

    Raises:
        InputError: as `scan`, `find_lists`, `read_list` and `look_up`; speakers of the
            one corpus in the other's folder; not the published numbers of utterances and speakers.
    """
    trials = {one: read_list(one) for one in find_lists(lists or [test_corpus_dir])}
    train, test = ScannedSet(), ScannedSet()
    for folder, data_set, corpus, parts in (
        (test_corpus_dir, test, "VoxCeleb1", VOXCELEB1),
        (corpus_dir, train, "VoxCeleb2", (VOXCELEB2,)),
    ):
        left_out = LeftOut()
        for speaker in scan(folder, left_out):
            actual = "VoxCeleb1" if speaker.speaker >= VOXCELEB1_FIRST else "VoxCeleb2"
            if actual != corpus:
                raise InputError(
                    f"{folder}: {speaker.speaker} is a speaker of {actual}, and this is to be "
                    f"{corpus}; --corpus-dir is VoxCeleb2's folder, --test-corpus-dir VoxCeleb1's"
                )
            data_set.add_speaker(speaker)
        compare_counts(folder, data_set.utt2spk, parts, left_out, allow_missing)
    return _corpus("voxceleb2", train, test, trials, str(test_corpus_dir))


def _refuse_lists_of_everybody(trials: dict[ListFile, Trials], speakers: set[str]) -> None:
    """Speakers of a trial list are kept out of the training set: a list may leave nobody for it."""
    for one, its_trials in trials.items():
        listed = {name[:7] for side in (its_trials.enrol, its_trials.test) for name in side}
        if taken := (listed & speakers) - TEST_SPEAKERS:
            raise InputError(
                f"{one.path}: its {len(listed):,} speakers are for test, {len(taken):,} of them "
                "beside the 40 of the original list, and leave nobody to train on: error rates on "
                "speakers seen in training say nothing about new ones; give a list about fewer "
                "speakers, or take the corpus voxceleb2"
            )


def _without_whole_lists(found: list[ListFile], places: list) -> list[ListFile]:
    """Lists about all of VoxCeleb1 are no test of a system trained on it."""
    reason = (
        "is about all 1,251 speakers of VoxCeleb1, 1,211 of which a VoxCeleb1 system is trained "
        "on; error rates on speakers seen in training say nothing about new ones"
    )
    given = {os.fspath(place) for place in places}
    kept = []
    for one in found:
        if not (one.official and one.official.whole):
            kept.append(one)
        elif os.fspath(one.path) in given:
            raise InputError(f"{one.path}: {one.name} {reason}; it needs the corpus voxceleb2")
        else:
            log.warning("%s is left out: %s %s", one.path, one.name, reason)
    if not kept:
        raise InputError(
            f"{', '.join(sorted(given))}: no list for a VoxCeleb1 system in it; "
            "give veri_test.txt or veri_test2.txt with --trials"
        )
    return kept


def _refuse_empty(corpus_dir, which: str, data_set: DataSet, remedy: str) -> None:
    if not data_set.wav_scp:
        raise InputError(f"{corpus_dir}: no {which} speakers in it; {remedy}")


def _corpus(
    name: str, train: DataSet, test: DataSet, trials: dict[ListFile, Trials], where: str
) -> Corpus:
    numbers = {utterance: number for number, utterance in enumerate(test.utt2spk)}
    for one, its_trials in trials.items():
        look_up(its_trials, numbers, one.path, where)
        log.info("%s: %d trials from %s", one.name, len(its_trials), one.path)
    warn_without_ffmpeg(source for one in (train, test) for source in one.wav_scp.values())
    return Corpus(name, train, test, {one.name: its_trials for one, its_trials in trials.items()})
