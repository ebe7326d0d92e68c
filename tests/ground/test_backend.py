"""Keras for the tools: which backends, and what is shown of its import."""

import json
import os
import subprocess
import sys

import pytest

from speaker_bases.backend import check_backend, without_chatter
from speaker_bases.command_line import InputError

CHATTER = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795575940.563102   31639 port.cc:153] oneDNN custom operations are on. You may see
I0000 00:00:1795575940.563444   31639 cudart_stub.cc:31] Could not find cuda drivers on your machine
E0000 00:00:1795575940.563444   31639 cuda_dnn.cc:8579] Unable to register cuDNN factory: Attempting
W0000 00:00:1795575940.563444   3163 placer.cc:177] computation placer already registered
"""
OURS = """\
E0000 00:00:1795575940.563444   31639 cuda_dnn.cc:522] Loaded runtime CuDNN library: 9.1 but source
/x/y.py:3: UserWarning: something is amiss
"""


def test_known_chatter_is_left_out_and_everything_else_passed_on(capfd):
    with without_chatter():
        os.write(2, (CHATTER + OURS).encode())
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == OURS
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"


def test_where_the_import_fails_all_is_shown(capfd):
    with pytest.raises(ImportError), without_chatter():
        os.write(2, CHATTER.encode())
        raise ImportError
    assert capfd.readouterr().err == CHATTER


def test_the_tools_import_keras_in_silence():
    code = "from speaker_bases.backend import load_keras; load_keras(); import keras; keras.Model"
    environment = {name: os.environ[name] for name in os.environ if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_backends(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    check_backend()
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    with pytest.raises(InputError, match="'torch'"):
        check_backend()
    for name in ("tensorflow", "jax"):
        monkeypatch.setenv("KERAS_BACKEND", name)
        check_backend()


@pytest.mark.parametrize(
    "words",
    [
        "train --system s --corpus c --data-dir d --run r --check",
        "evaluate.embed --run r --data-dir d",
        "evaluate.score --run r --data-dir d",
    ],
)
def test_another_backend_is_one_line(words):
    tool, *options = words.split()
    command = [sys.executable, "-m", f"speaker_bases.{tool}", *options]
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "TensorFlow or JAX" in done.stderr and done.stderr.count("\n") == 1
