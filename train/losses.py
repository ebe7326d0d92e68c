"""The losses that a configuration may name, one entry each.

An entry says how a loss is written in the paper, where it stands in the training model and which
settings it has; a module of your own adds to `LOSSES` (see docs/adding.md). What the losses compute
is in the room `losses`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ..command_line import InputError
from ..registry import Registry
from .schema import ANY, COUNT, NOT_NEGATIVE, POSITIVE, REDUCTION, SHARE

Settings = dict[str, Any]


@dataclass(frozen=True)
class Loss:
    """One loss.

    Attributes:
        symbol: as the paper writes it: "L_S".
        place: where it stands. `outputs`: a Keras loss on what the speaker bases return.
            `batch`: a layer on the embeddings and labels of the batch that needs no bases.
            `embeddings`: such a layer beside one of `outputs`. `bases`: a
            `BetweenSpeakerVariation` on the bases. A system has exactly one of the first two; but
            softmax may stand beside a loss on cosines.
        build: from the number of speakers and the settings to the Keras object.
        keys: its settings, as in `schema`.
        required: settings without a default.
        similarity: what the bases return for it, "dot" or "cosine", if it stands on `outputs`.
        bases: arguments of `SpeakerBases` that follow from the settings.
        callbacks: the callbacks that it needs while training.
        check: refuses, with an `InputError`, settings that do not fit a configuration.
        check_speakers: refuses settings that do not fit the number of training speakers.
    """

    symbol: str
    place: Literal["outputs", "batch", "embeddings", "bases"]
    build: Callable[..., Any]
    keys: dict[str, Any]
    required: tuple[str, ...] = ()
    similarity: str | None = None
    bases: Callable[[Settings], Settings] = field(default=lambda settings: {})
    callbacks: Callable[[Settings], list] = field(default=lambda settings: [])
    check: Callable[[Settings, dict[str, Any], str], None] = field(default=lambda *_: None)
    check_speakers: Callable[[Settings, int], None] = field(default=lambda *_: None)


LOSSES: Registry[Loss] = Registry("loss")


def softmax_beside_cosines(losses: dict[str, Settings]) -> str | None:
    """The name of the softmax loss, if the bases are to add it to a loss on their cosines."""
    others = (LOSSES[name].similarity for name in losses if name != "softmax")
    return "softmax" if "softmax" in losses and "cosine" in others else None


def _softmax(num_speakers: int, reduction: str = "sum"):
    import keras

    reduction = {"mean": "sum_over_batch_size"}.get(reduction, reduction)
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction=reduction, name="softmax"
    )


def _center(num_speakers: int, alpha: float | None = None, **settings):
    from ..losses import CenterLoss

    return CenterLoss(num_speakers, **settings, name="center")


def _center_callbacks(settings: Settings) -> list:
    from ..losses import CenterUpdate

    return [CenterUpdate(**{key: settings[key] for key in ("alpha",) if key in settings})]


def _am_softmax(num_speakers: int, **settings):
    from ..losses import AdditiveMarginSoftmax

    return AdditiveMarginSoftmax(**settings)


def _ge2e(num_speakers: int, **settings):
    from ..losses import GE2E

    return GE2E(**settings, name="ge2e")


def _check_ge2e(settings: Settings, config: dict[str, Any], where: str) -> None:
    batch = config["batch"]
    if not min(batch.get(key, 0) for key in ("speakers", "crops_per_speaker")) > 1:
        raise InputError(
            f"{where}: losses.ge2e compares the utterances of a batch: its `batch` needs 2 or more "
            "`speakers` and 2 or more `crops_per_speaker`"
        )


def _contrastive(num_speakers: int, **settings):
    from ..losses import Contrastive

    return Contrastive(**settings, name="contrastive")


def _check_pairs(settings: Settings, config: dict[str, Any], where: str) -> None:
    if "pairs" not in config["batch"]:
        raise InputError(f"{where}: losses.contrastive is of pairs: its `batch` needs `pairs`")


def _between_speaker(num_speakers: int, **settings):
    from ..losses import BetweenSpeakerVariation

    return BetweenSpeakerVariation(**settings)


def _hard_negative(num_speakers: int, **settings):
    from ..losses import HardNegativeMining

    return HardNegativeMining(**settings)


def _check_negatives(settings: Settings, num_speakers: int) -> None:
    if settings["num_negatives"] > num_speakers - 1:
        most = max(num_speakers - 1, 1)
        raise InputError(
            f"losses.hard_negative.num_negatives is {settings['num_negatives']}; with "
            f"{num_speakers} training speakers it must be between 1 and {most}: "
            f"--set losses.hard_negative.num_negatives={most}"
        )


LOSSES.add(
    "softmax",  # Eq. 1
    Loss("L_S", "outputs", _softmax, {"reduction": REDUCTION}, similarity="dot"),
)
LOSSES.add(
    "center",  # Eq. 2 and 3
    Loss(
        "L_C",
        "embeddings",
        _center,
        {"weight": NOT_NEGATIVE, "alpha": SHARE, "reduction": REDUCTION},
        callbacks=_center_callbacks,
    ),
)
LOSSES.add(
    "am_softmax",  # Eq. 4 and 5
    Loss(
        "L_AMS",
        "outputs",
        _am_softmax,
        {"scale": POSITIVE, "margin": NOT_NEGATIVE, "reduction": REDUCTION},
        similarity="cosine",
    ),
)
LOSSES.add(
    "ge2e",  # Eq. 6 to 8
    Loss(
        "L_G",
        "batch",
        _ge2e,
        {"init_weight": POSITIVE, "init_bias": ANY, "include_self": bool, "reduction": REDUCTION},
        check=_check_ge2e,
    ),
)
LOSSES.add(
    "contrastive",  # Hadsell et al. 2006, Eq. 4
    Loss(
        "contrastive",
        "batch",
        _contrastive,
        {"margin": POSITIVE, "reduction": REDUCTION},
        check=_check_pairs,
    ),
)
LOSSES.add(
    "between_speaker",  # Eq. 9
    Loss(
        "L_BC",
        "bases",
        _between_speaker,
        {
            "weight": NOT_NEGATIVE,
            "scale": POSITIVE,
            "reduction": REDUCTION,
            "form": ("sum_of_cosines", "log_mean_exp"),
        },
    ),
)
LOSSES.add(
    "hard_negative",  # Eq. 10
    Loss(
        "L_H",
        "outputs",
        _hard_negative,
        {
            "num_negatives": COUNT,
            "scale": POSITIVE,
            "reduction": REDUCTION,
            "form": ("pairs", "joint"),
        },
        required=("num_negatives",),
        similarity="cosine",
        bases=lambda settings: {"num_negatives": settings["num_negatives"]},
        check_speakers=_check_negatives,
    ),
)
