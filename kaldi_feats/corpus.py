"""What every corpus gives stage 0, and how it comes to stand in the data folder.

A module per corpus finds or makes the audio and describes it as a `Corpus`; `install` writes
that as Kaldi data directories.
"""

import contextlib
import hashlib
import logging
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..command_line import InputError
from ..files import atomic_write
from ..lock import locked
from ..stamp import Stamp
from .checks import validate_data_dir
from .data_dir import write_table
from .data_set import DataSet
from .kinds import dirs_of_kinds
from .trials import Trials, format_trials

log = logging.getLogger(__name__)

# Names become those of files, cells of tables in Markdown and HTML, and words of commands.
NAME = re.compile(r"\w[\w.,+=@-]*")
SPEAKER_OR_UTTERANCE = re.compile(r"[\w.,+=@~:#%-]+")


@dataclass
class Corpus:
    """A training set, a test set of other speakers, and the trials on the test set by list name."""

    name: str
    train: DataSet
    test: DataSet
    trials: dict[str, Trials]


def install(corpus: Corpus, data: str | os.PathLike) -> bool:
    """Write ``<data>/{train,test}`` and ``<data>/test/trials/<list>``.

    A set whose utterances and audio are as before stays as it is, features included. One that
    changed is written beside the old one, checked, and put in its place as a whole; feats.scp and
    what else was made from the old one goes with it, and so does the feats.scp of other kinds of
    features beside it. Only the arks, fbank/, are taken over: their names say what each was made
    from, so that stage 1 makes again what changed, and removes what it does not need. Lists that
    are no longer asked for go, too; a list that the user has put beside them stays for as long as
    the test set does.

    Returns:
        Whether anything changed.

    Raises:
        InputError: another process is at work here, the new data directories are not valid, a
            name is one that later tools would stumble over, or what they would replace was not
            made here; the old ones are then untouched.
    """
    _refuse_awkward_names(corpus)
    with contextlib.ExitStack() as stack:
        for name in (".lock", ".train.lock", ".test.lock"):  # the last two are stage 1's, too
            stack.enter_context(locked(Path(data) / name, f"preparing {data}"))
        return _install(corpus, Path(data))


def _install(corpus: Corpus, data: Path) -> bool:
    """`install`, by the process that holds the folder's locks."""
    for name in ("train", "test"):
        _finish_swap(data / name)
    sets = {"train": corpus.train, "test": corpus.test}
    stamps = {name: Stamp(data / name / ".prepare.done", _inputs(sets[name])) for name in sets}
    lists = {name: format_trials(trials) for name, trials in corpus.trials.items()}
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in lists.items()}
    overall = Stamp(
        data / ".prepare.done",
        {"corpus": corpus.name, "trials": hashes} | {n: s.inputs for n, s in stamps.items()},
    )
    changed = [n for n in sets if not (stamps[n].is_current() and _as_written(data / n, sets[n]))]
    lists_done = Stamp(data / "test" / "trials" / ".prepare.done", {"lists": hashes})
    same_lists = lists_done.is_current() and _same_texts(data / "test" / "trials", lists)
    if overall.is_current() and not changed and same_lists:
        return False
    for name in changed:
        _refuse_foreign(data / name)
    for name in changed:
        _write_beside(data / f".{name}.new", sets[name])
    with overall.renew():
        for name in changed:
            _swap(data / f".{name}.new", data / name)
        _write_lists(lists_done, lists)
    return True


def _refuse_awkward_names(corpus: Corpus) -> None:
    for name in corpus.trials:
        if not NAME.fullmatch(name):
            raise InputError(
                f"trial list {name!r}: a list's name is made of letters, digits and _.,+=@- and "
                "does not begin with a sign: it becomes the name of files, and stands in tables "
                "and commands; rename its file"
            )
    for data_set in (corpus.train, corpus.test):
        for utterance, speaker in data_set.utt2spk.items():
            for name in (speaker, utterance):
                if not SPEAKER_OR_UTTERANCE.fullmatch(name):
                    raise InputError(
                        f"{data_set.source_of(utterance)}: the name {name!r}: speakers and "
                        "utterances are made of letters, digits and _.,+=@~:#%-, as they stand in "
                        "tables and commands; rename the file or folder"
                    )


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not (folder / ".prepare.done").is_file():
        raise InputError(
            f"{folder}: was not made by this stage, and is not replaced; "
            "move it away or choose another --data"
        )


def _inputs(data_set: DataSet) -> dict:
    return {"utterances": len(data_set.utt2spk), "fingerprint": data_set.fingerprint()}


def _as_written(folder: Path, data_set: DataSet) -> bool:
    return _same_texts(folder, data_set.texts())


def _same_texts(folder: Path, texts: dict[str, str]) -> bool:
    return all(_text(folder / name) == text for name, text in texts.items())


def _write_lists(done: Stamp, lists: dict[str, str]) -> None:
    """Write the lists that are not there yet, and delete ours that are no longer wanted."""
    folder = done.path.parent
    for name, text in lists.items():
        if _text(folder / name) != text:
            with atomic_write(folder / name) as file:
                file.write(text)
    for name in _recorded_names(done.path) - set(lists):
        (folder / name).unlink(missing_ok=True)
    # Only now: killed before, the next run still knows which lists were ours.
    with done.renew():
        pass


def _recorded_names(state: Path) -> set[str]:
    """The lists that a state file says are ours, as far as they can be names in its folder.

    Anybody may have changed the file: nothing that leads elsewhere is deleted on its word.
    """
    recorded = (Stamp(state, {}).read() or {}).get("lists")
    if not isinstance(recorded, dict):
        return set()
    return {name for name in recorded if NAME.fullmatch(name) and (state.parent / name).is_file()}


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _write_beside(folder: Path, data_set: DataSet) -> None:
    _remove(folder)
    for name, table in data_set.tables().items():
        write_table(folder / name, table)
    validate_data_dir(folder)
    with Stamp(folder / ".prepare.done", _inputs(data_set)).renew():
        pass


def _swap(new: Path, place: Path) -> None:
    """Put a finished folder in its place; of the one that was there, the arks stay."""
    if place.exists():
        log.info("%s has changed: stage 1 makes features again where their audio did", place)
        place.rename(_old(place))
    for folder in dirs_of_kinds(place):
        (folder / "feats.scp").unlink(missing_ok=True)
    new.rename(place)
    _finish_swap(place)


def _finish_swap(place: Path) -> None:
    """Take over the arks of the folder that was replaced, and remove what is left of it.

    A run that was killed in `_swap` leaves this to the next one. Killed between the two renames,
    the old folder waits for a new one to be in its place.
    """
    old = _old(place)
    if not (old.exists() and (place / ".prepare.done").is_file()):
        return
    arks, taken_over = old / "fbank", place / "fbank"
    if os.path.lexists(arks) and not os.path.lexists(taken_over) and _share_audio(old, place):
        arks.rename(taken_over)
    _remove(old)


def _old(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def _share_audio(old: Path, new: Path) -> bool:
    """Whether any line of wav.scp is in both; if not, the old arks would only take up disk."""
    before, now = (_text(folder / "wav.scp") for folder in (old, new))
    if before is None or now is None:
        return True  # lost, and no reason to give up the arks as well
    return not set(before.splitlines()).isdisjoint(now.splitlines())


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
