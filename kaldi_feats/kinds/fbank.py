"""Log mel filter banks minus a sliding mean, the features of the paper's networks."""

import argparse
from collections.abc import Mapping

import numpy as np

from ...command_line import InputError
from ..fbank.features import Fbank
from ..fbank.options import DEFAULTS, Value
from ..fbank.sliding_mean import subtract_sliding_mean
from .kind import FeatureKind, FeatureSettings

SLIDING_MEAN = "apply-cmvn-sliding"
STEPS = {SLIDING_MEAN: {"center": True, "cmn-window": 300, "norm-vars": False}}


class FbankKind(FeatureKind):
    """compute-fbank-feats, and apply-cmvn-sliding."""

    name = "fbank"
    program = "compute-fbank-feats"
    defaults = DEFAULTS
    steps = STEPS
    fixed = ("center", "norm-vars")
    by_kaldi = True

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            "--cmn-window",
            type=int,
            default=self.steps[SLIDING_MEAN]["cmn-window"],
            help="frames that the sliding mean of filter banks is taken over (default: "
            "%(default)s)",
        )

    def read_settings(self, arguments: argparse.Namespace) -> FeatureSettings:
        if arguments.cmn_window < 1:
            raise InputError("--cmn-window must be at least 1")
        settings = super().read_settings(arguments)
        return with_window(settings.options, arguments.cmn_window)

    def extractor(self, options: Mapping[str, Value]) -> Fbank:
        return Fbank(options)

    def finished(self, frames: np.ndarray, settings: FeatureSettings) -> dict[str, np.ndarray]:
        window = settings.steps[SLIDING_MEAN]["cmn-window"]
        return {"feats": subtract_sliding_mean(frames, window)}


FBANK = FbankKind()


def with_window(options: Mapping[str, Value], window: int = 300) -> FeatureSettings:
    """Settings of filter banks: those of compute-fbank-feats, and frames of the sliding mean."""
    steps = {SLIDING_MEAN: FBANK.steps[SLIDING_MEAN] | {"cmn-window": window}}
    return FeatureSettings(FBANK, options, steps)
