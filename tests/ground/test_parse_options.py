"""kaldi_feats/parse_options.sh: the variables at the top of a script are its options."""

import subprocess

import pytest

SCRIPT = """\
#!/usr/bin/env bash
# Does something.
#
# Options:
two_words=                  # first line
                            # second line
switch=false                # true or false
number="3"

set -euo pipefail
{before}
. "{parser}"
take_paths_from "{folder}" two_words
printf '%s\\n' "$two_words|$switch|$number" "$@"
is_given number && echo given || true
not_an_option=1
"""


@pytest.fixture
def call(project_root, tmp_path):
    """Call a script that takes `two_words`, `switch` and `number`, and prints them and the rest."""

    def run(*arguments, before=":", folder="$PWD"):
        parser = project_root / "kaldi_feats" / "parse_options.sh"
        script = tmp_path / "script.sh"
        script.write_text(SCRIPT.format(parser=parser, before=before, folder=folder))
        command = ["bash", script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    return run


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ([], ["|false|3"]),
        (["--two-words", "a b", "--switch=true"], ["a b|true|3"]),
        (["--two_words=--x=1"], ["--x=1|false|3"]),
        (["--number", "", "x"], ["|false|", "x", "given"]),
        (
            ["--number=4", "a b", "--switch", "true"],
            ["|false|4", "a b", "--switch", "true", "given"],
        ),
        (["--", "--number", "4"], ["|false|3", "--number", "4"]),
    ],
)
def test_options_and_what_follows_them(call, arguments, lines):
    done = call(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nosuch", "1"], "unknown option --nosuch; see "),
        (["--not-an-option=1"], "unknown option --not-an-option; see "),
        (["--number"], "--number takes a value; see "),
        (["--switch", "yes"], "--switch is true or false, not 'yes'; see "),
    ],
)
def test_a_wrong_option_is_one_line(call, arguments, message):
    done = call(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"script.sh: error: {message}") and done.stderr.count("\n") == 1
    assert call(*arguments, before="usage_status=2").returncode == 2


def test_unknown_options_can_be_left_to_somebody_else(call):
    done = call("--number", "4", "-x", "--lf", "--number=5", before="pass_unknown=true")
    assert done.stdout.splitlines() == ["|false|4", "-x", "--lf", "--number=5", "given"]
    done = call("--lf", "--switch", "true", before="pass_unknown=true")
    assert done.stdout.splitlines() == ["|false|3", "--lf", "--switch", "true"]


def test_given_paths_are_of_the_callers_folder(call):
    assert call("--two-words", "a", folder="/else").stdout.startswith("/else/a|")
    assert call("--two-words", "/a", folder="/else").stdout.startswith("/a|")
    assert call(folder="/else").stdout.startswith("|")


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ("a", ["/else/a"]),
        (" a  /b\tc ", ["/else/a", "/b", "/else/c"]),
        ("{}/a b", ["{}/a b"]),
        ("{}/a b /c", ["{}/a", "/else/b", "/c"]),
    ],
)
def test_several_paths_in_one_option(call, tmp_path, given, paths):
    (tmp_path / "a b").mkdir()
    split = "trap 'split_paths_from /else two_words; echo \"$two_words\"' EXIT"
    done = call("--two-words", given.format(tmp_path), before=split)
    assert done.stdout.splitlines()[1:] == [path.format(tmp_path) for path in paths]


def test_help(call):
    done = call("--switch", "true", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "Does something.\n\nOptions:\n"
        "  --two-words=                  # first line\n"
        "                                # second line\n"
        "  --switch=false                # true or false\n"
        '  --number="3"\n\n'
    )
