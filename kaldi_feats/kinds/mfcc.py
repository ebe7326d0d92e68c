"""Mel-frequency cepstra and which frames are voiced, the features of i-vectors."""

import argparse
from collections.abc import Mapping

import numpy as np

from ..fbank.options import Value, read_options
from ..mfcc.cepstra import MFCC_DEFAULTS, Mfcc, read_mfcc_options
from ..mfcc.frames import VadOptions, voiced_frames
from .kind import FeatureKind, FeatureSettings

VAD = "compute-vad"
STEPS = {
    VAD: {
        "vad-energy-threshold": 5.0,
        "vad-energy-mean-scale": 0.5,
        "vad-frames-context": 0,
        "vad-proportion-threshold": 0.6,
    }
}


class MfccKind(FeatureKind):
    """compute-mfcc-feats, and compute-vad."""

    name = "mfcc"
    program = "compute-mfcc-feats"
    defaults = MFCC_DEFAULTS
    steps = STEPS
    vectors = ("vad",)

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            "--vad-config",
            default="conf/vad.conf",
            help=f"options of {VAD}, for mfcc (default: %(default)s)",
        )

    def read_settings(self, arguments: argparse.Namespace) -> FeatureSettings:
        options = read_mfcc_options(arguments.mfcc_config)
        vad = read_options(arguments.vad_config, self.steps[VAD], "--vad-config")
        return FeatureSettings(self, options, {VAD: vad})

    def extractor(self, options: Mapping[str, Value]) -> Mfcc:
        return Mfcc(options)

    def finished(self, frames: np.ndarray, settings: FeatureSettings) -> dict[str, np.ndarray]:
        options = settings.steps[VAD]
        own = {name.removeprefix("vad-").replace("-", "_"): v for name, v in options.items()}
        voiced = voiced_frames(frames, VadOptions(**own))
        if not voiced.any():
            raise ValueError("no frame is voiced")
        return {"feats": frames, "vad": voiced.astype(np.float32)}


MFCC = MfccKind()
