"""The corpora that stage 0 knows, one module each, found by name."""

import argparse
from pathlib import Path
from typing import Protocol

from ...registry import Registry
from ..corpus import Corpus


class CorpusFinder(Protocol):
    """How a corpus is found, or made, and described.

    Attributes:
        summary: what it is, for ``--help``.
    """

    summary: str

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Give the corpus's subcommand of `prepare` its options."""

    def find(self, options: argparse.Namespace) -> Corpus:
        """Describe the corpus.

        Args:
            options: its own, and `data`, `nj` and `allow_missing` of every corpus.

        Raises:
            InputError: what the user gave is not such a corpus.
        """

    def installed(self, corpus: Corpus, data: Path) -> None:
        """Called when the data directories are in place, to clear away what they do not need."""


CORPORA: Registry[CorpusFinder] = Registry("corpus")

from .folders import Folders  # noqa: E402  they are described by what stands above
from .kaldi import Kaldi  # noqa: E402
from .librispeech import LibriSpeech  # noqa: E402
from .synthetic import Synthetic  # noqa: E402
from .voxceleb import VoxCeleb1, VoxCeleb2  # noqa: E402

CORPORA.add("synthetic", Synthetic())
CORPORA.add("librispeech", LibriSpeech())
CORPORA.add("folders", Folders())
CORPORA.add("kaldi", Kaldi())
CORPORA.add("voxceleb1", VoxCeleb1())
CORPORA.add("voxceleb2", VoxCeleb2())
