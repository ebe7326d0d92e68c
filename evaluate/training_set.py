"""The embeddings of a run's training set: what back-ends learn from, and figures show."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..command_line import InputError
from ..files import content_digest
from ..kaldi_feats.data_dir import read_table
from ..kaldi_feats.reader import read_vectors
from ..kaldi_feats.scp_digest import scp_digest
from ..run_dir import RunDir
from ..stamp import Stamp


@dataclass(frozen=True)
class TrainingSet:
    """The embeddings of those that a run was trained on; speakers held out of that are not in it.

    Attributes:
        speakers: the training speakers, in the order of the run's bases.
        utterances: (utterances,) their ids.
        embeddings: (utterances, dim) float32.
        labels: (utterances,) int, the number of each one's speaker; every number comes.
    """

    speakers: list[str]
    utterances: list[str]
    embeddings: np.ndarray
    labels: np.ndarray

    def means(self) -> np.ndarray:
        """The mean embedding of every speaker, Eq. 7 over all utterances: (speakers, dim)."""
        sums = np.zeros((len(self.speakers), self.embeddings.shape[1]))
        np.add.at(sums, self.labels, self.embeddings)
        return sums / np.bincount(self.labels, minlength=len(self.speakers))[:, None]


def read_training_set(run: RunDir, data_dir: Path) -> TrainingSet:
    """Read the embeddings of a run's training set, and who speaks in them.

    Args:
        run: a run.
        data_dir: the training set's data directory; its name is the embeddings'.

    Raises:
        InputError: if the embeddings are missing or broken, or are not those of the training
            speakers.
    """
    scp = _embeddings_of(run, data_dir)
    speakers = run.read_speakers()
    number = {speaker: index for index, speaker in enumerate(speakers)}
    held_out, utt2spk = run.read_held_out(), read_table(data_dir / "utt2spk")
    utterances, embeddings = read_vectors(scp)
    rows, labels = [], []
    for row, utterance in enumerate(utterances):
        speaker = utt2spk.get(utterance)
        if speaker in held_out:
            continue
        if speaker not in number:
            raise InputError(
                f"{scp}:{row + 1}: {utterance} is of {speaker or 'an unknown speaker'}, none of "
                f"the speakers that {run.path} was trained on; {data_dir} must be its training set"
            )
        rows.append(row)
        labels.append(number[speaker])
    silent = sorted(number.keys() - {speakers[label] for label in labels})
    if silent:
        raise InputError(f"{scp}: no embedding of training speaker {silent[0]}; extract them again")
    names = [utterances[row] for row in rows]
    return TrainingSet(speakers, names, embeddings[rows], np.array(labels))


def training_inputs(run: RunDir, data_dir: Path) -> dict[str, str | None]:
    """Digests of a training set's embeddings, of their speakers and of the network, for a stamp.

    The network's is None for embeddings that came without one.

    Args:
        run: a run with these embeddings (stage 3).
        data_dir: the training set's data directory.

    Raises:
        InputError: if the embeddings or ``utt2spk`` are missing, or the embeddings are an earlier
            network's.
    """
    scp, utt2spk = _embeddings_of(run, data_dir), data_dir / "utt2spk"
    if not utt2spk.is_file():
        raise InputError(f"{utt2spk}: missing; run stage 0 first")
    made_by = (Stamp(run.embeddings_done(scp.stem), {}).read() or {}).get("made_by")
    embedder = run.embedder_digest()
    if made_by and embedder and made_by != embedder:
        raise InputError(f"{scp}: embedded by an earlier network; run stage 3 again")
    return {
        "embeddings": scp_digest(scp, read_table(scp)),
        "utt2spk": content_digest(utt2spk),
        "embedder": embedder,
    }


def _embeddings_of(run: RunDir, data_dir: Path) -> Path:
    scp = run.embeddings(data_dir.resolve().name)
    if not scp.is_file():
        raise InputError(
            f"{scp}: missing; run stage 3 first: python -m speaker_bases.evaluate.embed "
            f"--run {run.path} --data-dir {data_dir}"
        )
    return scp
