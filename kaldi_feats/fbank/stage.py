"""The feature stage's bookkeeping: which arks a data directory needs, and which are there.

The utterances go into arks of 10 to 500, and an ark's name is a fingerprint of all that it is
made from: the settings, and its lines of wav.scp with size and date of their files, those that a
pipe's command names included. An ark is there once its scp is. So a stage that died continues
where it stopped, with however many processes; a change makes other arks; and features made before
stay valid until the new ones are complete, as feats.scp is the last thing to change.
"""

import hashlib
import json
import logging
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ...command_line import InputError
from ...stamp import Stamp
from ..audio import is_pipe, state_of_source
from ..checks import validate_data_dir
from ..data_dir import read_table, write_table
from ..segments import Segment, parse_segment
from .options import option_text, write_settings

log = logging.getLogger(__name__)

# Small enough to keep many processes busy and to lose little, large enough for a million
# utterances (2,000 arks of 100 MB). Not a matter of how many processes there are.
SMALLEST_ARK, LARGEST_ARK, ARKS_OF_A_SMALL_CORPUS = 10, 500, 64


@dataclass(frozen=True)
class Utterance:
    """One line of wav.scp, or a part of it by segments; `where` is ``wav.scp:LINE``."""

    name: str
    source: str
    where: str
    segment: Segment | None = None


@dataclass(frozen=True)
class Chunk:
    """The utterances of one ark, and the name of its files without a suffix."""

    path: Path
    utterances: tuple[Utterance, ...]

    def file(self, suffix: str) -> Path:
        """One of the chunk's files: ``.ark``, ``.scp`` (written last), ``.num_frames``."""
        return self.path.with_name(self.path.name + suffix)

    def is_there(self) -> bool:
        return all(self.file(suffix).is_file() for suffix in (".scp", ".ark", ".num_frames"))

    def write_broken(self, broken: dict[str, str]) -> None:
        """Record the utterances that were left out, and why, in ``.broken``; none, no file."""
        _write_or_remove(self.file(".broken"), broken)

    def broken(self) -> dict[str, str]:
        """What `write_broken` recorded."""
        path = self.file(".broken")
        return dict(_read_lines(path)) if path.is_file() else {}


class FbankStage:
    """What the features of one data directory are made from, and whether they are complete.

    Args:
        data_dir: a Kaldi data directory, which is validated.
        fbank_dir: where the arks go; ``<data_dir>/fbank`` if None.
        options: as `fbank_options.read_options` returns them.
        cmn_window: frames of the sliding mean.
        compress: whether arks are stored in Kaldi's compressed form.
        skip_broken: whether recordings that cannot be read are left out; arks that lack some are
            made again without it.

    Raises:
        InputError: the data directory is invalid.
    """

    needs_audio = True

    def __init__(
        self,
        data_dir: str | os.PathLike,
        fbank_dir: str | os.PathLike | None,
        options: dict,
        cmn_window: int = 300,
        compress: bool = False,
        skip_broken: bool = False,
    ):
        self.data_dir = Path(data_dir)
        self.fbank_dir = Path(os.path.abspath(fbank_dir or self.data_dir / "fbank"))
        self.options = options
        self.cmn_window = cmn_window
        self.compress = compress
        self.skip_broken = skip_broken
        validate_data_dir(self.data_dir, audio=self.needs_audio and not skip_broken)
        self._settings = {
            **{name: option_text(value) for name, value in options.items()},
            "cmn-window": str(cmn_window),
            "compress": option_text(compress),
        }

    @property
    def prefix(self) -> str:
        """What the names of this directory's arks begin with."""
        return f"fbank_{self.data_dir.resolve().name}."

    @cached_property
    def chunks(self) -> list[Chunk]:
        """All arks that the stage consists of."""
        utterances = self._utterances()
        size = min(max(len(utterances) // ARKS_OF_A_SMALL_CORPUS, SMALLEST_ARK), LARGEST_ARK)
        groups = [
            tuple(utterances[start : start + size]) for start in range(0, len(utterances), size)
        ]
        return [
            Chunk(self.fbank_dir / (self.prefix + self._fingerprint(group)), group)
            for group in groups
        ]

    def _utterances(self) -> list[Utterance]:
        wav_scp, segments = self.data_dir / "wav.scp", self.data_dir / "segments"
        recordings = [
            Utterance(
                name, source if is_pipe(source) else os.path.abspath(source), f"{wav_scp}:{n}"
            )
            for n, (name, source) in enumerate(read_table(wav_scp).items(), start=1)
        ]
        if not segments.exists():
            return recordings
        of_name = {recording.name: recording for recording in recordings}
        parts = {name: parse_segment(value) for name, value in read_table(segments).items()}
        return [
            replace(of_name[segment.recording], name=name, segment=segment)
            for name, segment in parts.items()
        ]

    def _fingerprint(self, utterances: tuple[Utterance, ...]) -> str:
        lines = [
            [u.name, u.source, *state_of_source(u.source), *(u.segment or ())] for u in utterances
        ]
        text = json.dumps([self._settings, lines], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def pending(self) -> list[Chunk]:
        """The arks that are still to be made, or are not what they were when they were made."""
        damaged = set(self._stamp.changed_outputs()) if self._stamp.read() else set()
        return [
            chunk
            for chunk in self.chunks
            if not chunk.is_there()
            or chunk.file(".ark") in damaged
            or (not self.skip_broken and chunk.broken())
        ]

    @cached_property
    def _stamp(self) -> Stamp:
        names = "".join(chunk.path.name for chunk in self.chunks)
        inputs = {
            "settings": self._settings,
            "utterances": hashlib.sha256(names.encode()).hexdigest(),
            "fbank_dir": str(self.fbank_dir),
        }
        outputs = [self.data_dir / name for name in ("feats.scp", "utt2num_frames", "fbank.conf")]
        outputs += [chunk.file(".ark") for chunk in self.chunks]
        return Stamp(self.data_dir / ".fbank.done", inputs, outputs)

    def is_complete(self) -> bool:
        """Whether there is nothing left to do."""
        return self._stamp.is_current() and not self.pending()

    def finish(self) -> list[str]:
        """Put feats.scp, utt2num_frames and fbank.conf in place; every ark must be there.

        Returns:
            The utterances that have no features.

        Raises:
            InputError: not one utterance gave features.
        """
        feats: dict[str, str] = {}
        num_frames: dict[str, str] = {}
        broken: dict[str, str] = {}
        for chunk in self.chunks:
            broken.update(chunk.broken())
            for name, value in _read_lines(chunk.file(".scp")):
                # Not the path in the chunk's scp: the folder may have been moved since.
                feats[name] = f"{chunk.file('.ark')}:{value.rpartition(':')[2]}"
            num_frames.update(_read_lines(chunk.file(".num_frames")))
        names = [utterance.name for chunk in self.chunks for utterance in chunk.utterances]
        if not feats:
            raise InputError(
                f"{self.data_dir / 'wav.scp'}: no features came of any of the {len(names)} "
                "recordings (too short?); see the log"
            )
        with self._stamp.renew():
            write_table(self.data_dir / "feats.scp", feats)
            write_table(self.data_dir / "utt2num_frames", num_frames)
            write_settings(
                self.data_dir / "fbank.conf", self.options, self.cmn_window, self.compress
            )
            _write_or_remove(self.data_dir / "broken_recordings", broken)
        self._remove_leftovers()
        skipped = [name for name in names if name not in feats]
        log.info(
            "%s: done %d of %d, skipped %d", self.data_dir, len(feats), len(names), len(skipped)
        )
        return skipped

    def _remove_leftovers(self) -> None:
        """Remove arks of other settings and half-written ones.

        Only from the directory's own folder: in one chosen with FBANK_DIR another data directory
        of the same name may keep its arks.
        """
        if self.fbank_dir != Path(os.path.abspath(self.data_dir / "fbank")):
            return
        keep = {chunk.path.name for chunk in self.chunks}
        for path in self.fbank_dir.iterdir():
            name = path.name.removeprefix(".")
            if name.startswith(self.prefix) and ".".join(name.split(".")[:-1]) not in keep:
                path.unlink()


def _write_or_remove(path: Path, table: dict[str, str]) -> None:
    if table:
        write_table(path, table)
    else:
        path.unlink(missing_ok=True)


def _read_lines(path: Path) -> list[tuple[str, str]]:
    """The lines of a chunk's table, which is empty if all its utterances were too short."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(name, value.strip()) for name, _, value in (line.partition(" ") for line in lines)]
