"""Kaldi's i-vector system as a run, so that it makes i-vectors here, and is scored."""

import argparse
import logging
from dataclasses import asdict
from pathlib import Path

from ..command_line import InputError, run_tool, whole_number
from ..kaldi_feats.data_dir import read_table
from ..kaldi_feats.kinds.record import feature_settings
from ..lock import locked
from ..run_dir import RunDir
from .files import write_extractor, write_full
from .recordings import Recordings
from .settings import Settings
from .system import read_system, refuse_other_dim

SYSTEM = "imported"
"""What the configuration of such a run calls its system."""

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Make a run of Kaldi's files; returns the exit code."""
    usual = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.ivector.import_system",
        description="Put Kaldi's final.ubm and final.ie, text or binary, into a run's folder, such "
        "as exp/kaldi/seed0. Stage 3 then makes its i-vectors, and stage 4 scores them by any "
        "back-end that needs no network.",
    )
    parser.add_argument("--run", type=Path, required=True, help="its folder, EXP/NAME/seedK")
    parser.add_argument("--ubm", type=Path, required=True, help="the mixture, final.ubm")
    parser.add_argument("--ie", type=Path, required=True, help="the extractor, final.ie")
    parser.add_argument(
        "--data-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="any data directory with the features that it was trained on, such as data/test_mfcc",
    )
    parser.add_argument("--train-dir", type=Path, metavar="DIR", help="whose speakers trained it")
    parser.add_argument("--title", default="", help="what made it, for the tables")
    for name, what in (
        ("delta_window", "add-deltas --delta-window"),
        ("delta_order", "add-deltas --delta-order"),
        ("cmn_window", "apply-cmvn-sliding --cmn-window"),
        ("selected", "gmm-gselect --n"),
    ):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=whole_number(0 if name == "delta_order" else 1),
            default=getattr(usual, name),
            help=f"as in {what} (%(default)s)",
        )
    parser.add_argument(
        "--least-posterior",
        type=float,
        default=usual.least_posterior,
        help="as in fgmm-global-gselect-to-post --min-post (%(default)s)",
    )
    args = parser.parse_args(argv)
    return run_tool(lambda: _import(args))


def _import(args: argparse.Namespace) -> None:
    run = RunDir(args.run)
    mixture, extractor = read_system(args.ubm, args.ie)
    settings = Settings(
        components=len(mixture.weights),
        dim=extractor.ivector_dim,
        selected=args.selected,
        least_posterior=args.least_posterior,
        delta_window=args.delta_window,
        delta_order=args.delta_order,
        cmn_window=args.cmn_window,
    )
    refuse_other_dim(args.ubm, mixture, Recordings(args.data_dir, settings))
    if run.config.exists() and run.read_config().get("system") != SYSTEM:
        raise InputError(f"{run.path}: holds a run that was trained here; choose another --run")
    speakers = []
    if args.train_dir:
        speakers = sorted(set(read_table(args.train_dir / "utt2spk").values()))
    title = args.title or f"imported: {run.system}"
    features = feature_settings(args.data_dir)
    config = {"system": SYSTEM, "title": title, "loss": title, "seed": 0, "backend": "plda"}
    config |= {"feature_kind": features["kind"], "ivector": asdict(settings), "features": features}
    with locked(run.lock, f"importing {run.path}"):
        write_full(run.mixture, mixture)
        write_extractor(run.extractor, extractor)
        run.write_speakers(speakers)
        run.write_config(config)
    log.info("%s: i-vectors of %d numbers", run.path, settings.dim)


if __name__ == "__main__":
    raise SystemExit(main())
