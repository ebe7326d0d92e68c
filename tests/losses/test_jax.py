"""The other tests of this folder, on JAX: Keras has one backend a process."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
FILES = sorted(file.name for file in HERE.glob("test_*.py") if file != Path(__file__))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="is on JAX already")
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.parametrize("files", [FILES[::2], FILES[1::2]], ids=["one half", "the other"])
def test_everything_holds_on_jax(files):
    paths = [str(HERE / name) for name in files]
    # Training runs jitted on JAX; mixed precision is the harder half of those.
    options = ["-q", "-x", "-p", "no:cacheprovider", "-k", "not learns or bfloat16"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *paths],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
