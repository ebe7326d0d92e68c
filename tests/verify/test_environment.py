"""An exported model decides where neither Keras nor TensorFlow nor pandas is installed."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest

from speaker_bases import ROOMS
from speaker_bases.verify.__main__ import main

NEEDED = ("numpy", "soundfile", "soxr", "kaldi-native-fbank", "onnxruntime")


def test_a_fresh_environment_with_what_the_page_says(project_root, backends, tmp_path, capsys):
    """By PLDA, which needs most."""
    model, tiny = tmp_path / "model.onnx", backends
    export = ["export", "--run", str(tiny.run.path), "--output", str(model), "--backend", "plda"]
    assert main(export) == 0
    source = tmp_path / "source"
    for room in ("speaker_bases", *ROOMS):
        shutil.copytree(project_root / room, source / room)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(project_root / name, source)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [environment / "bin" / "python", "-m", "pip", "install", "-q", "--no-input"]
    pinned = [f"{name}=={version(name)}" for name in NEEDED]
    fetched = subprocess.run([*pip, *pinned], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"no package registry: {fetched.stderr.strip().splitlines()[-1]}")
    subprocess.run([*pip, "--no-deps", source], check=True, capture_output=True)
    names = ("keras", "tensorflow", "pandas", "yaml", "sklearn", "scipy")
    code = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    found = subprocess.run([pip[0], "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert found.stdout == "[]\n"
    tool, paths = environment / "bin" / "speaker-bases", [tiny.wav["spk0-0"], tiny.wav["spk0-1"]]
    capsys.readouterr()
    store = tmp_path / "voices.sqlite"
    for name, *more in (
        ["verify", *paths],
        ["enrol", "--store", store, "--speaker", "ann", *paths],
        ["identify", "--store", store, tiny.wav["spk0-2"]],
        ["card"],
    ):
        command = [name, "--model", str(model), "--json", *map(str, more)]
        done = subprocess.run([tool, *command], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == main(command) and not done.stderr, done.stderr
        assert json.loads(done.stdout) == json.loads(capsys.readouterr().out)
