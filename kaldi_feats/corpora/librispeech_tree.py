"""LibriSpeech's folders, ``<subset>/<speaker>/<chapter>/``, and the recordings in them."""

import logging
from pathlib import Path

from ...command_line import InputError
from .left_out import LeftOut, printable, suffix_of
from .walk import one_format_each, recordings

log = logging.getLogger(__name__)

# An utterance that is there in several formats is taken in the first of these.
FORMATS = [".flac", ".wav", ".ogg"]
# Utterances and speakers of the complete subsets, as they are published.
COMPLETE = {
    "train-clean-100": (28_539, 251),
    "train-clean-360": (104_014, 921),
    "train-other-500": (148_688, 1_166),
    "dev-clean": (2_703, 40),
    "dev-other": (2_864, 33),
    "test-clean": (2_620, 40),
    "test-other": (2_939, 33),
}
PLACE = "the folder of a chapter, as LibriSpeech's layout asks: <subset>/<speaker>/<chapter>/"


def find_subsets(root: Path) -> dict[str, list[Path]]:
    """Find the audio files of each subset; those for training and for test are both there.

    Raises:
        InputError: the folder is not there, lacks training or test subsets, or breaks the layout.
    """
    if not root.is_dir():
        raise InputError(
            f"{root}: no such corpus folder; give --corpus-dir, or --download to fetch one"
        )
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if [folder.name for folder in folders] == ["LibriSpeech"]:
        raise InputError(f"{root}: no subset in it; is {folders[0]} meant?")
    subsets = {folder.name: _find_audio(folder) for folder in folders}
    subsets = {name: files for name, files in subsets.items() if files}
    if not subsets:
        raise InputError(
            f"{root}: no audio in it of the form <subset>/<speaker>/<chapter>/*.flac; "
            "correct --corpus-dir"
        )
    trains = [name for name in subsets if name.startswith("train-")]
    if not trains:
        raise InputError(
            f"{root}: no training subset (train-*) in it, only {', '.join(subsets)}; add one"
        )
    if len(trains) == len(subsets):
        raise InputError(
            f"{root}: no test subset in it, only {', '.join(trains)}; "
            "add one whose name does not begin with train-, such as dev-clean-2"
        )
    return subsets


def _find_audio(subset: Path) -> list[Path]:
    """The audio files of a subset, one an utterance, sorted."""
    left_out = LeftOut()
    paths = recordings(subset, FORMATS, (2,), PLACE, left_out)
    files = one_format_each(map(_refuse_other_name, paths), FORMATS)
    _report(subset, files, left_out)
    return files


def _refuse_other_name(path: Path) -> Path:
    speaker, chapter = path.parts[-3:-1]
    if not path.name.startswith(f"{speaker}-{chapter}-"):
        raise InputError(
            f"{path}: not named {speaker}-{chapter}-<utterance>{suffix_of(path.name)}, as "
            "LibriSpeech's layout asks; rename or remove it"
        )
    return path


def _report(subset: Path, files: list[Path], left_out: LeftOut) -> None:
    """Say what was found and what was not taken; a part of a subset is a corpus, too."""
    counts = len(files), len({path.parts[-3] for path in files})
    complete = COMPLETE.get(subset.name)
    published = (
        " (LibriSpeech's has {:,} of {:,})".format(*complete)
        if complete is not None and counts != complete
        else ""
    )
    is_subset = subset.name.startswith(("train-", "dev-", "test-"))
    lost = left_out.audio or (is_subset and not files)
    level = logging.WARNING if lost else logging.INFO
    log.log(
        level,
        "%s: %s utterances of %s speakers found%s; not taken: %s",
        printable(str(subset)),
        *(f"{count:,}" for count in counts),
        published,
        left_out,
    )
