"""A trial list together with the speakers it is about."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..kaldi_feats.data_dir import read_table
from ..kaldi_feats.files import InputError
from ..kaldi_feats.trials import Trials
from ..kaldi_feats.voxceleb_lists import read_prepared


@dataclass(frozen=True)
class TrialList:
    """The trials of ``<data>/trials/<name>`` and who speaks in them.

    Attributes:
        path: the trial list's file.
        trials: its trials, in the file's order.
        speakers: the names of the speakers of the data directory, sorted.
        enrol_speakers: (trials,) int, the first utterance's speaker as an index into `speakers`.
        test_speakers: (trials,) int, the second's.
    """

    path: Path
    trials: Trials
    speakers: list[str]
    enrol_speakers: np.ndarray
    test_speakers: np.ndarray

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_target(self) -> np.ndarray:
        """(trials,) bool."""
        return self.trials.is_target

    def __len__(self) -> int:
        return len(self.enrol_speakers)

    def speakers_in_trials(self) -> set[str]:
        """The names of those speakers that occur in at least one trial."""
        present = np.union1d(self.enrol_speakers, self.test_speakers)
        return {self.speakers[number] for number in present}


def trial_list_path(data_dir: Path, name: str) -> Path:
    """The file of a trial list by its name.

    Raises:
        InputError: if there is no such list; it names those that are there.
    """
    path = data_dir / "trials" / name
    if not path.is_file():
        there = sorted(p.name for p in path.parent.glob("[!.]*") if p.is_file())
        raise InputError(f"{path}: no such trial list; there is {', '.join(there) or 'none'}")
    return path


def load_trial_list(data_dir: Path, name: str) -> TrialList:
    """Read one trial list of a data directory and hold it against ``utt2spk``.

    Raises:
        InputError: with file and line if a trial names an utterance that ``utt2spk`` does not
            know, or says target of two speakers or nontarget of one; if there are no target or no
            nontarget trials; or if a list under an official list's name has not its number of
            trials.
    """
    path = trial_list_path(data_dir, name)
    trials = read_prepared(path)
    utt2spk = read_table(data_dir / "utt2spk")
    speakers = sorted(set(utt2spk.values()))
    number = {speaker: index for index, speaker in enumerate(speakers)}
    speaker_of = {utterance: number[speaker] for utterance, speaker in utt2spk.items()}
    enrol, test = look_up(trials, speaker_of, path, f"not in {data_dir / 'utt2spk'}")
    wrong = np.flatnonzero((enrol == test) != trials.is_target)
    if len(wrong):
        at = int(wrong[0])
        said = "target" if trials.is_target[at] else "nontarget"
        raise InputError(
            f"{path}:{at + 1}: says {said}, but {data_dir / 'utt2spk'} has "
            f"{utt2spk[trials.enrol[at]]} and {utt2spk[trials.test[at]]} for the two utterances; "
            "make the trial list from this data directory"
        )
    return TrialList(path, trials, speakers, enrol, test)


def look_up(
    trials: Trials, numbers: dict[str, int], trials_path: Path, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of every trial's two utterances: two arrays (trials,) int64.

    Raises:
        InputError: naming the line of the first utterance that `numbers` does not have, and
            `where` it was looked for.
    """
    enrol, test = (
        np.fromiter((numbers.get(u, -1) for u in side), np.int64, len(trials))
        for side in (trials.enrol, trials.test)
    )
    unknown = np.flatnonzero((enrol < 0) | (test < 0))
    if len(unknown):
        at = int(unknown[0])
        utterance = trials.enrol[at] if enrol[at] < 0 else trials.test[at]
        raise InputError(f"{trials_path}:{at + 1}: utterance {utterance} is {where}")
    return enrol, test
