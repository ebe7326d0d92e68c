"""Types of command-line arguments."""

import argparse

import pytest

from speaker_bases.command_line import whole_number


@pytest.mark.parametrize(("least", "text", "value"), [(1, "1", 1), (0, "0", 0), (2, "0030", 30)])
def test_whole_numbers(least, text, value):
    assert whole_number(least)(text) == value


@pytest.mark.parametrize(("least", "text"), [(1, "0"), (0, "-1"), (0, "+1"), (1, "2.0"), (1, "x")])
def test_what_is_none_is_named(least, text):
    with pytest.raises(argparse.ArgumentTypeError, match=f">= {least}") as refused:
        whole_number(least)(text)
    assert repr(text) in str(refused.value)
