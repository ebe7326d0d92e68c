"""The embeddings of a run's training set, which a back-end learns from."""

from pathlib import Path

import numpy as np

from ...command_line import InputError
from ...files import content_digest
from ...kaldi_feats.data_dir import read_table
from ...kaldi_feats.reader import read_vectors
from ...kaldi_feats.scp_digest import scp_digest
from ...run_dir import RunDir
from ...stamp import Stamp


def training_inputs(run: RunDir, data_dir: Path) -> dict[str, str]:
    """Digests of a training set's embeddings and of their speakers, for a stamp.

    Args:
        run: a run with these embeddings (stage 3).
        data_dir: the training set's data directory.

    Raises:
        InputError: if the embeddings or ``utt2spk`` are missing, or the embeddings are an earlier
            network's.
    """
    name = data_dir.resolve().name
    scp, utt2spk = run.embeddings(name), data_dir / "utt2spk"
    for needed, stage in ((scp, 3), (utt2spk, 0)):
        if not needed.is_file():
            raise InputError(f"{needed}: missing; run stage {stage} first")
    made_by = (Stamp(run.embeddings_done(name), {}).read() or {}).get("made_by")
    if made_by and run.embedder.is_file() and made_by != content_digest(run.embedder):
        raise InputError(f"{scp}: embedded by an earlier network; run stage 3 again")
    return {"embeddings": scp_digest(scp, read_table(scp)), "utt2spk": content_digest(utt2spk)}


def read_training_set(run: RunDir, data_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """The embeddings of a run's training set, and who speaks in them.

    Returns:
        Float32 (utterances, dim), and (utterances,) int, the number of each one's speaker from 0;
        each number comes. Speakers that were held out of training are left out.

    Raises:
        InputError: if the embeddings are missing or broken, or of somebody that the run was not
            trained on.
    """
    scp = run.embeddings(data_dir.resolve().name)
    utterances, embeddings = read_vectors(scp)
    trained, utt2spk = set(run.read_speakers()), read_table(data_dir / "utt2spk")
    held_out, rows = run.read_held_out(), []
    for line, utterance in enumerate(utterances, start=1):
        if utt2spk.get(utterance) in held_out:
            continue
        rows.append(line - 1)
        if utt2spk.get(utterance) not in trained:
            raise InputError(
                f"{scp}:{line}: {utterance} is of none of the speakers that {run.path} was "
                f"trained on; {data_dir} must be its training set"
            )
    _, labels = np.unique([utt2spk[utterances[row]] for row in rows], return_inverse=True)
    return embeddings[rows], labels
