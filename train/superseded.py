"""Runs that were trained as something else: moved aside, never deleted."""

import itertools
import logging
from collections.abc import Collection
from typing import Any

from ..command_line import InputError
from ..run_dir import RunDir
from .config import LABELS
from .schedules import schedule_of

log = logging.getLogger(__name__)


def without(config: dict[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """A configuration without some keys."""
    return {key: value for key, value in config.items() if key not in keys}


def changed_keys(
    before: dict[str, Any], now: dict[str, Any], ignored: Collection[str]
) -> list[str]:
    """The keys that two configurations differ in, sorted."""
    before, now = without(before, ignored), without(now, ignored)
    return sorted(key for key in before.keys() | now if before.get(key) != now.get(key))


def move_aside_if_other(run: RunDir, resolved: dict[str, Any], last: int, reached: int) -> None:
    """Make room if a run's folder holds a training of something else, or of more epochs.

    Args:
        run: the run.
        resolved: what it is to be trained as.
        last: the last step of that.
        reached: the step of the last checkpoint that is there.
    """
    try:
        previous = run.read_config()
    except InputError as error:
        if run.checkpoints.is_dir() or run.config.exists():
            # Of checkpoints without their configuration nobody knows what they were trained as.
            move_aside(run, f"its configuration cannot be read: {error}")
        return
    ignored = LABELS if schedule_of(resolved).needs_last_step else (*LABELS, "epochs")
    changed = changed_keys(previous, resolved, ignored)
    if reached > last:
        changed = sorted({*changed, "epochs"})
    if changed:
        move_aside(run, f"it was trained with other settings ({', '.join(changed)})")


def move_aside(run: RunDir, reason: str) -> None:
    """Move a run's folder to ``superseded/`` beside it; its logs stay."""
    shelf = run.path.parent / "superseded"
    shelf.mkdir(exist_ok=True)
    names = (shelf / f"{run.path.name}-{number}" for number in itertools.count(1))
    target = next(name for name in names if not name.exists())
    log.warning("%s: %s; moved to %s", run.path, reason, target)
    run.path.rename(target)
    # run.sh is writing its log there: what comes belongs here. And a first training of two is a run
    # of its own, which has just looked after itself.
    for kept in (run.logs, run.pretraining.path):
        if (target / kept.name).is_dir():
            run.path.mkdir(exist_ok=True)
            (target / kept.name).rename(kept)
