"""Whether a data directory is one: the checks of Kaldi's utils/validate_data_dir.sh.

The tables are walked side by side, line by line: of a million utterances not one is held whole.
"""

import os
from collections.abc import Collection, Iterator
from itertools import zip_longest
from pathlib import Path

from ..command_line import InputError
from .ark import parse_place
from .data_dir import is_count, quoted, read_table, shown, table_lines
from .data_set import GIVEN_FEATURES
from .kinds import KINDS
from .segments import parse_segment

# So many recordings that are not there are listed.
LISTED = 20


def validate_data_dir(path: str | os.PathLike, features: bool = False, audio: bool = True) -> int:
    """Check a data directory as Kaldi's utils/validate_data_dir.sh does.

    Args:
        path: the data directory.
        features: check feats.scp, what its kind has beside it, and utt2num_frames too. feats.scp
            may lack utterances of utt2spk, those too short for a single frame.
        audio: check that the recordings are there, unless features are given instead.

    Returns:
        How many utterances it has.

    Raises:
        InputError: the first thing that is wrong, with file, line and remedy; of recordings that
            are not there, how many they are, and `LISTED` of them.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such data directory; run stage 0 or correct the path")
    utterances = _check_tables(folder, audio and not (folder / GIVEN_FEATURES).exists())
    if features:
        _check_features(folder)
    return utterances


def _check_tables(folder: Path, audio: bool) -> int:
    speakers = _Speakers(folder)
    absent = _AbsentAudio(folder / "wav.scp")
    segmented = (folder / "segments").exists()
    number = 0
    rows = _joined(folder, "segments" if segmented else "wav.scp", "utt2spk")
    for number, (utterance, source, speaker) in enumerate(rows, start=1):
        speakers.add(number, utterance, speaker)
        if audio and not segmented:
            absent.look(number, utterance, source)
    speakers.finish()
    if segmented:
        _check_segments(folder, absent if audio else None)
    absent.finish()
    return number


def _check_segments(folder: Path, absent: "_AbsentAudio | None") -> None:
    recordings = set()
    for number, (recording, source) in enumerate(table_lines(folder / "wav.scp"), start=1):
        recordings.add(recording)
        if absent:
            absent.look(number, recording, source)
    for number, (utterance, value) in enumerate(table_lines(folder / "segments"), start=1):
        check_segment(f"{folder / 'segments'}:{number}", utterance, value, recordings)


def check_segment(where: str, utterance: str, value: str, recordings: Collection[str]) -> None:
    """Refuse a line of segments that is no part of a recording of wav.scp.

    Raises:
        InputError: with `where`, the line's place.
    """
    try:
        segment = parse_segment(value)
    except ValueError as error:
        raise InputError(f"{where}: {error} (of {quoted(utterance)}); correct it") from None
    if segment.recording not in recordings:
        raise InputError(
            f"{where}: the recording {quoted(segment.recording)} is not in wav.scp; add it there "
            "or remove this line"
        )


def _joined(folder: Path, first: str, second: str) -> Iterator[tuple[str, str, str]]:
    """Line by line: a key that is in both tables, its value in the one and in the other."""
    rows = zip_longest(table_lines(folder / first), table_lines(folder / second))
    for number, (one, other) in enumerate(rows, start=1):
        if one is not None and other is not None and one[0] == other[0]:
            yield *one, other[1]
            continue
        for _ in rows:  # a line further down that is out of order is the better explanation
            pass
        if other is None or (one is not None and one[0] < other[0]):
            raise not_in(folder, first, number, one[0], second)
        raise not_in(folder, second, number, other[0], first)


def not_in(folder: Path, name: str, number: int, utterance: str, other: str) -> InputError:
    """The error that an utterance on a line of one table is not in the other."""
    return InputError(
        f"{folder / name}:{number}: the utterance {quoted(utterance)} is not in {other}; "
        "add it there or remove this line"
    )


class _Speakers:
    """Checks utt2spk, which comes line by line, and spk2utt against it."""

    def __init__(self, folder: Path):
        self._utt2spk, self._spk2utt = folder / "utt2spk", folder / "spk2utt"
        self._left = read_table(self._spk2utt)
        self._lines = {speaker: line for line, speaker in enumerate(self._left, start=1)}
        self._speaker = ""
        self._utterances: list[str] = []
        self._missing: str | None = None
        self._differs: str | None = None

    def add(self, number: int, utterance: str, speaker: str) -> None:
        if speaker != self._speaker:
            where = f"{self._utt2spk}:{number}"
            if speaker.split() != [speaker]:
                raise InputError(
                    f"{where}: the speaker {quoted(speaker)} of {quoted(utterance)} has blanks"
                )
            if speaker < self._speaker:
                raise InputError(
                    f"{where}: the speaker {quoted(speaker)} is out of order after "
                    f"{quoted(self._speaker)}, though the utterances are sorted; separate speaker "
                    "and utterance with '-'"
                )
            self._compare()
            self._speaker, self._utterances = speaker, []
        if not utterance.startswith(speaker):
            raise InputError(
                f"{self._utt2spk}:{number}: the speaker {quoted(speaker)} does not prefix the "
                f"utterance {quoted(utterance)}; rename the utterances to <speaker>-<utterance>"
            )
        self._utterances.append(utterance)

    def _compare(self) -> None:
        if not self._speaker:
            return
        found = self._left.pop(self._speaker, None)
        if found is None:
            self._missing = self._missing or self._speaker
        elif sorted(found.split()) != self._utterances:
            self._differs = self._differs or self._speaker

    def finish(self) -> None:
        self._compare()
        remedy = "make spk2utt again from utt2spk"
        if self._left:
            speaker = next(iter(self._left))
            raise InputError(
                f"{self._spk2utt}:{self._lines[speaker]}: {quoted(speaker)} has no line in "
                f"utt2spk; {remedy}"
            )
        if self._differs:
            raise InputError(
                f"{self._spk2utt}:{self._lines[self._differs]}: not the utterances that utt2spk "
                f"gives {quoted(self._differs)}; {remedy}"
            )
        if self._missing:
            raise InputError(
                f"{self._spk2utt}: the speaker {quoted(self._missing)} of utt2spk is missing; "
                f"{remedy}"
            )


class _AbsentAudio:
    """Collects the plain paths that name no file with something in it.

    A pipe is only found out by running it.
    """

    def __init__(self, wav_scp: Path):
        self._wav_scp = wav_scp
        self._count = 0
        self._found: list[tuple[int, str]] = []

    def look(self, number: int, utterance: str, source: str) -> None:
        if source.endswith("|"):
            return
        try:
            if os.stat(source).st_size:
                return
            what = f"an empty file: {shown(source)} (of {quoted(utterance)})"
        except OSError as error:
            reason = (
                "no such file"
                if isinstance(error, FileNotFoundError | NotADirectoryError)
                else error.strerror
            )
            what = f"{reason}: {shown(source)} (of {quoted(utterance)})"
        self._count += 1
        if len(self._found) < LISTED:
            self._found.append((number, what))

    def finish(self) -> None:
        if not self._found:
            return
        (number, what), *others = self._found
        text = f"{self._wav_scp}:{number}: {what}"
        if others:
            more = "; ".join(f"line {line}: {problem}" for line, problem in others)
            text += f"; so are {self._count - 1:,} more: {more}"
            text += ", ..." if self._count > len(self._found) else ""
        raise InputError(f"{text}; correct the paths, fetch the files, or run stage 0 again")


def _check_features(folder: Path) -> None:
    known = iter(table_lines(folder / "utt2spk"))
    for number, (utterance, _) in enumerate(table_lines(folder / "feats.scp"), start=1):
        # Both are sorted: what is passed over here is not looked for later.
        if not any(utterance == other for other, _ in known):
            raise not_in(folder, "feats.scp", number, utterance, "utt2spk")
    kinds = [kind for kind in KINDS.values() if (folder / f"{kind.name}.conf").is_file()]
    archives: set[str] = set()
    for table in (f"{vector}.scp" for kind in kinds for vector in kind.vectors):
        for number, (utterance, _, value) in enumerate(_joined(folder, "feats.scp", table), 1):
            _check_archive(f"{folder / table}:{number}", utterance, value, archives)
    rows = _joined(folder, "feats.scp", "utt2num_frames")
    for number, (utterance, value, count) in enumerate(rows, start=1):
        _check_archive(f"{folder / 'feats.scp'}:{number}", utterance, value, archives)
        if not is_count(count):
            raise InputError(
                f"{folder / 'utt2num_frames'}:{number}: {count[:80]!r} is not a number of frames "
                f"(of {quoted(utterance)}); make the features again"
            )


def _check_archive(where: str, utterance: str, value: str, archives: set[str]) -> None:
    try:
        archive = parse_place(value).path
    except ValueError as error:
        raise InputError(
            f"{where}: {error} (of {quoted(utterance)}); make the features again"
        ) from None
    if archive not in archives and not os.path.isfile(archive):
        raise InputError(
            f"{where}: no such archive: {shown(archive)} (of {quoted(utterance)}); make the "
            "features again"
        )
    archives.add(archive)
