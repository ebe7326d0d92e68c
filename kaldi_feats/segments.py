"""Utterances that are parts of recordings: Kaldi's ``segments``, cut as extract-segments does.

A line is ``utterance recording beginning end``, in seconds; -1 for the end is the recording's.
"""

import math
from typing import NamedTuple

from .audio import Recording

# A segment may end so many seconds behind its recording, and must be longer than that many.
MOST_OVERSHOOT, SHORTEST = 0.5, 0.1


class Segment(NamedTuple):
    """Where an utterance is: a recording, and seconds in it; an `end` of -1 is the recording's."""

    recording: str
    start: float
    end: float


def parse_segment(value: str) -> Segment:
    """Read what follows the utterance on a line of ``segments``.

    Raises:
        ValueError: it is not ``recording beginning end``, or the end is not behind the beginning.
    """
    fields = value.split()
    if len(fields) != 3:
        raise ValueError(f"expected 'recording beginning end', found {' '.join(fields)[:80]!r}")
    try:
        start, end = map(float, fields[1:])
    except ValueError:
        raise ValueError(f"{' '.join(fields[1:])[:80]!r} are not two times in seconds") from None
    if not (0 <= start < math.inf and (start < end < math.inf or end == -1)):
        raise ValueError(f"from {fields[1][:20]} to {fields[2][:20]} s is no part of a recording")
    return Segment(fields[0], start, end)


def cut(recording: Recording, segment: Segment) -> Recording:
    """The part of a recording that a segment means.

    Raises:
        ValueError: there is no such part, or it is too short: Kaldi leaves such an utterance out.
    """
    total, rate = len(recording.samples), recording.rate
    start = int(segment.start * rate)
    end = total if segment.end == -1 else int(segment.end * rate)
    if start >= total or end >= total + MOST_OVERSHOOT * rate:
        raise ValueError(f"{segment.start:g} to {segment.end:g} s, and it has {total / rate:g} s")
    end = min(end, total)
    if end <= start + SHORTEST * rate:
        raise ValueError(f"a segment of {(end - start) / rate:g} s")
    return Recording(recording.samples[start:end], rate, recording.warnings)
