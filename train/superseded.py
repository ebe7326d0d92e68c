"""Runs that were trained as something else: moved aside, never deleted."""

import itertools
import logging
from collections.abc import Collection
from typing import Any

from ..run_dir import RunDir

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


def move_aside(run: RunDir, reason: str) -> None:
    """Move a run's folder to ``superseded/`` beside it; its logs stay."""
    shelf = run.path.parent / "superseded"
    shelf.mkdir(exist_ok=True)
    names = (shelf / f"{run.path.name}-{number}" for number in itertools.count(1))
    target = next(name for name in names if not name.exists())
    log.warning("%s: %s; moved to %s", run.path, reason, target)
    run.path.rename(target)
    if (target / run.logs.name).is_dir():  # run.sh is writing there: what comes belongs here
        run.path.mkdir()
        (target / run.logs.name).rename(run.logs)
