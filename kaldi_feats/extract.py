"""The embedded extractor: features without Kaldi, in parallel through joblib."""

import argparse
import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import soxr
from tqdm.contrib.logging import logging_redirect_tqdm

from ..command_line import InputError, run_tool
from ..parallel import parallel
from ..progress import progress
from .audio import Recording, read_recording
from .data_dir import naming, write_table
from .fbank.arguments import add_arguments, limits_of, log_dir_of, stage_of
from .fbank.broken import BrokenRecordings
from .fbank.features import Extractor
from .fbank.stage import Chunk, FeatureStage, Utterance
from .kinds import FeatureSettings
from .pipe import Limits
from .prepared import check_lists
from .reader import MatrixWriter, VectorWriter
from .segments import cut

log = logging.getLogger(__name__)

_LIMITS = Limits()


class Skipped(Exception):
    """Kaldi leaves such an utterance out with a warning, and so do we."""


def extract(stage: FeatureStage, num_jobs: int = 1, limits: Limits = _LIMITS) -> None:
    """Make whatever features of the stage are not there yet.

    Runs in `num_jobs` local processes, or where a surrounding ``joblib.parallel_config`` says.

    Raises:
        InputError: recordings cannot be read (all of them are named, up to `LISTED`, unless the
            stage skips them), or one has the wrong sample rate; features made before are
            untouched, and a later call continues.
    """
    if stage.is_complete():
        log.info("%s: features are complete, nothing to do", stage.data_dir)
        return
    pending = stage.pending()
    work = (joblib.delayed(extract_chunk)(chunk, _settings_of(stage), limits) for chunk in pending)
    total = sum(len(chunk.utterances) for chunk in pending)
    broken = BrokenRecordings(stage.data_dir / "wav.scp")
    with progress(total=total, desc="features", unit="utt") as bar, logging_redirect_tqdm():
        for utterances, warnings, problems in parallel(num_jobs)(work):
            for warning in warnings:
                log.warning(warning)
            bar.update(utterances)
            if not stage.skip_broken:
                broken.add(utterances, problems)
    broken.refuse()
    stage.finish()


@dataclass(frozen=True)
class Settings:
    """What `extract_chunk` needs of its stage, in whatever process it runs."""

    features: FeatureSettings
    compress: bool
    skip_broken: bool


def _settings_of(stage: FeatureStage) -> Settings:
    return Settings(stage.settings, stage.compress, stage.skip_broken)


def extract_chunk(
    chunk: Chunk, settings: Settings, limits: Limits
) -> tuple[int, list[str], list[str]]:
    """Make one ark, unless a recording is broken and is not to be skipped.

    Returns:
        How many utterances were worked on, the warnings, and what is wrong with broken recordings.
    """
    of, kind = settings.features, settings.features.kind
    extractor = kind.extractor(of.options)
    warnings: list[str] = []
    num_frames: dict[str, str] = {}
    broken: dict[str, str] = {}
    recordings = _Recordings(limits)
    with (
        contextlib.suppress(_NotWritten),
        MatrixWriter(chunk.file(".scp"), settings.compress) as writer,
        contextlib.ExitStack() as beside,  # which ends first, as the chunk's scp comes last
    ):
        writers = {"feats": writer}
        for name in kind.vectors:
            writers[name] = beside.enter_context(VectorWriter(chunk.file(f".{name}.scp")))
        for utterance in chunk.utterances:
            try:
                recording = recordings.read(utterance)
            except InputError as error:
                broken[utterance.name] = " ".join(str(error).split())
                continue
            try:
                frames = _frames(recording, utterance, extractor, of.options, warnings)
                tables = kind.finished(frames, of)
            except (Skipped, ValueError) as reason:
                warnings.append(f"{utterance.where}: {utterance.name}: skipped: {reason}")
                continue
            for name, values in tables.items():
                writers[name].write(utterance.name, values)
            num_frames[utterance.name] = str(len(tables["feats"]))
        if broken and not settings.skip_broken:
            raise _NotWritten
        warnings += [f"{name}: left out, it is broken: {what}" for name, what in broken.items()]
        chunk.write_broken(broken)
        write_table(chunk.file(".num_frames"), num_frames)
    return len(chunk.utterances), warnings, list(broken.values())


class _NotWritten(Exception):
    """Takes back the ark that was begun."""


class _Recordings:
    """Reads recordings; one of several segments, which follow each other, once."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._place = ""
        self._found: Recording | InputError | None = None

    def read(self, utterance: Utterance) -> Recording:
        """As `read_recording`."""
        if self._place != utterance.where:
            self._place, self._found = utterance.where, None
            try:
                self._found = read_recording(utterance.source, utterance.where, self._limits)
            except InputError as error:
                self._found = error
        if isinstance(self._found, InputError):
            raise self._found
        return self._found


def _frames(
    recording: Recording,
    utterance: Utterance,
    extractor: Extractor,
    options: Mapping,
    warnings: list[str],
) -> np.ndarray:
    place = f"{utterance.where}: {utterance.name}"
    if utterance.segment is not None:
        try:
            recording = cut(recording, utterance.segment)
        except ValueError as reason:
            raise Skipped(str(reason)) from None
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
    frames = extractor(samples)
    if len(frames) == 0:
        raise Skipped(f"too short, {seconds:g} s")
    return frames


def _at_rate(samples: np.ndarray, rate: int, utterance: Utterance, options: Mapping) -> np.ndarray:
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


class _LogFile(logging.FileHandler):
    """A disk that is full is an error of one line, not a traceback for every message."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise


@contextlib.contextmanager
def _log_file(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        handler = _LogFile(path, mode="w", encoding="utf-8", errors="backslashreplace")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.kaldi_feats.extract",
        description="Compute features for a Kaldi data directory: feats.scp, utt2num_frames and "
        "what they were made with, and arks in ARK_DIR. Filter banks agree with Kaldi's "
        "compute-fbank-feats and apply-cmvn-sliding, cepstra with compute-mfcc-feats and "
        "compute-vad; only resampling, where the options allow it, is soxr's and not Kaldi's. Run "
        "again, it continues.",
    )
    add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    def body() -> None:
        stage = stage_of(arguments)
        with _log_file(log_dir_of(arguments) / f"make_{arguments.kind}.log"):
            extract(stage, arguments.nj, limits_of(arguments))
            check_lists(
                arguments.data_dir, arguments.allow_missing == "true", features=stage.data_dir
            )

    return run_tool(body)


if __name__ == "__main__":
    raise SystemExit(main())
