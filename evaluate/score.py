"""Stage 4: a score for every trial of a list, from a run's embeddings."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..backend import check_backend
from ..command_line import InputError, run_tool
from ..files import remove_temporary
from ..kaldi_feats.reader import read_vectors
from ..kaldi_feats.trials import look_up
from ..lock import locked
from ..registry import add_plugin_option, load_plugins
from ..run_dir import RunDir
from .backends import BACKENDS, Backend
from .backends.enrolment import score_models
from .refusals import refuse_trained_speakers
from .score_file import write_scores
from .scoring.enrolment import Enrolment
from .stamps import score_stamp
from .trial_list import TrialList, load_trial_list, trial_lists

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Score trial lists with one run; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.score",
        description="Score every trial of the lists in DIR/trials with a run's embeddings and "
        "write RUN/scores/LIST.BACKEND.txt, one line 'enrol test score' a trial. A back-end that "
        "learns is trained first. What is there already, of these embeddings and this list, is "
        "left alone.",
    )
    parser.add_argument("--run", type=Path, required=True, help="a trained run's folder")
    parser.add_argument(
        "--data-dir", type=Path, required=True, metavar="DIR", help="data directory with trials/"
    )
    parser.add_argument(
        "--list",
        action="append",
        dest="lists",
        help="name of a file in DIR/trials; may be repeated (default: all of them)",
    )
    parser.add_argument(
        "--backend",
        help="how two embeddings are compared: cosine, bvector or plda, or a plugin's (default: as "
        "the run's config.yaml says, or else cosine)",
    )
    parser.add_argument(
        "--train-dir",
        type=Path,
        metavar="DIR",
        help="the run's training set, for a back-end that learns (default: train beside "
        "--data-dir); its embeddings must be there",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="a setting of a back-end that learns, such as epochs=40; may be repeated",
    )
    parser.add_argument("--embeddings", help="their name (default: the last part of --data-dir)")
    add_plugin_option(parser)

    def body() -> None:
        check_backend()
        load_plugins(argv)
        run = RunDir(args.run)
        name = args.backend or run.read_config().get("backend", "cosine")
        backend = BACKENDS.find(name)
        train_dir = args.train_dir or args.data_dir.resolve().parent / "train"
        backend.fit(run, train_dir, _settings(run, name, backend, args.settings))
        score(run, args.data_dir, args.lists, name, args.embeddings)

    args = parser.parse_args(argv)
    return run_tool(body)


def score(
    run: RunDir,
    data_dir: Path,
    lists: Sequence[str] | None = None,
    backend: str = "cosine",
    embeddings: str | None = None,
) -> None:
    """Write the scores of trial lists unless they are there.

    Args:
        run: the run; its embeddings of the set must be there (stage 3).
        data_dir: the data directory with ``utt2spk`` and ``trials/``.
        lists: the lists' names; all if None.
        backend: one of `BACKENDS`, which has learnt what it needs.
        embeddings: the embeddings' name; the data directory's own if None.

    Raises:
        InputError: if embeddings, a list or the back-end are missing, a trial names an unknown
            utterance, a speaker of a list was trained on, or another process is at work on the run.
    """
    name = embeddings or data_dir.resolve().name
    scp = run.embeddings(name)
    if not scp.is_file():
        raise InputError(f"{scp}: no such embeddings; extract them first (stage 3)")
    with locked(run.lock, f"scoring {run.path}"):
        remove_temporary(run.scores("any").parent)
        for trial_list in trial_lists(data_dir) if lists is None else lists:
            _score_list(run, load_trial_list(data_dir, trial_list), backend, name)


def _score_list(run: RunDir, trials: TrialList, backend: str, embeddings_name: str) -> None:
    output = run.scores(trials.name, backend)
    stamp = score_stamp(run, trials, backend, embeddings_name)
    if stamp.is_current():
        log.info("%s: already complete", output)
        return
    refuse_trained_speakers(run, trials)
    scp = run.embeddings(embeddings_name)
    utterances, embeddings = read_vectors(scp)
    _refuse_zeros(utterances, embeddings, scp)
    row_of = {utterance: row for row, utterance in enumerate(utterances)}
    where = f"{scp} (was it too short for features?)"
    enrol, test = look_up(trials.trials, row_of, trials.path, where)
    scorer = BACKENDS.find(backend)
    with stamp.renew():
        output.unlink(missing_ok=True)  # or, interrupted, the report would take the old ones
        if trials.trials.models is None:
            scores = scorer.scores(run, embeddings, enrol, test)
        else:
            models = Enrolment.of(trials.trials.models, enrol, row_of)
            scores = score_models(scorer, run, embeddings, models, test)
        write_scores(output, trials.trials, scores)
    log.info("%s: %d trials", output, len(scores))


def _settings(run: RunDir, name: str, backend: Backend, given: list[str]) -> Mapping:
    """The back-end's settings, the given ones over its defaults; its seed is the run's."""
    settings = dict(backend.settings)
    if "seed" in settings:
        settings["seed"] = run.read_config()["seed"]
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key not in settings:
            known = ", ".join(settings) or "none"
            raise InputError(f"--set {text}: the settings of {name} are {known}: KEY=VALUE")
        try:
            settings[key] = _parsed(value, type(settings[key]))
        except ValueError:
            kind = type(settings[key]).__name__
            raise InputError(f"--set {text}: {key} takes a value of type {kind}") from None
    return settings


def _parsed(text: str, kind: type) -> bool | int | float | str:
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError(text)
        return text == "true"
    return kind(text)


def _refuse_zeros(utterances: list[str], embeddings: np.ndarray, scp: Path) -> None:
    zeros = np.flatnonzero(~embeddings.any(axis=1))
    if len(zeros):
        raise InputError(
            f"{scp}:{zeros[0] + 1}: the embedding of {utterances[zeros[0]]} is all zeros and has "
            "no direction; look at its recording and at the training's log"
        )


if __name__ == "__main__":
    raise SystemExit(main())
