"""What the tools share: whole files or none, exit codes, and knowing what is complete."""

import os

import pytest

from speaker_bases.command_line import InputError, run_tool
from speaker_bases.files import atomic_write, digest
from speaker_bases.stamp import Stamp


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "table"
    with atomic_write(path) as file:
        file.write("ä 1\n")
        assert not path.exists()
    assert path.read_bytes() == "ä 1\n".encode()
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write("half")
        raise RuntimeError
    assert path.read_bytes() == "ä 1\n".encode()
    assert [entry.name for entry in path.parent.iterdir()] == ["table"]


def test_a_file_has_the_permissions_that_others_get(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_write(tmp_path / "atomic", "wb") as file:
        file.write(b"x")
    modes = {os.stat(tmp_path / name).st_mode for name in ("plain", "atomic")}
    assert len(modes) == 1


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


def test_a_stamp_is_current_only_for_completed_work_on_the_same_inputs(tmp_path):
    source = tmp_path / "wav.scp"
    source.write_text("a 1\n")

    def stamp():
        return Stamp(tmp_path / ".done", {"wav.scp": digest(source), "window": (300,)})

    assert not stamp().is_current()
    with stamp().renew():
        pass
    assert stamp().is_current()
    with pytest.raises(RuntimeError), stamp().renew():
        raise RuntimeError  # the work failed: what is there is no longer complete
    assert not stamp().is_current()
    with stamp().renew():
        pass
    source.write_text("a 2\n")
    assert not stamp().is_current()
    (tmp_path / ".done").write_text("{ torn")
    assert not stamp().is_current()
