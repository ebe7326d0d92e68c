"""The embedded extractor: fbank and sliding mean without Kaldi, in parallel through joblib."""

import argparse
import logging
from pathlib import Path

import joblib
import numpy as np
import soxr
from tqdm.contrib.logging import logging_redirect_tqdm

from ..command_line import InputError, run_tool
from ..parallel import parallel
from ..progress import progress
from .audio import read_recording
from .data_dir import write_table
from .fbank.features import Fbank
from .fbank.options import read_options
from .fbank.sliding_mean import subtract_sliding_mean
from .fbank.stage import Chunk, FbankStage, Utterance
from .reader import MatrixWriter

log = logging.getLogger(__name__)


class Skipped(Exception):
    """Kaldi leaves such an utterance out with a warning, and so do we."""


def extract(stage: FbankStage, num_jobs: int = 1) -> None:
    """Make whatever features of the stage are not there yet.

    Runs in `num_jobs` local processes, or where a surrounding ``joblib.parallel_config`` says.

    Raises:
        InputError: a recording cannot be read or has the wrong sample rate; features made
            before are untouched, and a later call continues.
    """
    if stage.is_complete():
        log.info("%s: features are complete, nothing to do", stage.data_dir)
        return
    pending = stage.pending()
    work = (
        joblib.delayed(extract_chunk)(chunk, stage.options, stage.cmn_window, stage.compress)
        for chunk in pending
    )
    total = sum(len(chunk.utterances) for chunk in pending)
    with progress(total=total, desc="features", unit="utt") as bar, logging_redirect_tqdm():
        for utterances, warnings in parallel(num_jobs)(work):
            for warning in warnings:
                log.warning(warning)
            bar.update(utterances)
    stage.finish()


def extract_chunk(
    chunk: Chunk, options: dict, cmn_window: int, compress: bool
) -> tuple[int, list[str]]:
    """Make one ark.

    Returns:
        How many utterances were worked on, and the warnings.
    """
    fbank = Fbank(options)
    warnings: list[str] = []
    num_frames = {}
    with MatrixWriter(chunk.file(".scp"), compress) as writer:
        for utterance in chunk.utterances:
            try:
                features = _features(utterance, fbank, options, warnings)
            except Skipped as reason:
                warnings.append(f"{utterance.where}: {utterance.name}: skipped: {reason}")
                continue
            writer.write(utterance.name, subtract_sliding_mean(features, cmn_window))
            num_frames[utterance.name] = str(len(features))
        write_table(chunk.file(".num_frames"), num_frames)
    return len(chunk.utterances), warnings


def _features(utterance: Utterance, fbank: Fbank, options: dict, warnings: list[str]) -> np.ndarray:
    recording = read_recording(utterance.source, utterance.where)
    place = f"{utterance.where}: {utterance.name}"
    warnings += [f"{place}: {warning}" for warning in recording.warnings]
    seconds = len(recording.samples) / recording.rate
    if seconds < options["min-duration"]:
        raise Skipped(f"{seconds:g} s is less than --min-duration")
    num_channels, channel = recording.samples.shape[1], options["channel"]
    if channel == -1:
        channel = 0
        if num_channels > 1:
            warnings.append(f"{place}: {num_channels} channels and no --channel; taking the first")
    if channel >= num_channels:
        raise Skipped(f"--channel={channel}, and it has {num_channels}")
    samples = _at_rate(recording.samples[:, channel], recording.rate, utterance, options)
    features = fbank(samples)
    if len(features) == 0:
        raise Skipped(f"too short, {seconds:g} s")
    return features


def _at_rate(samples: np.ndarray, rate: int, utterance: Utterance, options: dict) -> np.ndarray:
    """Resample if that is allowed, with soxr.

    Kaldi has a filter of its own (LinearResample), so that the results differ: log-mel values by
    0.002 in the median, by several units in bands near the lower of the two Nyquist frequencies
    and in the empty ones above it.
    """
    wanted = options["sample-frequency"]
    if rate == wanted:
        return samples
    option = "allow-downsample" if rate > wanted else "allow-upsample"
    if not options[option]:
        raise InputError(
            f"{utterance.where}: {utterance.source}: the sample rate is {rate} Hz and "
            f"--sample-frequency {wanted:g} Hz; set --{option}=true in the option file to resample"
        )
    return soxr.resample(np.ascontiguousarray(samples), rate, wanted)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that this tool shares with the stage's Kaldi path."""
    parser.add_argument("data_dir", metavar="DATA_DIR", help="holds wav.scp, utt2spk, spk2utt")
    parser.add_argument(
        "log_dir", metavar="LOG_DIR", nargs="?", help="for logs (default: DATA_DIR/log)"
    )
    parser.add_argument(
        "fbank_dir", metavar="FBANK_DIR", nargs="?", help="for arks (default: DATA_DIR/fbank)"
    )
    parser.add_argument(
        "--nj",
        type=int,
        default=joblib.cpu_count(),
        help="parallel jobs (default: one for each processor, %(default)s)",
    )
    parser.add_argument(
        "--fbank-config",
        default="conf/fbank.conf",
        help="options of compute-fbank-feats (default: %(default)s)",
    )
    parser.add_argument(
        "--cmn-window",
        type=int,
        default=300,
        help="frames that the sliding mean is taken over (default: %(default)s)",
    )
    parser.add_argument(
        "--compress",
        choices=["true", "false"],
        default="false",
        help="store one byte a number, as Kaldi's compressed matrices: a quarter of the disk "
        "(VoxCeleb1 8 instead of 33 GB, VoxCeleb2 55 instead of 220 GB), and an error of up to "
        "0.09 on each log-mel value (default: %(default)s)",
    )


def stage_of(arguments: argparse.Namespace) -> FbankStage:
    """Check the arguments that `add_arguments` added and open the stage they describe."""
    for option in ("nj", "cmn_window"):
        if getattr(arguments, option) < 1:
            raise InputError(f"--{option.replace('_', '-')} must be at least 1")
    options = read_options(arguments.fbank_config)
    try:
        Fbank(options)
    except ValueError as error:
        raise InputError(f"{arguments.fbank_config}: {error}") from None
    return FbankStage(
        arguments.data_dir,
        arguments.fbank_dir,
        options,
        arguments.cmn_window,
        arguments.compress == "true",
    )


def log_dir_of(arguments: argparse.Namespace) -> Path:
    """LOG_DIR, or its default."""
    return Path(arguments.log_dir or Path(arguments.data_dir) / "log")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.kaldi_feats.extract",
        description="Compute fbank features with a sliding mean for a Kaldi data directory: "
        "feats.scp, utt2num_frames and fbank.conf in DATA_DIR, arks in FBANK_DIR. Agrees with "
        "Kaldi's compute-fbank-feats and apply-cmvn-sliding; only resampling, where the options "
        "allow it, is soxr's and not Kaldi's. Run again, it continues.",
    )
    add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    def body() -> None:
        stage = stage_of(arguments)
        log_dir = log_dir_of(arguments)
        log_dir.mkdir(parents=True, exist_ok=True)
        log = logging.FileHandler(log_dir / "make_fbank.log", mode="w", encoding="utf-8")
        log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.getLogger().addHandler(log)
        try:
            extract(stage, arguments.nj)
        finally:
            logging.getLogger().removeHandler(log)
            log.close()

    return run_tool(body)


if __name__ == "__main__":
    raise SystemExit(main())
