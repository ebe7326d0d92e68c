"""Stage 4: a score for every trial of a list, from a system's embeddings."""

import argparse
import logging
from pathlib import Path

import numpy as np

from ..kaldi_feats.files import InputError, run_tool
from ..kaldi_feats.reader import read_vectors
from ..models.experiment import ExperimentDir
from .cosine import cosine_scores
from .score_file import write_scores
from .stamps import score_stamp
from .system_config import load_config, refuse_trained_speakers
from .trial_list import load_trial_list, look_up

BACKENDS = ("cosine", "bvector")

_log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Score one trial list with one system; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.score",
        description="Score every trial of DATA/trials/LIST with a system's embeddings and write "
        "SYSTEM/scores/LIST.BACKEND.txt, one line 'enrol test score' a trial. Nothing is done if "
        "the scores there are already those of these embeddings and this list.",
    )
    parser.add_argument("--system", type=Path, required=True, help="folder of a trained system")
    parser.add_argument("--data", type=Path, required=True, help="data directory with trials/")
    parser.add_argument("--list", required=True, help="name of a file in DATA/trials")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="how two embeddings are compared (default: as the system's config.yaml says, or "
        "else cosine); bvector must have been trained (python -m speaker_bases.train.bvector)",
    )
    parser.add_argument("--set", help="name of the embeddings (default: DATA's last part)")
    args = parser.parse_args(argv)
    return run_tool(
        lambda: score(ExperimentDir(args.system), args.data, args.list, args.backend, args.set)
    )


def score(
    system: ExperimentDir,
    data_dir: Path,
    trial_list: str,
    backend: str | None = None,
    data_set: str | None = None,
) -> Path:
    """Write the scores of one trial list unless they are there; returns their file.

    Args:
        system: the system; its embeddings of the set must be there (stage 3).
        data_dir: the data directory with ``utt2spk`` and ``trials/<trial_list>``.
        trial_list: the list's name.
        backend: one of `BACKENDS`; what the system's configuration says if None.
        data_set: the set's name among the embeddings; the data directory's own if None.

    Raises:
        InputError: if embeddings, list or back-end are missing, a trial names an unknown
            utterance, or a speaker of the list was trained on.
    """
    backend = backend or load_config(system).get("backend", "cosine")
    data_set = data_set or data_dir.resolve().name
    embeddings_scp = system.embeddings(data_set)
    if not embeddings_scp.is_file():
        raise InputError(f"{embeddings_scp}: no such embeddings; extract them first (stage 3)")
    output = system.scores(trial_list, backend)
    stamp = score_stamp(system, data_dir, trial_list, backend, data_set)
    if stamp.is_current() and output.is_file():
        _log.info("%s: already complete", output)
        return output
    trials = load_trial_list(data_dir, trial_list)
    refuse_trained_speakers(system, trials)
    utterances, embeddings = read_vectors(embeddings_scp)
    _refuse_zeros(utterances, embeddings, embeddings_scp)
    where = f"not among the embeddings of {embeddings_scp} (was it too short for features?)"
    row_of = {utterance: row for row, utterance in enumerate(utterances)}
    enrol, test = look_up(trials.trials, row_of, trials.path, where)
    with stamp.renew():
        output.unlink(missing_ok=True)  # or, interrupted, the report would take the old ones
        scores = _compare(system, backend, embeddings, enrol, test)
        write_scores(output, trials.trials, scores)
    _log.info("%s: %d trials", output, len(scores))
    return output


def _compare(
    system: ExperimentDir, backend: str, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray
) -> np.ndarray:
    if backend == "cosine":
        return cosine_scores(embeddings, enrol, test)
    # Keras takes seconds to import: not for cosines.
    from .bvector import bvector_scores, load_bvector

    return bvector_scores(load_bvector(system), embeddings, enrol, test, system.bvector)


def _refuse_zeros(utterances: list[str], embeddings: np.ndarray, embeddings_scp: Path) -> None:
    zeros = np.flatnonzero(~embeddings.any(axis=1))
    if len(zeros):
        raise InputError(
            f"{embeddings_scp}:{zeros[0] + 1}: the embedding of {utterances[zeros[0]]} is all "
            "zeros and has no direction; look at its recording and at the training's log"
        )


if __name__ == "__main__":
    raise SystemExit(main())
