"""The utterances of one set, before they are a Kaldi data directory."""

import hashlib
import json
import os
from dataclasses import dataclass, field

from .audio import is_pipe, state_of_source
from .data_dir import format_table, spk2utt_of

GIVEN_FEATURES = "given_feats.scp"
"""The table, in a data directory, of features that somebody has made: stage 1 makes none."""


@dataclass
class DataSet:
    """The utterances of one set.

    Args:
        wav_scp: utterance -> absolute path of its audio, or Kaldi pipe; of a set with segments,
            recording -> the same.
        utt2spk: utterance -> speaker.
        segments: utterance -> its recording, beginning and end, as Kaldi writes them. Empty: an
            utterance is a recording.
        features: utterance -> place of its matrix. Empty: they are to be made.
    """

    wav_scp: dict[str, str] = field(default_factory=dict)
    utt2spk: dict[str, str] = field(default_factory=dict)
    segments: dict[str, str] = field(default_factory=dict)
    features: dict[str, str] = field(default_factory=dict)

    def add(self, utterance: str, speaker: str, audio: str | os.PathLike) -> None:
        """Add an utterance that is a whole recording: a file, or a Kaldi pipe."""
        source = os.fspath(audio)
        self.wav_scp[utterance] = source if is_pipe(source) else os.path.abspath(source)
        self.utt2spk[utterance] = speaker

    def source_of(self, utterance: str) -> str:
        """What an utterance is read from: a value of `wav_scp`."""
        segment = self.segments.get(utterance)
        return self.wav_scp[utterance if segment is None else segment.split()[0]]

    def tables(self) -> dict[str, dict[str, str]]:
        """Each file of the data directory."""
        tables = {
            "wav.scp": self.wav_scp,
            "utt2spk": self.utt2spk,
            "spk2utt": spk2utt_of(self.utt2spk),
            "segments": self.segments,
            GIVEN_FEATURES: self.features,
        }
        return {name: table for name, table in tables.items() if table}

    def texts(self) -> dict[str, str]:
        """The text of each file of the data directory."""
        return {name: format_table(table) for name, table in self.tables().items()}

    def fingerprint(self) -> str:
        """Changes with an id, a speaker, a source, or the size or date of an audio file."""
        rows = []
        for name, source in sorted(self.wav_scp.items()):
            speaker = [] if self.segments else [self.utt2spk[name]]
            rows.append((name, *speaker, source, *state_of_source(source)))
        for utterance, segment in sorted(self.segments.items()):
            rows.append((utterance, self.utt2spk[utterance], segment))
        rows += sorted(self.features.items())
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
