"""Enrolment maps: of which utterances each model of a trial list is made.

A list that tests models of several utterances, and not single ones, has its map beside it,
``<list>.enrol``, in spk2utt's form: lines of ``model utterance utterance ...``. Its first column
then names models, which may be called as one likes.
"""

import dataclasses
import os
from pathlib import Path

from ..command_line import InputError
from .data_dir import quoted, table_lines
from .trials import Trials

SUFFIX = ".enrol"


def map_of(trials_path: str | os.PathLike) -> Path:
    """The map of a trial list, which may not be there."""
    return Path(f"{os.fspath(trials_path)}{SUFFIX}")


def read_map(path: str | os.PathLike) -> dict[str, tuple[str, ...]]:
    """Read the utterances of each model; entry i stands on line i + 1.

    Raises:
        InputError: as `table_lines`, or a model has an utterance twice.
    """
    models = {}
    for line, (model, value) in enumerate(table_lines(path), start=1):
        utterances = tuple(value.split())
        if len(set(utterances)) < len(utterances):
            twice = next(u for u in utterances if utterances.count(u) > 1)
            raise InputError(
                f"{path}:{line}: the model {quoted(model)} has {quoted(twice)} twice; remove one"
            )
        models[model] = utterances
    return models


def with_models(trials: Trials, path: str | os.PathLike) -> Trials:
    """The trials with their models, if the list has a map.

    Args:
        trials: what was read from `path`.
        path: the list.

    Raises:
        InputError: the map is broken, lacks a model, or a model is tested with an utterance that
            it is made of. Names the first line, and how many there are.
    """
    map_path = map_of(path)
    if not map_path.is_file():
        return trials
    models = read_map(map_path)
    lacking = [row for row, model in enumerate(trials.enrol) if model not in models]
    if lacking:
        raise InputError(
            f"{path}:{trials.line(lacking[0])}: the model {quoted(trials.enrol[lacking[0]])} is "
            f"not in {map_path}: so it is on {len(lacking):,} of {len(trials):,} lines; add the "
            "utterances that it is enrolled with"
        )
    pairs = zip(trials.enrol, trials.test, strict=True)
    own = [row for row, (model, test) in enumerate(pairs) if test in models[model]]
    if own:
        raise InputError(
            f"{path}:{trials.line(own[0])}: the model {quoted(trials.enrol[own[0]])} is tested "
            f"with {quoted(trials.test[own[0]])}, which it is made of, and that lowers the error "
            f"rate for nothing: so it is on {len(own):,} of {len(trials):,} lines; remove it"
        )
    return dataclasses.replace(trials, models=models)
