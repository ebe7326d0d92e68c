"""Kaldi data directories that somebody has, one to train and one to test."""

import argparse
import os
from collections.abc import Collection
from pathlib import Path

from ...command_line import InputError
from ..corpus import Corpus
from ..draw import MOST_TRIALS, draw_trials
from .kaldi_dir import read_data_dir
from .lists import Names, add_draw_options, add_trials_option, read_lists
from .speakers import refuse_disorder, refuse_shared_speakers


class Kaldi:
    """The corpus `kaldi`; see `CorpusFinder`."""

    summary = "Kaldi data directories of your own: wav.scp and utt2spk, segments, feats.scp"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """The directories and the lists."""
        for name, what in (("train", "training"), ("test", "test")):
            parser.add_argument(
                f"--{name}-data",
                required=True,
                metavar="DIR",
                help=f"the data directory of the {what} speakers, which is only read",
            )
        parser.add_argument(
            "--scp-root",
            default=".",
            metavar="DIR",
            help="the folder that relative paths in wav.scp and feats.scp start from (default: the "
            "current one, as for Kaldi's programs)",
        )
        add_trials_option(
            parser,
            "the lists trials or trials/* of the test directory are taken; without these, trials "
            "are drawn, as the list 'drawn': as many of each speaker, nontarget trials of the same "
            "sex where spk2gender says it, target trials across recordings where there are "
            "segments",
        )
        add_draw_options(parser)

    def find(self, options: argparse.Namespace) -> Corpus:
        """See `find_kaldi`."""
        for folder in (options.train_data, options.test_data):
            for name in ("train", "test"):
                if Path(folder).resolve() == Path(options.data, name).resolve():
                    raise InputError(
                        f"{folder}: is what --data {options.data} would write; choose another "
                        "--data"
                    )
        return find_kaldi(
            options.train_data,
            options.test_data,
            options.trials,
            options.scp_root,
            options.num_trials,
            options.trials_seed,
        )

    def installed(self, corpus: Corpus, data: Path) -> None:
        """Nothing to clear away."""


def find_kaldi(
    train_data: str | os.PathLike,
    test_data: str | os.PathLike,
    trial_lists: Collection[str | os.PathLike] = (),
    root: str | os.PathLike = ".",
    num_trials: int = MOST_TRIALS,
    seed: int = 0,
) -> Corpus:
    """Describe two data directories.

    Args:
        train_data: the one whose speakers train.
        test_data: the one whose speakers test.
        trial_lists: files as `read_list` takes them, and folders of such; without one, what is
            called ``trials`` in `test_data`.
        root: the folder that relative paths in scp files start from.
        num_trials: the most trials that are drawn if there are no lists.
        seed: of the draw.

    Raises:
        InputError: as `read_data_dir`, `read_lists` and `draw_trials`; a speaker in both
            directories; or ids that sort otherwise than their speakers.
    """
    train, test = (read_data_dir(folder, root) for folder in (train_data, test_data))
    refuse_shared_speakers(
        train.lines, test.lines, "take it out of one, or rename it if it is another speaker"
    )
    for one in (train, test):
        refuse_disorder(one.data_set, one.lines)
    own = Path(test_data, "trials")
    places = trial_lists or ([own] if own.exists() else [])
    utt2spk = test.data_set.utt2spk
    if places:
        names = Names(utt2spk), lambda: Names(train.data_set.utt2spk)
        lists = read_lists(places, utt2spk, *names, f"the lines of {Path(test_data, 'utt2spk')}")
    else:
        drawn = draw_trials(utt2spk, test.recordings(), test.sexes, num_trials, seed)
        lists = {"drawn": drawn}
    return Corpus("kaldi", train.data_set, test.data_set, lists)
