"""Speech of the user's own in folders: a folder a speaker, whose name is the speaker's id.

``<folder>/<speaker>/[<session>/]<utterance>.<suffix>``; which folders train and which test is
given.
"""

import argparse
import logging
import os
from collections.abc import Collection
from pathlib import Path

from ..audio import source_of_file, warn_without_ffmpeg
from ..corpus import Corpus, DataSet
from ..draw import MOST_TRIALS, draw_trials
from .folders_tree import Spoken, find_spoken, refuse_nested
from .lists import Names, add_draw_options, add_trials_option, read_lists
from .speakers import refuse_disorder, refuse_shared_speakers

log = logging.getLogger(__name__)


class Folders:
    """The corpus `folders`; see `CorpusFinder`."""

    summary = "speech of your own in folders: <folder>/<speaker>/[<session>/]<utterance>.wav"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """The folders and the lists."""
        for name, what in (("train", "training"), ("test", "test")):
            parser.add_argument(
                f"--{name}-dirs",
                nargs="+",
                action="extend",
                required=True,
                metavar="DIR",
                help=f"folders of {what} speakers, a folder for each",
            )
        add_trials_option(
            parser,
            "trials are drawn, as the list 'drawn': as many of each speaker, target trials across "
            "sessions where there are any",
        )
        add_draw_options(parser)

    def find(self, options: argparse.Namespace) -> Corpus:
        """See `find_folders`."""
        return find_folders(
            options.train_dirs,
            options.test_dirs,
            options.trials,
            options.num_trials,
            options.trials_seed,
        )

    def installed(self, corpus: Corpus, data: Path) -> None:
        """Nothing to clear away."""


def find_folders(
    train_dirs: Collection[str | os.PathLike],
    test_dirs: Collection[str | os.PathLike],
    trial_lists: Collection[str | os.PathLike] = (),
    num_trials: int = MOST_TRIALS,
    seed: int = 0,
) -> Corpus:
    """Describe folders of speakers.

    Args:
        train_dirs: folders whose speakers train.
        test_dirs: folders whose speakers test.
        trial_lists: files as `read_list` takes them, and folders of such; paths in them are
            relative to a test folder, or to the folder that it is in.
        num_trials: the most trials that are drawn if there are no lists.
        seed: of the draw.

    Raises:
        InputError: as `find_spoken`, `read_lists` and `draw_trials`; a folder in another; a
            speaker in both sets; or ids that sort otherwise than their speakers.
    """
    refuse_nested(map(Path, [*train_dirs, *test_dirs]))
    spoken = [find_spoken(map(Path, folders)) for folders in (train_dirs, test_dirs)]
    places = [{one.speaker: str(one.folder) for one in found.values()} for found in spoken]
    refuse_shared_speakers(*places, "move the speaker away, or rename it if it is another one")
    train, test = map(_data_set, spoken)
    for data_set, found in zip((train, test), spoken, strict=True):
        refuse_disorder(data_set, {one.speaker: str(one.path.parent) for one in found.values()})
        _say_shared_names(found)
        warn_without_ffmpeg(data_set.wav_scp.values())
    if trial_lists:
        names = _names(spoken[1]), lambda: _names(spoken[0])
        lists = read_lists(trial_lists, test.utt2spk, *names, "the speakers' folders")
    else:
        sessions = {name: one.where for name, one in spoken[1].items()}
        lists = {"drawn": draw_trials(test.utt2spk, sessions, most=num_trials, seed=seed)}
    return Corpus("folders", train, test, lists)


def _data_set(spoken: dict[str, Spoken]) -> DataSet:
    data_set = DataSet()
    for name, one in spoken.items():
        data_set.add(name, one.speaker, source_of_file(os.path.abspath(one.path)))
    return data_set


def _names(spoken: dict[str, Spoken]) -> Names:
    by_path = {os.path.abspath(one.path.with_suffix("")): name for name, one in spoken.items()}
    folders = {os.path.abspath(one.folder) for one in spoken.values()}
    return Names(spoken, by_path, sorted(folders | {os.path.dirname(one) for one in folders}))


def _say_shared_names(spoken: dict[str, Spoken]) -> None:
    """Whether a name in two folders is one speaker nobody can see."""
    folders: dict[str, set[Path]] = {}
    for one in spoken.values():
        folders.setdefault(one.speaker, set()).add(one.folder)
    shared = sorted(speaker for speaker, its in folders.items() if len(its) > 1)
    if shared:
        log.warning(
            "the speaker %r is in %s, and taken for one speaker; so are %d of %d: rename those "
            "that are not",
            shared[0],
            " and ".join(sorted(map(str, folders[shared[0]]))),
            len(shared),
            len(folders),
        )
