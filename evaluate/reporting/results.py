"""Error rates of every scored system, from the score files and the trial lists alone."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from ...error_rates import DetCurve, det_curve, eer, min_dcf
from ...files import atomic_write
from ...run_dir import RunDir, runs
from ..backends import BACKENDS
from ..calibrate import judged
from ..interval import eer_interval
from ..refusals import refuse_trained_speakers
from ..score_file import read_scores
from ..stamps import why_stale
from ..trial_list import TrialList, load_trial_list
from .comparable import (
    TRAINING_SETS,
    named_in_the_paper,
    what_makes_it_another,
    where_the_paper_is_otherwise_or_silent,
)
from .paper import position, row_of

LLR_COLUMNS = ["cllr", "min_cllr", "act_dcf_0.01", "act_dcf_0.05"]
"""What log-likelihood ratios cost, where the scores are calibrated."""

COLUMNS = [
    "system",
    "loss",
    "corpus",
    "trial_list",
    "trials",
    "targets",
    "nontargets",
    "dropped",
    "backend",
    "seed",
    "eer_percent",
    "eer_low",
    "eer_high",
    "min_dcf_0.01",
    "min_dcf_0.05",
    *LLR_COLUMNS,
    "paper_eer_percent",
]
"""Of results.csv; the rates in percent, the interval's ends too; `dropped`: trials that the list
has beyond those scored, of utterances without features."""

HISTOGRAM_BINS = 60

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """One system, seed, trial list and back-end: a row of results.csv, and what figures need.

    Attributes:
        row: the columns of results.csv, in order; rates in percent, NaN where the paper has none.
        in_the_papers_table: whether it may stand there.
        curve: the DET curve, thinned to the points that a figure can show.
        histograms: (edges, target density, non-target density).
    """

    row: dict
    in_the_papers_table: bool
    curve: DetCurve = field(repr=False)
    histograms: tuple[np.ndarray, np.ndarray, np.ndarray] = field(repr=False)


@dataclass
class Collected:
    """What was found under ``<exp>``.

    Attributes:
        results: one for each score file, in the order of the paper's tables, then by seed.
        lists: the trial lists that they belong to, by name: the counts to be printed.
        training: for each trained system's name, its epochs and what the command line changed,
            as text; several if its seeds differ.
        differences: for each system of the paper, what to name beside it: how its runs differ from
            the paper, or why the paper's number does not stand beside them.
        left_out: sentences that say which systems or scores are not in `results`, and why.
    """

    results: list[Result] = field(default_factory=list)
    lists: dict[str, dict] = field(default_factory=dict)
    training: dict[str, list[str]] = field(default_factory=dict)
    differences: dict[str, list[str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def collect(exp: Path, data_dir: Path, corpus: str) -> Collected:
    """Compute the error rates of all runs of one corpus.

    Args:
        exp: the folder with ``<system>/seed<k>``.
        data_dir: the test set's data directory, with its trial lists.
        corpus: the corpus's name; runs trained on another one are left out.

    Raises:
        InputError: if a score file is broken or is not of its trial list, or a speaker of the
            list was trained on.
    """
    found = Collected()
    for name, entries in sorted(_score_files(exp, data_dir, corpus, found.left_out).items()):
        trials = load_trial_list(data_dir, name)
        for run, config, backend in entries:
            if reason := why_stale(run, trials, backend):
                found.left_out.append(f"`{run.scores(name, backend)}`: {reason}")
                continue
            log.info("%s, %s, %s: %d trials", run.path, name, backend, len(trials))
            found.lists[name] = _counts(trials)
            found.results.append(result_of(run, config, trials, backend, corpus))
            texts = found.training.setdefault(run.system, [])
            _note_differences(found.differences, run, config, corpus)
            if "epochs" in config and (text := _training(config)) not in texts:
                texts.append(text)
    found.results.sort(key=lambda result: (position(result.row["system"]), result.row["seed"]))
    for sentence in found.left_out:
        log.warning("left out %s", sentence)
    return found


def result_of(run: RunDir, config: dict, trials: TrialList, backend: str, corpus: str) -> Result:
    """The error rates of one system on one trial list.

    Args:
        system: a system that was scored.
        config: its configuration.
        trials: the trial list.
        backend: the back-end of the scores.
        corpus: the corpus's name, for the row.

    Raises:
        InputError: if the score file is missing, broken or not of the list, or a speaker of the
            list was trained on.
    """
    refuse_trained_speakers(run, trials)
    scores = read_scores(run.scores(trials.name, backend), trials.trials, trials.path)
    about = {"system": run.system, "loss": config["loss"], "corpus": corpus}
    about |= {"backend": backend, "seed": config["seed"]}
    papers = None if trials.trials.dropped else row_of(config, corpus, backend)
    same_list = papers is not None and trials.name in papers.eer
    about["paper_eer_percent"] = papers.eer[trials.name] if same_list else math.nan
    about |= dict.fromkeys(LLR_COLUMNS, math.nan) | judged(run, trials.name, backend)
    return _evaluate(scores, trials, _counts(trials) | about, same_list)


def _note_differences(found: dict[str, list[str]], run: RunDir, config: dict, corpus: str) -> None:
    if not named_in_the_paper(config["system"]) or corpus not in TRAINING_SETS:
        return
    other = what_makes_it_another(config, corpus)
    text = (
        f"`{run.path}` is not comparable: {'; '.join(other)}"
        if other
        else "; ".join(where_the_paper_is_otherwise_or_silent(config))
    )
    notes = found.setdefault(config["system"], [])
    if text not in notes:
        notes.append(text)


def _training(config: dict) -> str:
    changed = [text for text in config.get("overrides", []) if not text.startswith("epochs=")]
    with_changes = f" with {', '.join(f'`{text}`' for text in changed)}" if changed else ""
    return f"{config['epochs']} epochs{with_changes}"


def _score_files(
    exp: Path, data_dir: Path, corpus: str, left_out: list[str]
) -> dict[str, list[tuple[RunDir, dict, str]]]:
    """Run, configuration and back-end of every score file of this corpus, by trial list."""
    by_list: dict[str, list] = {}
    for run in runs(exp):
        config = run.read_config()
        if config.get("corpus", corpus) != corpus:
            left_out.append(f"`{run.path}`: trained on corpus {config['corpus']}")
            continue
        scored = list(run.scored())
        if not scored:
            left_out.append(f"`{run.path}`: not scored")
        for name, backend in scored:
            if not (data_dir / "trials" / name).is_file():
                left_out.append(
                    f"`{run.scores(name, backend)}`: {data_dir / 'trials'} has no list {name}"
                )
            elif backend not in BACKENDS:
                left_out.append(f"`{run.scores(name, backend)}`: no such back-end (--plugin?)")
            else:
                by_list.setdefault(name, []).append((run, config, backend))
    return by_list


def groups(results: list[Result]) -> Iterator[tuple[str, str, list[Result]]]:
    """The results that may be compared: (trial list, back-end, results in their order)."""

    def key(result: Result) -> tuple[str, str]:
        return result.row["trial_list"], result.row["backend"]

    for (trial_list, backend), group in groupby(sorted(results, key=key), key=key):
        yield trial_list, backend, list(group)


def write_csv(path: Path, results: list[Result]) -> None:
    """Write results.csv, percentages and costs to four places."""
    table = pd.DataFrame([result.row for result in results], columns=COLUMNS)
    with atomic_write(path) as file:
        table.round(4).to_csv(file, index=False, lineterminator="\n")


def _counts(trials: TrialList) -> dict:
    targets = int(trials.is_target.sum())
    return {
        "trials": len(trials),
        "targets": targets,
        "nontargets": len(trials) - targets,
        "dropped": trials.trials.dropped,
        "utterances": len(trials.trials.utterances),
        "speakers": len(trials.speakers_in_trials()),
    }


def _evaluate(
    scores: np.ndarray, trials: TrialList, known: dict, in_the_papers_table: bool
) -> Result:
    """The error rates of one score file; `known` are the columns that are not computed here."""
    is_target = trials.is_target
    low, high = eer_interval(scores, is_target, trials.enrol_speakers, trials.test_speakers)
    computed = {
        "trial_list": trials.name,
        "eer_percent": 100 * eer(scores, is_target),
        "eer_low": 100 * low,
        "eer_high": 100 * high,
        "min_dcf_0.01": min_dcf(scores, is_target, p_target=0.01),
        "min_dcf_0.05": min_dcf(scores, is_target, p_target=0.05),
    }
    row = known | computed
    return Result(
        row={column: row[column] for column in COLUMNS},
        in_the_papers_table=in_the_papers_table,
        curve=_thinned(det_curve(scores, is_target)),
        histograms=_histograms(scores, is_target),
    )


def _thinned(curve: DetCurve, points: int = 2000) -> DetCurve:
    """Points at even steps of log false alarm and log miss rate, of which a figure shows all."""
    if len(curve.miss) <= points:
        return curve
    grid = np.geomspace(1e-5, 1.0, points // 2)
    at = np.concatenate(
        [
            np.searchsorted(curve.false_alarm, grid),
            len(curve.miss) - 1 - np.searchsorted(curve.miss[::-1], grid),
        ]
    )
    keep = np.unique(np.clip(at, 0, len(curve.miss) - 1))
    return DetCurve(*(part[keep] for part in curve))


def _histograms(scores: np.ndarray, is_target: np.ndarray):
    edges = np.histogram_bin_edges(scores, HISTOGRAM_BINS)
    target, _ = np.histogram(scores[is_target], edges, density=True)
    nontarget, _ = np.histogram(scores[~is_target], edges, density=True)
    return edges, target, nontarget
