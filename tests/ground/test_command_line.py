"""Types of command-line arguments."""

import argparse

import pytest

from speaker_bases.command_line import InputError, run_tool, whole_number


@pytest.mark.parametrize(("least", "text", "value"), [(1, "1", 1), (0, "0", 0), (2, "0030", 30)])
def test_whole_numbers(least, text, value):
    assert whole_number(least)(text) == value


@pytest.mark.parametrize(("least", "text"), [(1, "0"), (0, "-1"), (0, "+1"), (1, "2.0"), (1, "x")])
def test_what_is_none_is_named(least, text):
    with pytest.raises(argparse.ArgumentTypeError, match=f">= {least}") as refused:
        whole_number(least)(text)
    assert repr(text) in str(refused.value)


def raiser(error):
    def body():
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("wav.scp:3: no\nsuch file"), 1, "error: wav.scp:3: no such file\n"),
        (FileNotFoundError(2, "No such file", "x.ark"), 1, "x.ark"),
        (KeyboardInterrupt(), 130, "run the same command again"),
    ],
)
def test_what_stops_a_tool_is_one_line_and_an_exit_code(error, code, text, capsys):
    assert run_tool(raiser(error)) == code
    output = capsys.readouterr().err
    assert text in output and output.count("\n") == 1


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_tool(raiser(ZeroDivisionError()))
    assert run_tool(lambda: None) == 0
