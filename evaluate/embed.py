"""Stage 3: an embedding of every whole utterance of a data directory."""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np

from ..backend import check_backend, load_keras
from ..command_line import InputError, run_tool, whole_number
from ..files import remove_temporary
from ..ivector.recordings import Recordings
from ..ivector.settings import Settings
from ..ivector.system import ivectors
from ..kaldi_feats.batches import Batch, read_batches
from ..kaldi_feats.reader import FeatureReader, VectorWriter, read_num_frames
from ..lock import locked
from ..progress import progress
from ..registry import add_plugin_option, load_plugins
from ..run_dir import RunDir
from .refusals import refuse_other_features
from .stamps import embedding_stamp

LISTED = 5
"""Utterances that a warning names."""

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Extract the embeddings of one data directory with one system; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.embed",
        description="Write the embedding of every utterance of DIR/feats.scp to "
        "RUN/embeddings/NAME.ark and .scp. Utterances go through the network whole; an i-vector "
        "system makes i-vectors. Nothing is done if the embeddings there are already those of this "
        "network and these features.",
    )
    parser.add_argument("--run", type=Path, required=True, help="a trained run's folder")
    parser.add_argument(
        "--data-dir", type=Path, required=True, metavar="DIR", help="data directory with features"
    )
    parser.add_argument("--name", help="of the embeddings (default: the last part of --data-dir)")
    parser.add_argument(
        "--batch-frames",
        type=whole_number(1),
        default=20_000,
        help="frames that go through the network at a time; take fewer if memory runs out, more "
        "on a large GPU (default: 20000)",
    )
    parser.add_argument(
        "--nj",
        type=whole_number(1),
        default=joblib.cpu_count(),
        help="threads that make i-vectors (default: one for each processor, %(default)s)",
    )
    add_plugin_option(parser)
    args = parser.parse_args(argv)

    def body() -> None:
        check_backend()
        load_plugins(argv)
        embed(RunDir(args.run), args.data_dir, args.name, args.batch_frames, args.nj)

    return run_tool(body)


def embed(
    run: RunDir,
    data_dir: Path,
    name: str | None = None,
    batch_frames: int = 20_000,
    num_jobs: int = 1,
) -> Path:
    """Write the embeddings of a data directory unless they are there; returns their scp.

    Args:
        run: a trained run.
        data_dir: a data directory with features, made with the system's own settings.
        name: the embeddings' name; the data directory's own if None.
        batch_frames: frames in one batch, which bounds the memory needed; a longer utterance
            is a batch of its own.
        num_jobs: threads that make i-vectors.

    Raises:
        InputError: if the system is not complete or another process is at work on it, the features
            are missing, broken or made with other settings, or an embedding comes out as NaN.
    """
    name = name or data_dir.resolve().name
    output = run.embeddings(name)
    refuse_other_features(run.read_config(), data_dir, run)
    made_by = run.embedder_digest()
    if made_by is None:
        missing = run.extractor if "ivector" in run.read_config() else run.embedder
        raise InputError(f"{missing}: missing; finish the training first (stage 2)")
    stamp = embedding_stamp(run, data_dir, name, made_by)
    if stamp.is_current():
        log.info("%s: already complete", output)
        return output

    by_network = run.embedder.is_file()
    rows = (
        _by_network(run, data_dir, batch_frames)
        if by_network
        else _ivectors(run, data_dir, num_jobs)
    )
    reader = FeatureReader(data_dir / "feats.scp")
    number = 0
    with (
        locked(run.lock, f"embedding {data_dir} by {run.path}"),
        stamp.renew(),
        progress(total=len(reader), desc=f"embed {name}", unit="utt") as bar,
    ):
        remove_temporary(output.parent)
        output.unlink(missing_ok=True)  # or, interrupted, stage 4 would take the old ones
        with VectorWriter(output) as writer:
            for utterances, embeddings in rows:
                _write(writer, utterances, embeddings, run)
                number += len(utterances)
                bar.update(len(utterances))
    log.info("%s: %d embeddings", output, number)
    return output


Rows = Iterator[tuple[list[str], np.ndarray]]
"""Utterances, and the embedding of each; further rows are padding."""


def _by_network(run: RunDir, data_dir: Path, batch_frames: int) -> Rows:
    load_keras()  # takes seconds: not for nothing to do
    from .embedder import load_embedder

    embedder = load_embedder(run)
    reader, num_frames = FeatureReader(data_dir / "feats.scp"), read_num_frames(data_dir)

    def rows() -> Rows:
        silent: list[str] = []
        for batch in read_batches(reader, num_frames, batch_frames):
            yield (
                batch.utterances,
                np.asarray(embedder.predict_on_batch([batch.features, batch.num_frames])),
            )
            silent += without_energy(batch)
        _warn_of_silence(silent, data_dir)

    return rows()


def _ivectors(run: RunDir, data_dir: Path, num_jobs: int) -> Rows:
    settings = Settings(**run.read_config()["ivector"])
    return ivectors(run, Recordings(data_dir, settings), settings, num_jobs)


def without_energy(batch: Batch) -> list[str]:
    """The utterances of a batch whose features are the same in every frame: digital silence."""
    rows = zip(batch.utterances, batch.features, batch.num_frames, strict=False)
    return [name for name, features, end in rows if np.ptp(features[:end], axis=0).max() < 1e-4]


def _warn_of_silence(utterances: list[str], data_dir: Path) -> None:
    if utterances:
        some = ", ".join(sorted(utterances)[:LISTED]) + (
            ", ..." if len(utterances) > LISTED else ""
        )
        log.warning(
            "%s: features without energy (digital silence?) of %d utterances: %s; their embeddings "
            "are one and the same, and say nothing of a speaker",
            data_dir / "feats.scp",
            len(utterances),
            some,
        )


def _write(
    writer: VectorWriter, utterances: list[str], embeddings: np.ndarray, run: RunDir
) -> None:
    for utterance, embedding in zip(utterances, embeddings, strict=False):  # the rest is padding
        if not np.isfinite(embedding).all():
            raise InputError(
                f"{run.path}: the embedding of {utterance} is not finite; the training "
                "has diverged, look at its log and train again"
            )
        writer.write(utterance, embedding)


if __name__ == "__main__":
    raise SystemExit(main())
