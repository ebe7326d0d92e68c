"""A user's mistake, or a damaged file, is one line and exit code 2, and nothing is written."""

import shutil
import sqlite3
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import yaml

from speaker_bases.command_line import InputError
from speaker_bases.verify import Verifier, export
from speaker_bases.verify.__main__ import main
from speaker_bases.verify.store import VoiceStore
from tests.verify.conftest import RATE, voice


@pytest.fixture
def refused(capsys):
    """Run a command that is refused; returns the line."""

    def run(*words):
        capsys.readouterr()
        assert main([str(word) for word in words]) == 2
        out, err = capsys.readouterr()
        assert not out and ": error: " in err and err.count("\n") == 1
        return err

    return run


@pytest.fixture
def store(onnx_file, tiny, tmp_path):
    path = tmp_path / "voices.sqlite"
    model = ["--model", str(onnx_file), "--store", str(path)]
    assert main(["enrol", *model, "--speaker", "ann", tiny.wav["spk0-0"]]) == 0
    return SimpleNamespace(path=path, model=model)


COMMANDS = {
    "list": [],
    "remove": ["--speaker", "ann"],
    "enrol": ["--speaker", "bob", "{wav}"],
    "identify": ["{wav}"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "damage", ["begins otherwise", "cut off", "no store", "other model", "dim"]
)
def test_a_damaged_store(store, command, damage, tiny, refused):
    if damage in ("other model", "dim"):
        with sqlite3.connect(store.path) as database:
            key = "fingerprint" if damage == "other model" else "dim"
            database.execute("UPDATE about SET value = 'x' WHERE key = ?", (key,))
        database.close()
    else:
        content = store.path.read_bytes()
        content = {
            "begins otherwise": b"\xff" * 200 + content[200:],
            "cut off": content[:5000],
        }.get(damage, b"no store at all")
        store.path.write_bytes(content)
    before = store.path.read_bytes()
    words = [word.format(wav=tiny.wav["spk1-0"]) for word in COMMANDS[command]]
    assert str(store.path) in refused(command, *store.model, *words)
    assert store.path.read_bytes() == before


def test_nobody_is_enrolled(store, tiny, refused):
    assert main(["remove", *store.model, "--speaker", "ann"]) == 0
    assert "nobody is enrolled" in refused("identify", *store.model, tiny.wav["spk0-0"])
    assert "nobody called 'ann'" in refused("remove", *store.model, "--speaker", "ann")


@pytest.mark.hostile
@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[2Jann", "a\u202eb", "x" * 201])
def test_a_speakers_name(store, tiny, name, refused):
    enrol = ("enrol", *store.model, "--speaker", name, tiny.wav["spk0-1"])
    assert "a speaker's name has 1 to 200 letters" in refused(*enrol)
    assert VoiceStore(store.path, Verifier.load(store.model[1]).card["fingerprint"], 8).speakers()


@pytest.mark.parametrize("option", [["--prior", "1"], ["--prior", "x"], ["--threshold", "nan"]])
def test_a_wrong_number(store, tiny, option, capsys):
    try:
        code = main(["identify", *store.model, *option, tiny.wav["spk0-0"]])
    except SystemExit as error:  # argparse's
        code = error.code
    assert code == 2 and not capsys.readouterr().out


def test_a_model_that_is_none(tiny, tmp_path, refused):
    (tmp_path / "m.pt").touch()
    (tmp_path / "empty").mkdir()
    half = tmp_path / "half"
    shutil.copytree(tiny.run.path, half)
    (half / "embedder.keras").unlink()
    torn = tmp_path / "torn"
    shutil.copytree(tiny.run.path, torn)
    (torn / "embedder.keras").write_bytes(b"PK" + bytes(100))
    wav = tiny.wav["spk0-0"]
    for option, path, message in (
        ("--model", tmp_path / "m.pt", "neither a run's folder nor an .onnx file"),
        ("--model", tmp_path / "none.onnx", "no such file"),
        ("--run", tmp_path / "none", "neither a run's folder nor an .onnx file"),
        ("--run", tmp_path / "empty", "missing; train the system first"),
        ("--run", half, "missing; finish the training first"),
        ("--run", torn, "Keras cannot load this model"),
    ):
        assert f"{path}" in (line := refused("verify", option, path, wav, wav)) and message in line
    for path in (half, tmp_path / "none"):
        refused("list", "--run", path, "--store", tmp_path / "s")
        refused("export", "--run", path, "--output", tmp_path / "m.onnx")
    assert not list(tmp_path.glob("*.onnx"))


def test_a_network_of_another_program(onnx_file, tiny, tmp_path, refused):
    onnx = pytest.importorskip("onnx")
    model, path = onnx.load(onnx_file), tmp_path / "theirs.onnx"
    del model.metadata_props[:]
    onnx.save(model, path)
    wav = tiny.wav["spk0-0"]
    assert "holds no model card" in refused("verify", "--model", path, wav, wav)


def test_without_onnx_runtime(onnx_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="pip install onnxruntime"):
        Verifier.load(onnx_file)


def test_features_that_this_version_does_not_make(tiny, tmp_path, refused):
    other = tmp_path / "other"
    shutil.copytree(tiny.run.path, other)
    config = yaml.safe_load((other / "config.yaml").read_text())
    config["features"]["window-type"] = "triangle"
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    wav = tiny.wav["spk0-0"]
    assert "window-type" in refused("verify", "--run", other, wav, wav)


def test_a_recording_whose_name_is_a_command(onnx_file, tiny, tmp_path, refused):
    path = tmp_path / "a|"
    soundfile.write(path, voice(0, 0), RATE, format="WAV")
    wav = tiny.wav["spk0-0"]
    assert "stands for a command" in refused("verify", "--model", onnx_file, path, wav)


def test_an_embedding_without_a_direction(onnx_file, tiny, monkeypatch):
    verifier = Verifier.load(onnx_file)
    for value in (0.0, np.nan):
        monkeypatch.setattr(verifier.model, "embed", lambda f, v=value: np.full((len(f), 8), v))
        with pytest.raises(InputError, match=r"spk0-0\.wav: its embedding has no direction"):
            verifier.embed([tiny.wav["spk0-0"]])
    with pytest.raises(InputError, match="no such point 'best'; there are eer"):
        verifier.threshold(point="best")


def test_an_export_that_computes_something_else_is_not_written(tiny, tmp_path, monkeypatch):
    pytest.importorskip("tf2onnx")
    real = export._runner
    monkeypatch.setattr(export, "_runner", lambda *a: lambda x: real(*a)(x) + 1e-2)
    (tmp_path / "m.onnx").write_bytes(b"the one before")
    with pytest.raises(InputError, match=r"embeddings differ by .* it is not written"):
        export.export(tiny.run, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == b"the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_an_export_without_its_packages(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'speaker-bases\[export\]'"):
        export.export(tiny.run, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
