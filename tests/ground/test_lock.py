"""One process at a time, however the other one ends."""

import signal
import subprocess
import sys

import pytest

from speaker_bases.command_line import InputError
from speaker_bases.lock import locked

HOLDER = """
import sys, time
from speaker_bases.lock import locked
with locked(sys.argv[1], "training a/seed0"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "x" / ".lock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_second_process_is_told_who_holds_it_until_that_one_ends(holder, tmp_path, end):
    message = rf"\.lock: process {holder.pid} on \S+ is training a/seed0; wait for it, or stop it"
    with pytest.raises(InputError, match=message), locked(tmp_path / "x" / ".lock", "scoring"):
        pass
    holder.send_signal(end)
    holder.wait()
    with locked(tmp_path / "x" / ".lock", "scoring"):
        assert (tmp_path / "x" / ".lock").read_text().endswith("is scoring\n")


def test_it_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / ".lock", "failing"):
        1 / 0  # noqa: B018
    with locked(tmp_path / ".lock", "again"):
        pass
