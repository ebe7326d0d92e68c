"""Where training speakers lie among each other: their embeddings, means and bases."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backend import load_keras
from ..command_line import InputError
from ..kaldi_feats.data_dir import read_table
from ..kaldi_feats.reader import read_vectors
from ..run_dir import RunDir

_PAIR_BLOCK = 1024


@dataclass(frozen=True)
class SpeakerSpace:
    """The embeddings of a system's training set.

    Attributes:
        speakers: the training speakers, in the order of the system's bases.
        embeddings: (utterances, dim) float32.
        labels: (utterances,) int, each utterance's speaker.
    """

    speakers: list[str]
    embeddings: np.ndarray
    labels: np.ndarray

    def means(self) -> np.ndarray:
        """The mean embedding of every speaker, Eq. 7 over all utterances: (speakers, dim)."""
        sums = np.zeros((len(self.speakers), self.embeddings.shape[1]))
        np.add.at(sums, self.labels, self.embeddings)
        return sums / np.bincount(self.labels, minlength=len(self.speakers))[:, None]


def load_speaker_space(run: RunDir, data_dir: Path) -> SpeakerSpace:
    """Read the embeddings of a system's training set and whose they are.

    Args:
        run: a trained run.
        data_dir: the training set's data directory; its name is the embeddings'.

    Raises:
        InputError: if embeddings are missing, or their speakers are not the training speakers.
    """
    scp = run.embeddings(data_dir.resolve().name)
    if not scp.is_file():
        raise InputError(
            f"{scp}: no such embeddings; extract them first: python -m "
            f"speaker_bases.evaluate.embed --run {run.path} --data-dir {data_dir}"
        )
    speakers = run.read_speakers()
    number = {speaker: index for index, speaker in enumerate(speakers)}
    utt2spk = read_table(data_dir / "utt2spk")
    utterances, embeddings = read_vectors(scp)
    held_out, labels, rows = run.read_held_out(), [], []
    for line, utterance in enumerate(utterances, start=1):
        speaker = utt2spk.get(utterance)
        if speaker in held_out:
            continue
        if speaker not in number:
            raise InputError(
                f"{scp}:{line}: {utterance} is of {speaker or 'an unknown speaker'}, not of a "
                f"training speaker of {run.path}; name its training data"
            )
        labels.append(number[speaker])
        rows.append(line - 1)
    silent = sorted(set(speakers) - {speakers[label] for label in labels})
    if silent:
        raise InputError(f"{scp}: no embedding of training speaker {silent[0]}; extract them again")
    return SpeakerSpace(speakers, embeddings[rows], np.array(labels))


def load_bases(run: RunDir) -> np.ndarray:
    """The columns of W as rows: (speakers, dim).

    Raises:
        InputError: if the system is not complete, or has no bases (GE2E).
    """
    if not run.model.is_file():
        raise InputError(f"{run.model}: missing; finish the training first (stage 2)")
    load_keras()
    from .. import losses  # noqa: F401  what a whole model holds must be registered
    from ..models.saving import load_model

    model = load_model(run.model)
    try:
        layer = model.get_layer("bases")
    except ValueError:
        raise InputError(f"{run.model}: has no layer 'bases'; take another system") from None
    return np.asarray(layer.bases, dtype=np.float32).T


def impostor_cosines(means: np.ndarray) -> np.ndarray:
    """cos(c_i, c_j) of every pair of speakers i < j: (speakers (speakers - 1) / 2,) float32.

    Args:
        means: (speakers, dim), no row all zeros.
    """
    unit = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    parts = []
    for start in range(0, len(unit), _PAIR_BLOCK):
        cosines = unit[start : start + _PAIR_BLOCK] @ unit[start:].T
        parts.append(cosines[np.triu_indices(len(cosines), 1, cosines.shape[1])])
    return np.concatenate(parts)
