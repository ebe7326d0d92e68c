"""An exported model decides where neither Keras nor TensorFlow nor pandas is installed."""

import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest

from speaker_bases import ROOMS

NEEDED = ("numpy", "soundfile", "soxr", "kaldi-native-fbank", "onnxruntime")


def test_a_fresh_environment_with_what_the_page_says(project_root, onnx_file, tiny, tmp_path):
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
    command = [environment / "bin" / "speaker-bases", "verify", "--model", onnx_file]
    paths = [tiny.wav["spk0-0"], tiny.wav["spk0-1"]]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode in (0, 1) and "cosine" in done.stdout, done.stderr
