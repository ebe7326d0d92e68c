"""What make_features.sh cannot do well in bash when Kaldi's programs make the features.

Before them `plan` deals out the arks that are still to be made to the jobs; after them `finish`
puts feats.scp and its companions in place, or says on one line why a job failed.
"""

import argparse
import logging
import re
import shutil
import sys
from pathlib import Path

from ...command_line import InputError, run_tool
from ..audio import as_kaldi_source
from ..data_dir import write_table
from ..prepared import check_lists
from .arguments import add_arguments, log_dir_of, stage_of
from .stage import Chunk, FeatureStage, Utterance

log = logging.getLogger(__name__)

# What fbank_job.sh writes before a warning of Kaldi's that it takes for an error.
FATAL = "FATAL "


def plan(stage: FeatureStage, plan_dir: Path, num_jobs: int) -> int:
    """Write each job's list of arks, ``<job>.list``, and each ark's tables into `plan_dir`.

    Returns:
        How many jobs there are, at most `num_jobs`; 0 if every ark is there.

    Raises:
        InputError: a file needs a converter that is not installed, or Kaldi cannot write to the
            folder for the arks.
    """
    if "," in str(stage.ark_dir):
        raise InputError(f"{stage.ark_dir}: Kaldi cannot write where a path has a comma")
    pending = stage.pending()
    num_jobs = min(num_jobs, len(pending))
    shutil.rmtree(plan_dir, ignore_errors=True)
    for path in plan_dir.parent.glob("make_fbank.*.log"):
        path.unlink()
    stage.ark_dir.mkdir(parents=True, exist_ok=True)
    plan_dir.mkdir(parents=True)
    for chunk in pending:
        sources, segments = {}, {}
        for u in chunk.utterances:
            name = u.name if u.segment is None else u.segment.recording
            sources[name] = as_kaldi_source(u.source, u.where)
            if u.segment is not None:
                segments[u.name] = " ".join(map(str, u.segment))
        write_table(plan_dir / f"{chunk.path.name}.wav.scp", sources)
        if segments:
            write_table(plan_dir / f"{chunk.path.name}.segments", segments)
    for job in range(num_jobs):
        names = [f"{chunk.path.name}\n" for chunk in pending[job::num_jobs]]
        (plan_dir / f"{job + 1}.list").write_text("".join(names), encoding="utf-8")
    return num_jobs


def finish(stage: FeatureStage, plan_dir: Path) -> None:
    """Complete the stage if every ark was made.

    Raises:
        InputError: a job failed; names the line of wav.scp if its log does.
    """
    pending = stage.pending()
    if pending:
        raise _explanation(pending, plan_dir.parent)
    for name in stage.finish():
        log.warning("%s: no features (too short?); see %s", name, plan_dir.parent)
    shutil.rmtree(plan_dir, ignore_errors=True)


def _explanation(pending: list[Chunk], log_dir: Path) -> InputError:
    logs = sorted(log_dir.glob("make_fbank.*.log"))
    for path in logs:
        complaint = _complaint(path.read_text(encoding="utf-8", errors="replace").splitlines())
        if complaint:
            utterances = [utterance for chunk in pending for utterance in chunk.utterances]
            about = _named_in(complaint, utterances)
            place = f"{about.where}: {about.source}" if about else str(path)
            return InputError(f"{place}: {complaint} (see {path})")
    return InputError(f"{log_dir}: {len(pending)} ark(s) were not made, and no log says why")


def _complaint(lines: list[str]) -> str | None:
    """What a job's log says went wrong, without Kaldi's ``ERROR (program:function():file) ``."""
    said = [line for line in lines if line.startswith("ERROR ")]
    said += [line.removeprefix(FATAL) for line in lines if line.startswith(FATAL)]
    if not said:
        said = [line for line in lines if line.strip() and not line.startswith(("#", "LOG "))][-1:]
    return "; ".join(_message(line) for line in said[:3]) or None


def _message(line: str) -> str:
    return re.sub(r"^[A-Z]+ \(\S+\) ", "", line)


def _named_in(text: str, utterances: list[Utterance]) -> Utterance | None:
    words = text.split()
    for utterance in utterances:
        if utterance.source in text or utterance.name in words:
            return utterance
    return None


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.kaldi_feats.fbank.kaldi_jobs",
        description="The bookkeeping of make_features.sh when Kaldi's programs make the features. "
        "`plan` writes the number of jobs to run to standard output.",
    )
    parser.add_argument("step", choices=["plan", "finish"])
    add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)

    def body() -> None:
        for option in ("skip_broken", "pipe_timeout", "max_minutes"):
            if getattr(arguments, option) != parser.get_default(option):
                name = f"--{option.replace('_', '-')}"
                raise InputError(f"{name}: not with Kaldi's programs; unset KALDI_ROOT")
        stage = stage_of(arguments)
        plan_dir = log_dir_of(arguments) / "make_fbank"
        if arguments.step == "plan":
            sys.stdout.write(f"{plan(stage, plan_dir, arguments.nj)}\n")
        elif stage.is_complete():
            log.info("%s: features are complete, nothing to do", stage.data_dir)
        else:
            finish(stage, plan_dir)
        if arguments.step == "finish":
            check_lists(
                arguments.data_dir, arguments.allow_missing == "true", features=stage.data_dir
            )

    return run_tool(body)


if __name__ == "__main__":
    raise SystemExit(main())
