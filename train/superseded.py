"""Trainings that make room for another in their folder."""

import itertools
import logging
from typing import Any

from ..command_line import InputError
from ..run_dir import RunDir
from .checkpoints import last_checkpoint, step_of
from .config import LABELS
from .schedules import schedule_of

log = logging.getLogger(__name__)


def move_aside_if_other(run: RunDir, resolved: dict[str, Any], steps: int) -> None:
    """Make room if a run's folder holds a training of something else, or of more epochs.

    Args:
        run: the run.
        resolved: what it is to be trained as.
        steps: mini-batches of an epoch.
    """
    try:
        previous = run.read_config()
    except InputError as error:
        if run.checkpoints.is_dir() or run.config.exists():
            # Of checkpoints without their configuration nobody knows what they were trained as.
            _move_aside(run, f"its configuration cannot be read: {error}")
        return
    ignored = LABELS if schedule_of(resolved).needs_last_step else (*LABELS, "epochs")
    before, now = without(previous, ignored), without(resolved, ignored)
    changed = sorted(key for key in before.keys() | now if before.get(key) != now.get(key))
    if step_of(last_checkpoint(run.checkpoints)) > resolved["epochs"] * steps:
        changed = sorted({*changed, "epochs"})
    if not changed:
        return
    _move_aside(run, f"it was trained with other settings ({', '.join(changed)})")


def _move_aside(run: RunDir, reason: str) -> None:
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


def without(config: dict[str, Any], keys) -> dict[str, Any]:
    """A configuration but for some keys."""
    return {key: value for key, value in config.items() if key not in keys}
