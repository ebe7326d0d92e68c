"""The model card: all that a decision depends on beside the network, as plain JSON values."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..command_line import InputError
from ..evaluate.calibration_file import is_calibration, read_calibration
from . import scorers

if TYPE_CHECKING:
    from ..run_dir import RunDir

FORMAT = 2
"""Of the card; a reader refuses another one."""

MUST_NOT = (
    "It is not safe against replayed, converted or synthetic voices. Its error rates hold for "
    "recordings like those of its list, and for nobody's identity by itself: it must not be the "
    "only ground of a decision that harms a person."
)

REQUIRED = {
    "format": int,
    "system": str,
    "loss": str,
    "corpus": str,
    "seed": int,
    "training_speakers": int,
    "training_utterances": int,
    "dim": int,
    "fingerprint": str,
    "features": dict,
    "synthetic": bool,
    "backend": dict,
    "calibration": (dict, type(None)),
    "licences": str,
    "must_not_be_used_for": str,
}


def card_of(
    run: "RunDir",
    dim: int,
    trial_list: str | None = None,
    backend: str | None = None,
    calibrated: bool = True,
) -> dict:
    """The card of a trained run.

    Args:
        run: the run.
        dim: values of an embedding of its network.
        trial_list: the list whose calibration is taken; the only one that there is if None, and
            none if there is none.
        backend: one of `scorers.NAMES`; the run's own if None.
        calibrated: whether a calibration is looked for.

    Raises:
        InputError: the run is not complete; see `scorers.of_run`; or the calibration is not there,
            of several lists, or of an earlier network's or back-end's scores.
    """
    from .. import __version__
    from ..files import content_digest

    config = run.read_config()
    run.refuse_no_network()
    fingerprint = content_digest(run.embedder)
    name = backend or str(config.get("backend", "cosine"))
    scorer = scorers.of_run(run, name, dim, fingerprint)
    return {
        "format": FORMAT,
        "made_by": f"speaker_bases {__version__}",
        "system": str(config["system"]),
        "loss": str(config["loss"]),
        "corpus": str(config.get("corpus", "")),
        "seed": int(config["seed"]),
        "training_speakers": int(config.get("num_speakers", 0)),
        "training_utterances": int(config.get("num_utterances", 0)),
        "dim": dim,
        "fingerprint": fingerprint,
        "features": {name: str(value) for name, value in config["features"].items()},
        "synthetic": config.get("corpus") == "synthetic",
        "backend": scorer,
        "calibration": _calibration(run, trial_list, name, fingerprint) if calibrated else None,
        "licences": f"software Apache-2.0; the network's is for the owners of its training data, "
        f"{config.get('corpus', 'not named')}, to say",
        "must_not_be_used_for": MUST_NOT,
    }


def _calibration(
    run: "RunDir", trial_list: str | None, backend: str, fingerprint: str
) -> dict | None:
    from ..evaluate.backends import BACKENDS

    if trial_list is not None:
        found = {trial_list: read_calibration(run.calibration(trial_list, backend))}
    else:
        every = [read_calibration(path) for path in run.calibrations()]
        found = {one["learnt_from"]["list"]: one for one in every if one["backend"] == backend}
    if not found:
        return None
    if len(found) > 1:
        raise InputError(f"{run.path}: calibrated on {', '.join(found)}; choose one with --list")
    ((name, calibration),) = found.items()
    path = run.calibration(name, backend)
    if calibration.get("network") != fingerprint:
        raise InputError(
            f"{path}: of an earlier network's scores; run stages 3 and 4, and calibrate them"
        )
    if calibration.get("made_of", {}) != BACKENDS[backend].made_of(run):
        raise InputError(
            f"{path}: of scores by an earlier {backend} back-end; run stage 4, and calibrate them"
        )
    return calibration


def check_card(card: object, where: str | Path) -> dict:
    """A card that was read from a file, if it is one.

    Raises:
        InputError: it lacks something, or is of another version.
    """
    if not isinstance(card, Mapping):
        raise InputError(f"{where}: holds no model card; export the model again")
    if card.get("format") != FORMAT:
        raise InputError(
            f"{where}: its model card is of format {card.get('format')!r}, and this version reads "
            f"{FORMAT}; export the model again"
        )
    for name, kind in REQUIRED.items():
        if not isinstance(card.get(name), kind):
            raise InputError(f"{where}: its model card lacks {name}; export the model again")
    if card["calibration"] is not None and not is_calibration(card["calibration"]):
        raise InputError(f"{where}: the calibration in its model card is damaged; export it again")
    scorers.load_scorer(card["backend"], card["dim"], where)
    return dict(card)
