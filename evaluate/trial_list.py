"""A trial list together with the speakers it is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..command_line import InputError
from ..kaldi_feats.data_dir import quoted, read_table
from ..kaldi_feats.enrolment import map_of
from ..kaldi_feats.prepared import lists_of, read_prepared
from ..kaldi_feats.trials import Trials, look_up, refuse_wrong_labels


@dataclass(frozen=True)
class TrialList:
    """The trials of ``<data>/trials/<name>`` and who speaks in them.

    Attributes:
        path: the trial list's file.
        trials: its trials, in the file's order.
        speakers: the names of the speakers of the data directory, sorted.
        enrol_speakers: (trials,) int, the speaker of the first utterance, or of the model, as an
            index into `speakers`.
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
    def digest(self) -> str:
        """Of the trials; see `Trials.digest`."""
        return self.trials.digest

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


def trial_lists(data_dir: Path) -> list[str]:
    """The names of a data directory's trial lists, sorted.

    Raises:
        InputError: if there are none.
    """
    there = [path.name for path in lists_of(data_dir)]
    if not there:
        raise InputError(f"{data_dir / 'trials'}: no trial list here; run stage 0")
    return there


def load_trial_list(data_dir: Path, name: str) -> TrialList:
    """Read one trial list of a data directory and hold it against ``utt2spk``.

    Raises:
        InputError: if there is no such list; else as `read_trial_list`.
    """
    path = data_dir / "trials" / name
    if not path.is_file():
        there = ", ".join(trial_lists(data_dir))
        raise InputError(f"{path}: no such trial list; there is {there}")
    return read_trial_list(path, data_dir / "utt2spk")


def read_trial_list(path: Path, utt2spk_path: Path) -> TrialList:
    """Read a trial list and hold it against the speakers of its utterances.

    Raises:
        InputError: with file and line if a trial names an utterance that ``utt2spk`` does not
            know, or says target of two speakers or nontarget of one; if a model is made of
            utterances of several speakers; if there are no target or no nontarget trials; or if a
            list under a published list's name has not its number of trials.
    """
    trials = read_prepared(path)
    utt2spk = read_table(utt2spk_path)
    speakers = sorted(set(utt2spk.values()))
    number = {speaker: index for index, speaker in enumerate(speakers)}
    speaker_of = {utterance: number[speaker] for utterance, speaker in utt2spk.items()}
    enrol, test = look_up(trials, speaker_of, path, str(utt2spk_path))
    if trials.models is not None:
        enrol = _speakers_of_models(trials, enrol, speaker_of, path)
    refuse_wrong_labels(path, trials, enrol == test, str(utt2spk_path))
    return TrialList(path, trials, speakers, enrol, test)


def _speakers_of_models(
    trials: Trials, enrol: np.ndarray, speaker_of: Mapping[str, int], path: Path
) -> np.ndarray:
    """The speaker (trials,) of each trial's model, given the model's number (trials,)."""
    speakers = np.full(len(trials.models), -1)
    names = list(trials.models)
    for number in np.unique(enrol):
        utterances = trials.models[names[number]]
        of = {speaker_of[utterance] for utterance in utterances}
        if len(of) > 1:
            raise InputError(
                f"{map_of(path)}:{number + 1}: the model {quoted(names[number])} is made of "
                f"utterances of {len(of)} speakers; enrol each by itself"
            )
        speakers[number] = of.pop()
    return speakers[enrol]
