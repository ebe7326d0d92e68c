"""Calibration of a run's scores on a trial list: what a score says, as a log-likelihood ratio."""

import argparse
import json
import logging
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..command_line import InputError, run_tool, whole_number
from ..error_rates import eer, min_dcf
from ..files import atomic_write, content_digest
from ..lock import locked
from ..registry import add_plugin_option, load_plugins
from ..run_dir import RunDir
from .backends import BACKENDS
from .calibration import (
    FOLDS,
    actual_dcf,
    cllr,
    fit_calibration,
    held_out_llrs,
    min_cllr,
)
from .calibration_file import read_calibration
from .interval import eer_interval
from .operating_points import named_thresholds, operating_points, rates_at, spread_thresholds
from .score_file import read_scores
from .stamps import why_stale
from .trial_list import TrialList, load_trial_list

PRIORS = (0.01, 0.05)
"""Of the detection costs."""

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Calibrate the scores of one run; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.calibrate",
        description="Turn a run's scores on a list into log-likelihood ratios by prior-weighted "
        "logistic regression, and write RUN/calibration/LIST.BACKEND.json. How good they are is "
        "judged on other speakers: by cross-validation over the list's, or on a second list.",
    )
    parser.add_argument("--run", type=Path, required=True, help="a run whose lists are scored")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("data/test"),
        metavar="DIR",
        help="data directory with trials/ (%(default)s)",
    )
    parser.add_argument("--list", required=True, help="the list that is learnt from")
    parser.add_argument("--test-list", help="a list of other speakers, to judge by")
    parser.add_argument("--backend", help="of the scores (default: the run's own, or cosine)")
    parser.add_argument(
        "--prior",
        type=_probability,
        default=0.5,
        help="probability of a target trial for which decisions are to be best (%(default)s)",
    )
    parser.add_argument(
        "--folds", type=whole_number(3), default=FOLDS, help="groups of speakers (%(default)s)"
    )
    add_plugin_option(parser)
    args = parser.parse_args(argv)

    def body() -> None:
        load_plugins(argv)
        run = RunDir(args.run)
        backend = args.backend or run.read_config().get("backend", "cosine")
        names = (args.list, args.test_list or args.list)
        calibrate(run, args.data_dir, *names, backend, args.prior, args.folds)

    return run_tool(body)


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a number between 0 and 1")
    return value


def calibrate(
    run: RunDir,
    data_dir: Path,
    learnt_from: str,
    judged_on: str,
    backend: str = "cosine",
    prior: float = 0.5,
    folds: int = FOLDS,
) -> Path:
    """Write the calibration of one back-end's scores; returns its file.

    Args:
        run: a run with scores of both lists.
        data_dir: the data directory with the lists.
        learnt_from: a trial list.
        judged_on: the same, for a cross-validation, or a list of other speakers.
        backend: of the scores.
        prior: as in `fit_calibration`.
        folds: as in `held_out_llrs`.

    Raises:
        InputError: scores are missing or stale; the two lists share speakers; or there is nothing
            to learn from them.
    """
    trials, scores = _scores(run, data_dir, learnt_from, backend)
    judged, judged_scores = trials, scores
    path = run.calibration(learnt_from, backend)
    try:
        calibration = fit_calibration(scores, trials.is_target, prior)
        if judged_on == learnt_from:
            speakers = trials.enrol_speakers, trials.test_speakers
            llrs = held_out_llrs(scores, trials.is_target, *speakers, prior, folds)
        else:
            judged, judged_scores = _scores(run, data_dir, judged_on, backend)
            _refuse_shared_speakers(trials, judged)
            llrs = calibration.llr(judged_scores)
    except ValueError as error:
        raise InputError(f"{run.scores(learnt_from, backend)}: {error}") from error
    found = thresholds_and_rates(scores, trials)
    about = {
        **asdict(calibration),
        "prior": prior,
        "backend": backend,
        "made_of": BACKENDS.find(backend).made_of(run),
        "network": run.embedder_digest(),
        "learnt_from": _about(run, trials, backend),
        "judged_on": _about(run, judged, backend)
        | {"folds": folds if judged is trials else None}
        | rates(llrs, judged_scores, judged)
        | {"at_thresholds": rates_at(found["thresholds"], judged_scores, judged.is_target)},
        **found,
    }
    with locked(run.lock, f"calibrating {run.path}"), atomic_write(path) as file:
        json.dump(about, file, indent=1)
        file.write("\n")
    figures = about["judged_on"]
    log.info(
        "%s: llr = %.4f score %+.4f; C_llr %.4f, at least %.4f, on speakers it does not know",
        path,
        calibration.scale,
        calibration.offset,
        figures["cllr"],
        figures["min_cllr"],
    )
    if judged is not trials:
        log.info(
            "%s: at the threshold eer of %s %.2f %% false accepts, %.2f %% false rejects",
            judged.name,
            trials.name,
            *(100 * rate for rate in figures["at_thresholds"]["eer"].values()),
        )
    return path


def rates(llrs: np.ndarray, scores: np.ndarray, trials: TrialList) -> dict[str, float | None]:
    """What is said of log-likelihood ratios: C_llr and its minimum, actual and minimum costs.

    Beside them the EER and its 95 % interval over other speakers; None where there is none.
    """
    is_target = trials.is_target
    found = {"cllr": cllr(llrs, is_target), "min_cllr": min_cllr(scores, is_target)}
    found["eer"] = eer(scores, is_target)
    ends = eer_interval(scores, is_target, trials.enrol_speakers, trials.test_speakers)
    found["eer_low"], found["eer_high"] = (None if np.isnan(end) else end for end in ends)
    for prior in PRIORS:
        found[f"act_dcf_{prior}"] = actual_dcf(llrs, is_target, prior)
        found[f"min_dcf_{prior}"] = min_dcf(scores, is_target, prior)
    return found


def thresholds_and_rates(scores: np.ndarray, trials: TrialList) -> dict[str, dict]:
    """The thresholds with a name, and error rates with intervals at thresholds all along."""
    named = named_thresholds(scores, trials.is_target)
    along = spread_thresholds(scores, trials.is_target)
    thresholds = np.unique(np.concatenate([along, list(named.values())]))
    speakers = trials.enrol_speakers, trials.test_speakers
    points = operating_points(scores, trials.is_target, *speakers, thresholds)
    columns = {"threshold": thresholds} | points
    return {"thresholds": named, "points": {name: c.tolist() for name, c in columns.items()}}


def judged(run: RunDir, trial_list: str, backend: str) -> dict[str, float]:
    """What a run's calibration costs on a list, as `rates` says; empty if it is not calibrated.

    A calibration of scores that have changed since then does not count.
    """
    scores = run.scores(trial_list, backend)
    for path in run.calibrations():
        try:
            about = read_calibration(path)
        except InputError as error:
            log.warning("%s", error)
            continue
        found = about["judged_on"]
        if about["backend"] == backend and found["list"] == trial_list:
            learnt = run.scores(about["learnt_from"]["list"], backend)
            sides = ((learnt, about["learnt_from"]), (scores, found))
            if all(p.is_file() and content_digest(p) == a.get("scores") for p, a in sides):
                return found
            log.warning("%s: the scores have changed since; calibrate again", path)
    return {}


def _scores(run: RunDir, data_dir: Path, name: str, backend: str) -> tuple[TrialList, np.ndarray]:
    trials = load_trial_list(data_dir, name)
    path = run.scores(name, backend)
    if reason := why_stale(run, trials, backend):
        raise InputError(f"{path}: {reason}")
    return trials, read_scores(path, trials.trials, trials.path)


def _about(run: RunDir, trials: TrialList, backend: str) -> dict:
    models = trials.trials.models
    counts = [1] if models is None else list(map(len, models.values()))
    return {
        "list": trials.name,
        "enrol_utterances": [min(counts), max(counts)],
        "digest": trials.digest,
        "trials": len(trials),
        "targets": int(trials.is_target.sum()),
        "speakers": len(trials.speakers_in_trials()),
        "scores": content_digest(run.scores(trials.name, backend)),
    }


def _refuse_shared_speakers(one: TrialList, other: TrialList) -> None:
    shared = sorted(one.speakers_in_trials() & other.speakers_in_trials())
    if shared:
        raise InputError(
            f"{other.path}: {len(shared)} of its speakers ({', '.join(shared[:3])}) are in "
            f"{one.path} too; judge on a list of other speakers"
        )


if __name__ == "__main__":
    raise SystemExit(main())
