"""What a kind of features is, and the settings that features are made with."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..fbank.features import Extractor
from ..fbank.options import Value, read_options


@dataclass(frozen=True)
class FeatureSettings:
    """What features are made with.

    Attributes:
        kind: of the features.
        options: every option of the kind's program.
        steps: every option of each program that follows it, by the program's name.
    """

    kind: "FeatureKind"
    options: Mapping[str, Value]
    steps: Mapping[str, Mapping[str, Value]]


class FeatureKind:
    """What stage 1 makes of a recording: an entry of `KINDS`.

    Attributes:
        name: what a system's YAML asks for; also of the arks' folder, and ``<name>.conf`` in a data
            directory says what its features were made with.
        program: the Kaldi program that computes a frame, whose options the option file takes.
        defaults: its options, with the values that they have if the file does not set them.
        steps: the programs that follow, each with its options and their defaults.
        vectors: tables beside ``feats.scp`` of a number for each frame: ``("vad",)`` for
            ``vad.scp``.
        fixed: options of steps that nobody can set.
        by_kaldi: whether with KALDI_ROOT set Kaldi's programs make them.
    """

    name: str
    program: str
    defaults: Mapping[str, Value]
    steps: Mapping[str, Mapping[str, Value]]
    vectors: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    by_kaldi = False

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options that this kind alone has, such as ``--mfcc-config``."""
        parser.add_argument(
            f"--{self.name}-config",
            default=f"conf/{self.name}.conf",
            help=f"options of {self.program} (default: %(default)s)",
        )

    def read_settings(self, arguments: argparse.Namespace) -> FeatureSettings:
        """The settings that the command line and its option files ask for.

        Raises:
            InputError: an option file is missing or wrong.
        """
        path = getattr(arguments, f"{self.name}_config")
        options = read_options(path, self.defaults, f"--{self.name}-config")
        return FeatureSettings(self, options, self.steps)

    def extractor(self, options: Mapping[str, Value]) -> Extractor:
        """What makes frames of samples.

        Raises:
            ValueError: the options contradict each other.
        """
        raise NotImplementedError

    def finished(self, frames: np.ndarray, settings: FeatureSettings) -> dict[str, np.ndarray]:
        """What is stored of an utterance, after the programs that follow.

        Args:
            frames: (frames, dim) float32, of `extractor`; at least one.
            settings: theirs.

        Returns:
            ``feats``, (frames, dim), and (frames,) for each of `vectors`.

        Raises:
            ValueError: the utterance is to be left out; says why.
        """
        return {"feats": frames}
