"""A Kaldi data directory as somebody has it: sorted or not, perhaps with segments and features."""

import logging
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from ...command_line import InputError
from ..ark import parse_place
from ..audio import is_pipe
from ..checks import not_in
from ..data_dir import quoted, read_table
from ..data_set import DataSet
from ..segments import parse_segment

log = logging.getLogger(__name__)


@dataclass
class KaldiDir:
    """What a data directory says.

    Attributes:
        data_set: its utterances.
        sexes: speaker -> sex, by spk2gender; empty without one.
        lines: speaker -> the place of its first line, ``DIR/utt2spk:LINE``.
    """

    data_set: DataSet
    sexes: dict[str, str]
    lines: dict[str, str]

    def recordings(self) -> dict[str, str] | None:
        """Utterance -> recording, if several utterances can be of one."""
        segments = self.data_set.segments
        return {name: value.split()[0] for name, value in segments.items()} or None


def read_data_dir(folder: str | os.PathLike, root: str | os.PathLike = ".") -> KaldiDir:
    """Read a data directory, whose tables need not be sorted.

    Args:
        folder: holds wav.scp and utt2spk; segments, feats.scp and spk2gender if it has them.
        root: the folder that relative paths in wav.scp and feats.scp, and the commands in wav.scp,
            start from.

    Raises:
        InputError: the first thing that is wrong, with file and line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such data directory; correct --train-data or --test-data")
    utt2spk = read_table(folder / "utt2spk", in_order=False)
    lines = _check_speakers(folder, utt2spk)
    wav_scp = {
        name: _source_from(source, root)
        for name, source in read_table(folder / "wav.scp", in_order=False).items()
    }
    segments = _read_segments(folder, wav_scp)
    of_utterances = "segments" if segments else "wav.scp"
    _compare(folder, "utt2spk", utt2spk, of_utterances, segments or wav_scp)
    _compare(folder, of_utterances, segments or wav_scp, "utt2spk", utt2spk)
    features = _read_features(folder, utt2spk, root)
    sexes = {}
    if (folder / "spk2gender").exists():
        sexes = read_table(folder / "spk2gender", in_order=False)
    return KaldiDir(DataSet(wav_scp, utt2spk, segments, features), sexes, lines)


def _check_speakers(folder: Path, utt2spk: dict[str, str]) -> dict[str, str]:
    """The line that each speaker is first on."""
    lines: dict[str, str] = {}
    for number, (utterance, speaker) in enumerate(utt2spk.items(), start=1):
        where = f"{folder / 'utt2spk'}:{number}"
        if not utterance.startswith(speaker):
            raise InputError(
                f"{where}: the speaker {quoted(speaker)} does not prefix the utterance "
                f"{quoted(utterance)}; rename the utterances to <speaker>-<utterance>"
            )
        lines.setdefault(speaker, where)
    if len(lines) == 1:
        ((speaker, where),) = lines.items()
        raise InputError(f"{where}: one speaker only, {quoted(speaker)}; two or more are needed")
    return lines


def _compare(folder: Path, name: str, table: dict, other_name: str, other: dict) -> None:
    for number, utterance in enumerate(table, start=1):
        if utterance not in other:
            raise not_in(folder, name, number, utterance, other_name)


def _source_from(source: str, root: str | os.PathLike) -> str:
    """A value of wav.scp that means the same in whatever folder it is read."""
    top = os.path.abspath(root)
    if not is_pipe(source):
        return os.path.join(top, source)
    return source if top == os.getcwd() else f"cd {shlex.quote(top)} || exit 1; {source}"


def _read_segments(folder: Path, wav_scp: dict[str, str]) -> dict[str, str]:
    path = folder / "segments"
    if not path.exists():
        return {}
    segments = read_table(path, in_order=False)
    for number, (utterance, value) in enumerate(segments.items(), start=1):
        try:
            recording = parse_segment(value).recording
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error} (of {quoted(utterance)})") from None
        if recording not in wav_scp:
            raise not_in(folder, "segments", number, recording, "wav.scp")
    return segments


def _read_features(
    folder: Path, utt2spk: dict[str, str], root: str | os.PathLike
) -> dict[str, str]:
    """The places of the features; without features, or a feats.scp, none."""
    path = folder / "feats.scp"
    if not path.exists():
        return {}
    features = read_table(path, in_order=False)
    _compare(folder, "feats.scp", features, "utt2spk", utt2spk)
    for number, (utterance, value) in enumerate(features.items(), start=1):
        try:
            archive = parse_place(value).path
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error} (of {quoted(utterance)})") from None
        place = os.path.join(os.path.abspath(root), archive)
        if not os.path.isfile(place):
            raise InputError(
                f"{path}:{number}: no such archive: {place} (of {quoted(utterance)}); relative "
                "paths start from --scp-root; or remove feats.scp, and features are computed"
            )
        features[utterance] = place + value[len(archive) :]
    log.info(
        "%s: the features of %s of %s utterances are taken as they are",
        path,
        f"{len(features):,}",
        f"{len(utt2spk):,}",
    )
    return features
