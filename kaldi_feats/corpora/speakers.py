"""The speakers of a training set and a test set: which sets of them are refused."""

from collections.abc import Mapping

from ...command_line import InputError
from ..data_set import DataSet


def refuse_shared_speakers(
    train: Mapping[str, str], test: Mapping[str, str], remedy: str, before: str = ""
) -> None:
    """Refuse speakers that are both for training and for test.

    Args:
        train: speaker -> where it is found, for the message.
        test: the same.
        remedy: what to do.
        before: what the message begins with.

    Raises:
        InputError: with the first speaker, its places, and how many there are.
    """
    shared = train.keys() & test.keys()
    if shared:
        speaker = min(shared)
        others = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
        raise InputError(
            f"{before}the speaker {speaker!r}{others} is both in {train[speaker]}, for training, "
            f"and in {test[speaker]}, for test; a test needs speakers that training has not seen: "
            f"{remedy}"
        )


def refuse_disorder(data_set: DataSet, where: Mapping[str, str]) -> None:
    """Refuse ids by which utterances are sorted otherwise than by their speakers.

    Args:
        data_set: whose utterances begin with their speaker's id.
        where: speaker -> where it is found, for the message.

    Raises:
        InputError: with two such speakers.
    """
    before = ""
    for utterance in sorted(data_set.utt2spk):
        speaker = data_set.utt2spk[utterance]
        if speaker < before:
            raise InputError(
                f"{where[speaker]}: the utterances of {speaker!r} and of {before!r} are sorted "
                "among each other, which Kaldi's tables may not be: of what follows the name of "
                "the first in the other, some sorts before '-'; rename one of them"
            )
        before = speaker
