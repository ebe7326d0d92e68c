"""What is damaged in the data and the runs: everything is read, nothing is changed."""

import argparse
import logging
import sys
from pathlib import Path

import joblib

from ..audit import Audit
from ..backend import check_backend, load_keras
from ..command_line import run_tool, whole_number
from ..ivector.system import read_system
from ..kaldi_feats.audit import audit_data_dir
from ..kaldi_feats.reader import read_vectors
from ..registry import add_plugin_option, load_plugins
from ..run_dir import RunDir, read_log, run_folders
from .score_file import read_scores
from .trial_list import load_trial_list

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Audit a data folder and the runs trained on it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.audit",
        description="Read every recording, feature, trial list, checkpoint, model, embedding and "
        "score, and print a line for each that is damaged, with what makes it again. Nothing is "
        "changed. The exit code is 1 if anything is damaged.",
    )
    parser.add_argument("--data", type=Path, required=True, help="holds train and test")
    parser.add_argument("--exp", type=Path, required=True, help="folder of the systems")
    parser.add_argument(
        "--nj",
        type=whole_number(1),
        default=joblib.cpu_count(),
        help="processes that read recordings (default: one for each processor, %(default)s)",
    )
    add_plugin_option(parser)
    args = parser.parse_args(argv)

    def body() -> int:
        check_backend()
        load_plugins(argv)
        audit = Audit()
        for name in ("train", "test"):
            if (args.data / name).is_dir():
                audit_data_dir(audit, args.data / name, args.nj)
        for run in run_folders(args.exp):
            log.info("audit %s", run.path)
            audit_run(audit, run, args.data / "test")
        for problem in audit.problems:
            sys.stdout.write(f"{problem}\n")
        sys.stdout.write(f"{audit.looked_at:,} looked at, {len(audit.problems):,} damaged\n")
        return 1 if audit.problems else 0

    return run_tool(body)


def audit_run(audit: Audit, run: RunDir, data_dir: Path) -> None:
    """Read all of a run: what stages 2, 3 and 4 have left.

    Args:
        audit: collects what is wrong.
        run: the run; what it does not have yet is not missed.
        data_dir: the test set's data directory, which the lists of the scores are in.
    """
    audit.of(run.read_config)
    if run.speakers.is_file():
        audit.of(run.read_speakers)
    if run.log.is_file():
        audit.of(lambda: read_log(run.log))
    for path in sorted(run.checkpoints.glob("*.npz")):
        audit.archive(path)
    audit.stamp(run.trained, "stage 2")
    for path in (run.model, run.embedder, run.bvector):
        if path.is_file():
            _audit_model(audit, path)
    if run.mixture.is_file() or run.extractor.is_file():
        audit.of(lambda: read_system(run.mixture, run.extractor))
    audit.stamp(run.bvector_done, "stage 4")
    audit.stamp(run.plda_done, "stage 4")
    embeddings, scores = run.embeddings("any").parent, run.scores("any").parent
    for scp in sorted(embeddings.glob("[!.]*.scp")):
        audit.of(lambda scp=scp: read_vectors(scp))
    for trial_list, backend in run.scored():
        audit.of(lambda each=(trial_list, backend): _read_scores(run, data_dir, *each))
    for folder, stage in ((embeddings, "stage 3"), (scores, "stage 4")):
        for stamp in sorted(folder.glob(".*.done")):
            audit.stamp(stamp, stage)


def _audit_model(audit: Audit, path: Path) -> None:
    load_keras()  # takes seconds: not without a model
    from .. import losses  # noqa: F401  what a whole model holds must be registered
    from ..models.saving import load_model

    audit.of(lambda: load_model(path))


def _read_scores(run: RunDir, data_dir: Path, trial_list: str, backend: str) -> None:
    trials = load_trial_list(data_dir, trial_list)
    read_scores(run.scores(trial_list, backend), trials.trials, trials.path)


if __name__ == "__main__":
    raise SystemExit(main())
