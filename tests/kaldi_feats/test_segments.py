"""Kaldi's segments: what a line means, and the part of a recording that it cuts."""

import numpy as np
import pytest

from speaker_bases.kaldi_feats.audio import Recording
from speaker_bases.kaldi_feats.segments import Segment, cut, parse_segment

RECORDING = Recording(np.arange(8000, dtype=np.float32)[:, None], 4000, ["odd"])


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("rec 0 1.5", Segment("rec", 0, 1.5)),
        ("rec  0.25\t1e0 ", Segment("rec", 0.25, 1)),
        ("rec 1 -1", Segment("rec", 1, -1)),
    ],
)
def test_lines(value, segment):
    assert parse_segment(value) == segment


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("rec 0", "expected 'recording beginning end', found 'rec 0'"),
        ("rec 0 1 A", "expected 'recording beginning end'"),
        ("rec 0 one", "'0 one' are not two times in seconds"),
        ("rec 1 1", "from 1 to 1 s is no part of a recording"),
        ("rec 2 1", "from 2 to 1 s is no part"),
        ("rec -1 1", "from -1 to 1 s is no part"),
        ("rec 0 -2", "from 0 to -2 s is no part"),
        ("rec nan 1", "from nan to 1 s is no part"),
        ("rec 0 inf", "from 0 to inf s is no part"),
    ],
)
def test_lines_that_are_none(value, message):
    with pytest.raises(ValueError, match=message):
        parse_segment(value)


@pytest.mark.parametrize(
    ("start", "end", "samples"),
    [(0, 2, (0, 8000)), (0.5, 1, (2000, 4000)), (1, -1, (4000, 8000)), (1, 2.4, (4000, 8000))],
)
def test_cut(start, end, samples):
    part = cut(RECORDING, Segment("rec", start, end))
    assert np.array_equal(part.samples[:, 0], np.arange(*samples))
    assert (part.rate, part.warnings) == (4000, ["odd"])


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (2, 3, "2 to 3 s, and it has 2 s"),
        (1, 2.5, "1 to 2.5 s, and it has 2 s"),
        (1.95, -1, "a segment of 0.05 s"),
        (1, 1.1, "a segment of 0.1 s"),
    ],
)
def test_no_part(start, end, message):
    """Kaldi leaves these out, too: a tenth of a second is the shortest."""
    with pytest.raises(ValueError, match=message):
        cut(RECORDING, Segment("rec", start, end))
