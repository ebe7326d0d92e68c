"""LibriSpeech's folders, ``<subset>/<speaker>/<chapter>/``, and the recordings in them."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from ...command_line import InputError
from .left_out import LeftOut, printable, refuse_undecodable, suffix_of

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
# Folders that recordings are looked for in below a subset's, to refuse those that lie too deep.
DEEPEST = 4


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
    found: dict[str, Path] = {}
    left_out = LeftOut()
    for path in _files(subset, left_out):
        speaker, chapter = path.parts[-3:-1]
        suffix = suffix_of(path.name)
        if not path.name.startswith(f"{speaker}-{chapter}-"):
            raise InputError(
                f"{path}: not named {speaker}-{chapter}-<utterance>{suffix}, as LibriSpeech's "
                "layout asks; rename or remove it"
            )
        if path.stat().st_size == 0:
            raise InputError(f"{path}: an empty file; fetch it again or remove it")
        other = found.get(str(path.with_suffix("")))
        if other is None or FORMATS.index(suffix) < FORMATS.index(suffix_of(other.name)):
            found[str(path.with_suffix(""))] = path
    files = [found[key] for key in sorted(found)]
    _report(subset, files, left_out)
    return files


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


def _files(subset: Path, left_out: LeftOut) -> Iterator[Path]:
    """The files of a format that is read, all of which must lie in a chapter's folder."""
    for folder, folders, names in os.walk(subset, followlinks=True):
        depth = len(Path(folder).relative_to(subset).parts)
        hidden = [name for name in folders if name.startswith(".")]
        if hidden:
            left_out["hidden folders"] += len(hidden)
        folders[:] = sorted(set(folders) - set(hidden)) if depth < DEEPEST else []
        if depth and not folders and not names:
            left_out["empty folders"] += 1
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") or suffix_of(name) not in FORMATS:
                left_out.add_file(name)
            elif depth != 2:
                raise InputError(
                    f"{printable(str(path))}: not in the folder of a chapter, as LibriSpeech's "
                    "layout asks: <subset>/<speaker>/<chapter>/; move or remove it"
                )
            else:
                refuse_undecodable(str(path))
                yield path
