"""What is current, and what is made again."""

import os

import pytest

from speaker_bases.stamp import Stamp


@pytest.fixture
def made(tmp_path):
    """An output and its stamp; call it for a stamp of the same output and other inputs."""
    output = tmp_path / "out"

    def stamp(**inputs):
        return Stamp(tmp_path / ".done", {"nj": 4} | inputs, [output])

    stamp.output = output
    with stamp().renew():
        output.write_text("made")
    return stamp


def test_it_is_current_until_an_input_or_the_output_changes(made):
    assert made().is_current()
    assert not made(nj=5).is_current()
    assert not made(more=1).is_current()
    made.output.write_text("else")
    assert not made().is_current() and made().changed_outputs() == [made.output]
    made.output.write_text("made")  # written again, and the same
    assert made().is_current()
    made.output.unlink()
    assert not made().is_current()


def test_an_interrupted_renewal_is_not_current(made):
    with pytest.raises(KeyboardInterrupt), made().renew():
        raise KeyboardInterrupt
    assert not made().is_current()


def test_contents_count_and_not_the_time_of_writing(made):
    os.utime(made.output, ns=(1, 1))
    assert made().is_current()


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"\xff", b'{"outputs": 3}', b"[" * 100_000, b'{"nj": 4}']
)
def test_a_damaged_stamp_counts_as_none(made, damage):
    made().path.write_bytes(damage)
    assert not made().is_current()
