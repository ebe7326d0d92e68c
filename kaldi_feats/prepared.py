"""The trial lists of a data directory, ``trials/*``, and whether its features suffice for them."""

import logging
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..command_line import InputError
from .data_dir import read_table, table_lines, write_table
from .enrolment import SUFFIX, with_models
from .kinds import dirs_of_kinds
from .trials import PUBLISHED_SIZES, Trials, read_trials, refuse_one_kind, refuse_other_size

log = logging.getLogger(__name__)

WITHOUT_FEATURES = "utt2spk_without_features"
"""The table, in a data directory, of the utterances whose trials are dropped."""


def lists_of(data_dir: str | os.PathLike) -> list[Path]:
    """A data directory's trial lists, sorted, without their maps; there may be none."""
    files = Path(data_dir).glob("trials/[!.]*")
    return sorted(path for path in files if path.suffix != SUFFIX and path.is_file())


def read_prepared(path: str | os.PathLike) -> Trials:
    """Read a list of a data directory, which may be a published one in Kaldi's form.

    If it has a map (see `enrolment`), the trials are of its models. Trials of utterances without
    features, where the feature stage was told to allow them, are not in it, which is warned of.

    Raises:
        InputError: as `read_trials` and `with_models`, or it is called as a published list is and
            has not its number of trials, or no trials of both kinds have features.
    """
    trials = _read_whole(path)
    tables = [folder / WITHOUT_FEATURES for folder in dirs_of_kinds(Path(path).parent.parent)]
    tables = [table for table in tables if table.is_file()]
    dropped = {name for table in tables for name in read_table(table)}
    kept = ~_naming(trials, dropped)
    if kept.all():
        return trials
    log.warning(
        "%s: %s of its %s trials are dropped, as their utterances have no features (%s)",
        path,
        f"{np.count_nonzero(~kept):,}",
        f"{len(trials):,}",
        ", ".join(map(str, tables)),
    )
    rows = np.flatnonzero(kept).tolist()
    left = Trials(
        [trials.enrol[row] for row in rows],
        [trials.test[row] for row in rows],
        trials.is_target[kept],
        dropped=len(trials) - len(rows),
        models=trials.models,
        lines=[trials.line(row) for row in rows],
    )
    refuse_one_kind(left, f"{path}: without the trials that have no features")
    return left


def _read_whole(path: str | os.PathLike) -> Trials:
    name = os.path.basename(path)
    trials = read_trials(path, doubled=name in PUBLISHED_SIZES)
    refuse_other_size(path, name, len(trials))
    return with_models(trials, path)


def _naming(trials: Trials, utterances: Collection[str]) -> np.ndarray:
    """bool (trials,): whether one of a trial's utterances is among these."""
    enrolled = utterances
    if trials.models is not None:
        models = trials.models.items()
        enrolled = {model for model, each in models if any(u in utterances for u in each)}
    pairs = zip(trials.enrol, trials.test, strict=True)
    return np.array([a in enrolled or b in utterances for a, b in pairs], dtype=bool)


def check_lists(
    data_dir: str | os.PathLike, allow_missing: bool, features: str | os.PathLike | None = None
) -> None:
    """Hold the lists of a data directory against its features, before anybody trains.

    Args:
        data_dir: with the lists and utt2spk.
        allow_missing: have `read_prepared` drop trials of utterances that have no features.
        features: the data directory with feats.scp, if it is another; see `kind_dir`.

    Raises:
        InputError: a list is broken, or names utterances of utt2spk that have no features and are
            not allowed to be missing; with the first line, and how many trials that concerns.
    """
    folder, features = Path(data_dir), Path(data_dir if features is None else features)
    dropped = features / WITHOUT_FEATURES
    lists = lists_of(folder)
    without: dict[str, str] = {}
    if lists:
        with_features = {utterance for utterance, _ in table_lines(features / "feats.scp")}
        speakers = table_lines(folder / "utt2spk")
        without = {name: speaker for name, speaker in speakers if name not in with_features}
    concerned: set[str] = set()
    for path in lists if without else []:
        trials = _read_whole(path)
        found = np.flatnonzero(_naming(trials, without))
        if not len(found):
            continue
        at = int(found[0])
        first = next(name for name in trials.utterances_of(at) if name in without)
        utterances = without.keys() & trials.utterances
        concerned |= utterances
        if not allow_missing:
            raise InputError(
                f"{path}:{trials.line(at)}: the utterance {first!r} has no features (too short, or "
                f"broken): so have {len(utterances):,} of the list's utterances, in "
                f"{len(found):,} of its {len(trials):,} trials; replace the recordings, or drop "
                "these trials with --allow-missing true"
            )
    if concerned:
        write_table(dropped, {name: without[name] for name in concerned})
    else:
        dropped.unlink(missing_ok=True)
    for path in lists if concerned else []:
        read_prepared(path)  # says how many are dropped, and refuses to drop a whole kind
