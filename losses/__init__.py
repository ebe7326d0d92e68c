"""The losses of the paper, each a Keras layer, loss or callback."""

from .additive_margin_softmax import AdditiveMarginSoftmax
from .between_speaker_variation import BetweenSpeakerVariation
from .center_loss import CenterLoss
from .center_update import CenterUpdate
from .ge2e import GE2E
from .hard_negative_mining import HardNegativeMining
from .speaker_bases import SpeakerBases

__all__ = [
    "GE2E",
    "AdditiveMarginSoftmax",
    "BetweenSpeakerVariation",
    "CenterLoss",
    "CenterUpdate",
    "HardNegativeMining",
    "SpeakerBases",
]
