"""What `calibrate` writes, checked before it is believed: anybody may have changed the file."""

import json
import math
from pathlib import Path

from ..command_line import InputError
from .operating_points import NAMED, RATES


def read_calibration(path: Path) -> dict:
    """Read a calibration file; see `check_calibration`.

    Raises:
        InputError: if it is missing or damaged.
    """
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; calibrate the run's scores first") from None
    except (OSError, ValueError, RecursionError):
        about = None
    if not is_calibration(about):
        raise InputError(f"{path}: damaged; calibrate the run's scores again")
    return about


def is_calibration(about: object) -> bool:
    """Whether a JSON value says all that a calibration has to.

    ``scale`` and ``offset`` (a log-likelihood ratio is ``scale score + offset``), ``backend``, what
    it was ``learnt_from`` and ``judged_on``, the ``thresholds`` that have a name, and the error
    rates at ``points``.
    """
    if not isinstance(about, dict):
        return False
    parts = [about.get(key) for key in ("learnt_from", "judged_on", "thresholds", "points")]
    if not all(isinstance(part, dict) for part in parts):
        return False
    learnt_from, judged_on, thresholds, points = parts
    columns = [points.get(name) for name in ("threshold", *RATES)]
    return (
        all(_is_number(about.get(key)) for key in ("scale", "offset"))
        and about["scale"] > 0
        and isinstance(about.get("backend"), str)
        and all(isinstance(side.get("list"), str) for side in (learnt_from, judged_on))
        and all(_is_number(judged_on.get(key)) for key in ("cllr", "min_cllr", "eer"))
        and all(_is_number(judged_on.get(key, 0) or 0) for key in ("eer_low", "eer_high"))
        and isinstance(learnt_from.get("trials"), int)
        and _is_range(learnt_from.get("enrol_utterances", [1, 1]))
        and all(_is_number(thresholds.get(name)) for name in NAMED)
        and all(isinstance(column, list) and column for column in columns)
        and len({len(column) for column in columns}) == 1
        and all(_is_number(value) for column in columns for value in column)
    )


def _is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(end) is int for end in value)


def _is_number(value: object) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        return False
