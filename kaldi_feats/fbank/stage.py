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
from ..kinds import FeatureSettings
from ..kinds.record import write_record
from ..segments import Segment, parse_segment
from .options import option_text

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

    def is_there(self, vectors: tuple[str, ...] = ()) -> bool:
        """Whether all files are there, those of the kind's `vectors` included."""
        suffixes = [".scp", ".ark", ".num_frames"]
        suffixes += [f".{name}{suffix}" for name in vectors for suffix in (".scp", ".ark")]
        return all(self.file(suffix).is_file() for suffix in suffixes)

    def write_broken(self, broken: dict[str, str]) -> None:
        """Record the utterances that were left out, and why, in ``.broken``; none, no file."""
        _write_or_remove(self.file(".broken"), broken)

    def broken(self) -> dict[str, str]:
        """What `write_broken` recorded."""
        path = self.file(".broken")
        return dict(_read_lines(path)) if path.is_file() else {}


class FeatureStage:
    """What the features of one data directory are made from, and whether they are complete.

    Args:
        data_dir: a Kaldi data directory, which is validated.
        ark_dir: where the arks go; ``<data_dir>/<kind>`` if None.
        settings: the kind of features, and what they are made with.
        compress: whether arks are stored in Kaldi's compressed form.
        skip_broken: whether recordings that cannot be read are left out; arks that lack some are
            made again without it.

    Raises:
        InputError: the data directory is invalid.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike,
        ark_dir: str | os.PathLike | None,
        settings: FeatureSettings,
        compress: bool = False,
        skip_broken: bool = False,
    ):
        self.data_dir = Path(data_dir)
        self.settings = settings
        self.kind = settings.kind
        self.ark_dir = Path(os.path.abspath(ark_dir or self._own_ark_dir))
        self.compress = compress
        self.skip_broken = skip_broken
        validate_data_dir(self.data_dir, audio=not skip_broken)
        self._made_with = {
            name: option_text(value)
            for options in (settings.options, *settings.steps.values(), {"compress": compress})
            for name, value in options.items()
            if name not in self.kind.fixed
        }

    @property
    def _own_ark_dir(self) -> Path:
        return self.data_dir / self.kind.name

    @property
    def prefix(self) -> str:
        """What the names of this directory's arks begin with."""
        return f"{self.kind.name}_{self.data_dir.resolve().name}."

    @cached_property
    def chunks(self) -> list[Chunk]:
        """All arks that the stage consists of."""
        utterances = self._utterances()
        size = min(max(len(utterances) // ARKS_OF_A_SMALL_CORPUS, SMALLEST_ARK), LARGEST_ARK)
        groups = [
            tuple(utterances[start : start + size]) for start in range(0, len(utterances), size)
        ]
        return [
            Chunk(self.ark_dir / (self.prefix + self._fingerprint(group)), group)
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
        text = json.dumps([self._made_with, lines], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def pending(self) -> list[Chunk]:
        """The arks that are still to be made, or are not what they were when they were made."""
        damaged = set(self._stamp.changed_outputs()) if self._stamp.read() else set()
        return [
            chunk
            for chunk in self.chunks
            if not chunk.is_there(self.kind.vectors)
            or not damaged.isdisjoint(self._arks_of(chunk))
            or (not self.skip_broken and chunk.broken())
        ]

    @cached_property
    def _stamp(self) -> Stamp:
        names = "".join(chunk.path.name for chunk in self.chunks)
        inputs = {
            "settings": self._made_with,
            "utterances": hashlib.sha256(names.encode()).hexdigest(),
            "ark_dir": str(self.ark_dir),
        }
        outputs = [*self._tables, *(ark for chunk in self.chunks for ark in self._arks_of(chunk))]
        return Stamp(self._done, inputs, outputs)

    @property
    def _done(self) -> Path:
        return self.data_dir / f".{self.kind.name}.done"

    @property
    def _tables(self) -> list[Path]:
        vectors = [f"{name}.scp" for name in self.kind.vectors]
        names = ["feats.scp", *vectors, "utt2num_frames", f"{self.kind.name}.conf"]
        return [self.data_dir / name for name in names]

    def _arks_of(self, chunk: Chunk) -> list[Path]:
        return [chunk.file(".ark"), *(chunk.file(f".{name}.ark") for name in self.kind.vectors)]

    def is_complete(self) -> bool:
        """Whether there is nothing left to do."""
        return self._stamp.is_current() and not self.pending()

    def finish(self) -> list[str]:
        """Put feats.scp, what is beside it and the record in place; every ark must be there.

        Returns:
            The utterances that have no features.

        Raises:
            InputError: not one utterance gave features.
        """
        places: dict[str, dict[str, str]] = {"": {}, **{f".{v}": {} for v in self.kind.vectors}}
        num_frames: dict[str, str] = {}
        broken: dict[str, str] = {}
        for chunk in self.chunks:
            broken.update(chunk.broken())
            for part, table in places.items():
                for name, value in _read_lines(chunk.file(f"{part}.scp")):
                    # Not the path in the chunk's scp: the folder may have been moved since.
                    table[name] = f"{chunk.file(f'{part}.ark')}:{value.rpartition(':')[2]}"
            num_frames.update(_read_lines(chunk.file(".num_frames")))
        feats = places.pop("")
        names = [utterance.name for chunk in self.chunks for utterance in chunk.utterances]
        if not feats:
            raise InputError(
                f"{self.data_dir / 'wav.scp'}: no features came of any of the {len(names)} "
                "recordings (too short?); see the log"
            )
        with self._stamp.renew():
            for part, table in places.items():
                write_table(self.data_dir / f"{part.removeprefix('.')}.scp", table)
            write_table(self.data_dir / "feats.scp", feats)
            write_table(self.data_dir / "utt2num_frames", num_frames)
            write_record(self.data_dir, self.settings, self.compress)
            _write_or_remove(self.data_dir / "broken_recordings", broken)
        self._remove_leftovers()
        skipped = [name for name in names if name not in feats]
        log.info(
            "%s: done %d of %d, skipped %d", self.data_dir, len(feats), len(names), len(skipped)
        )
        return skipped

    def _remove_leftovers(self) -> None:
        """Remove arks of other settings and half-written ones.

        Only from the directory's own folder: in one chosen with ARK_DIR another data directory
        of the same name may keep its arks.
        """
        if self.ark_dir != Path(os.path.abspath(self._own_ark_dir)):
            return
        keep = {chunk.path.name for chunk in self.chunks}
        for path in self.ark_dir.iterdir():
            name = path.name.removeprefix(".")
            half_written = path.name != name
            fingerprint = name.removeprefix(self.prefix).partition(".")[0]
            if name.startswith(self.prefix) and (
                half_written or self.prefix + fingerprint not in keep
            ):
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
