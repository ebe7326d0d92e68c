"""Whether VoxCeleb is all there: what was found beside what is published."""

import logging
import os
from collections import Counter
from collections.abc import Mapping

from ...command_line import InputError
from .left_out import LeftOut, printable

log = logging.getLogger(__name__)

# Speakers id10001 to id11251 are VoxCeleb1's, smaller numbers VoxCeleb2's.
VOXCELEB1_FIRST = "id10001"
TEST_SPEAKERS = frozenset(f"id{number}" for number in range(10270, 10310))
# Utterances and speakers of the complete corpora, as they are published.
DEV, TEST, VOXCELEB2 = "VoxCeleb1 dev", "VoxCeleb1 test", "VoxCeleb2 dev and test"
COMPLETE = {DEV: (148_642, 1_211), TEST: (4_874, 40), VOXCELEB2: (1_128_246, 6_112)}
VOXCELEB1 = (DEV, TEST)


def compare_counts(
    folder: str | os.PathLike,
    utt2spk: Mapping[str, str],
    parts: tuple[str, ...],
    left_out: LeftOut,
    allow_missing: bool,
) -> None:
    """Say how much was found of each part, beside its published size.

    Args:
        folder: where it was found, for messages.
        utt2spk: all utterances found there.
        parts: names in `COMPLETE`.
        left_out: the files that were not taken.
        allow_missing: only warn of a difference.

    Raises:
        InputError: a part has not its published numbers of utterances and speakers.
    """
    utterances = Counter(utt2spk.values())
    wrong = []
    for part in parts:
        speakers = [speaker for speaker in utterances if _part_of(speaker) == part]
        found = sum(utterances[speaker] for speaker in speakers), len(speakers)
        text = "{}: {:,} utterances of {:,} speakers found, complete it has {:,} of {:,}".format(
            part, *found, *COMPLETE[part]
        )
        log.info("%s: %s", printable(os.fspath(folder)), text)
        if found != COMPLETE[part]:
            wrong.append(text)
    if not wrong:
        return
    problem = f"{folder}: {'; '.join(wrong)}; not taken: {left_out}"
    if not allow_missing:
        raise InputError(
            f"{problem}; unpack or convert what is missing, or take it as it is with "
            "--allow-missing (of run.sh: --allow-missing true)"
        )
    log.warning("%s", problem)


def _part_of(speaker: str) -> str:
    if speaker < VOXCELEB1_FIRST:
        return VOXCELEB2
    return TEST if speaker in TEST_SPEAKERS else DEV
