"""The losses: Keras layers, losses, a regularizer and a callback, each also as a function.

All are the paper's but the contrastive loss, that of the system it compares itself with. As in
`keras.losses`, the functions give the losses one by one: of each utterance, unreduced. A
function has the name of the module it is in and, as an attribute of this package, comes before it.
"""

from .additive_margin_softmax import AdditiveMarginSoftmax, additive_margin_softmax
from .between_speaker_variation import BetweenSpeakerVariation, between_speaker_variation
from .center_loss import CenterLoss, center_loss
from .center_update import CenterUpdate
from .contrastive import Contrastive, contrastive
from .ge2e import GE2E, ge2e
from .hard_negative_mining import HardNegativeMining, hard_negative_mining
from .speaker_accuracy import SpeakerAccuracy, speaker_accuracy
from .speaker_bases import SpeakerBases

__all__ = [
    "GE2E",
    "AdditiveMarginSoftmax",
    "BetweenSpeakerVariation",
    "CenterLoss",
    "CenterUpdate",
    "Contrastive",
    "HardNegativeMining",
    "SpeakerAccuracy",
    "SpeakerBases",
    "additive_margin_softmax",
    "between_speaker_variation",
    "center_loss",
    "contrastive",
    "ge2e",
    "hard_negative_mining",
    "speaker_accuracy",
]
