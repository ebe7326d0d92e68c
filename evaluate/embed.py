"""Stage 3: an embedding of every whole utterance of a data directory."""

import argparse
import logging
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..kaldi_feats.arguments import whole_number
from ..kaldi_feats.files import InputError, digest, run_tool
from ..kaldi_feats.reader import FeatureReader, VectorWriter, read_num_frames
from ..models.experiment import ExperimentDir
from .batches import read_batches
from .stamps import embedding_stamp
from .system_config import load_config, refuse_other_features

_log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Extract the embeddings of one data directory with one system; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.embed",
        description="Write the embedding of every utterance of DATA/feats.scp to "
        "SYSTEM/embeddings/SET.ark and .scp. Utterances go through the network whole. Nothing is "
        "done if the embeddings there are already those of this network and these features.",
    )
    parser.add_argument("--system", type=Path, required=True, help="folder of a trained system")
    parser.add_argument("--data", type=Path, required=True, help="data directory with features")
    parser.add_argument("--set", help="name of the embeddings (default: DATA's last part)")
    parser.add_argument(
        "--batch-frames",
        type=whole_number(1),
        default=20_000,
        help="frames that go through the network at a time; take fewer if memory runs out, more "
        "on a large GPU (default: 20000)",
    )
    args = parser.parse_args(argv)
    return run_tool(
        lambda: embed(ExperimentDir(args.system), args.data, args.set, args.batch_frames)
    )


def embed(
    system: ExperimentDir,
    data_dir: Path,
    data_set: str | None = None,
    batch_frames: int = 20_000,
) -> Path:
    """Write the embeddings of a data directory unless they are there; returns their scp.

    Args:
        system: a trained system.
        data_dir: a data directory with features, made with the system's own settings.
        data_set: the embeddings' name; the data directory's own if None.
        batch_frames: frames in one batch, which bounds the memory needed; a longer utterance
            is a batch of its own.

    Raises:
        InputError: if the system is not complete, the features are missing, broken or made with
            other settings, or an embedding comes out as NaN.
    """
    data_set = data_set or data_dir.resolve().name
    output = system.embeddings(data_set)
    refuse_other_features(load_config(system), data_dir, system)
    if not system.embedder.is_file():
        raise InputError(f"{system.embedder}: missing; finish the training first (stage 2)")
    stamp = embedding_stamp(system, data_dir, data_set, made_by=digest(system.embedder))
    if stamp.is_current() and output.is_file():
        _log.info("%s: already complete", output)
        return output

    from .embedder import load_embedder  # Keras takes seconds to import: not for nothing to do

    embedder = load_embedder(system)
    reader = FeatureReader(data_dir / "feats.scp")
    batches = read_batches(reader, read_num_frames(data_dir), batch_frames)
    progress = tqdm(total=len(reader), desc=f"embed {data_set}", unit="utt", disable=None)
    with stamp.renew(), progress:
        output.unlink(missing_ok=True)  # or, interrupted, stage 4 would take the old ones
        with VectorWriter(output) as writer:
            for batch in batches:
                rows = embedder.predict_on_batch([batch.features, batch.num_frames])
                _write(writer, batch.utterances, np.asarray(rows), system)
                progress.update(len(batch.utterances))
    _log.info("%s: %d embeddings", output, len(reader))
    return output


def _write(
    writer: VectorWriter, utterances: list[str], embeddings: np.ndarray, system: ExperimentDir
) -> None:
    for utterance, embedding in zip(utterances, embeddings, strict=False):  # the rest is padding
        if not np.isfinite(embedding).all():
            raise InputError(
                f"{system.embedder}: the embedding of {utterance} is not finite; the training "
                "has diverged, look at its log and train again"
            )
        writer.write(utterance, embedding)


if __name__ == "__main__":
    raise SystemExit(main())
