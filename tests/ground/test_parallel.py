"""Work in several processes."""

import os
import subprocess
import sys

import joblib
import pytest

from speaker_bases.parallel import parallel


@pytest.mark.parametrize("value", [None, "", "default"])
def test_the_environment_is_as_before(monkeypatch, value):
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    if value is not None:
        monkeypatch.setenv("PYTHONWARNINGS", value)
    squares = parallel(2)(joblib.delayed(pow)(number, 2) for number in range(5))
    assert sorted(squares) == [0, 1, 4, 9, 16]
    assert os.environ.get("PYTHONWARNINGS") == value


def test_the_process_that_looks_after_resources_does_not_complain():
    code = (
        "from joblib.externals.loky.backend import resource_tracker\n"
        "from speaker_bases.parallel import parallel\n"
        "import tempfile\n"
        "parallel(2)\n"
        "resource_tracker.register(tempfile.mkdtemp(), 'folder')\n"  # left to it at the end
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
