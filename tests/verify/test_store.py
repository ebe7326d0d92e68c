"""Enrolled voices: whose they are, what is refused, and what writers and kills leave."""

import json
import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.verify.__main__ import main
from speaker_bases.verify.store import VoiceStore

DIM = 8


@pytest.fixture
def path(tmp_path):
    return tmp_path / "voices.sqlite"


@pytest.fixture
def store(path):
    return VoiceStore(path, "model 1", DIM, create=True)


def vectors(*seeds):
    return np.stack([np.random.default_rng(seed).normal(size=DIM) for seed in seeds])


def test_what_is_enrolled_is_read_speaker_by_speaker(store):
    rows = vectors(1, 2, 3)
    assert store.enrol("bob", 5 * vectors(4)) == 1
    assert store.enrol("ann", rows[:2]) == 2
    assert store.enrol("ann", rows[2:]) == 3
    assert store.enrol("ann", rows[2:]) == 3  # the same one again
    names, embeddings, counts = store.read()
    assert names == ["ann", "bob"] and counts.tolist() == [3, 1]
    expected = [*rows, 5 * vectors(4)[0]]  # of a speaker, in any order
    found = {tuple(row) for row in embeddings[:3].tolist()}, tuple(embeddings[3].tolist())
    assert found[0] == {tuple(row.astype(np.float32).tolist()) for row in expected[:3]}
    assert found[1] == tuple(expected[3].astype(np.float32).tolist())
    assert store.speakers() == {"ann": 3, "bob": 1}


@pytest.mark.parametrize(
    "embeddings",
    [np.ones((1, DIM + 1)), np.ones(DIM), np.zeros((1, DIM)), np.full((1, DIM), np.nan)],
)
def test_what_is_no_embedding_is_not_enrolled(store, embeddings):
    with pytest.raises(InputError, match="'ann': expected embeddings"):
        store.enrol("ann", embeddings)
    assert store.speakers() == {}


def test_another_models_store_is_refused(store, path):
    for fingerprint, dim in (("model 2", DIM), ("model 1", DIM + 1)):
        with pytest.raises(InputError, match="another model"):
            VoiceStore(path, fingerprint, dim)


@pytest.mark.parametrize("name", ["", " ann", "a\nb", "a\0b", "x" * 201, "\u202eann"])
def test_names_that_would_deceive_are_refused(store, name):
    with pytest.raises(InputError, match="a speaker's name"):
        store.enrol(name, vectors(1))


@pytest.mark.hostile
@pytest.mark.parametrize("name", ["'; DROP TABLE utterances; --", "<b>x</b>", "../../x", "-rf"])
def test_names_are_only_text(store, name):
    assert store.enrol(name, vectors(1)) == 1
    assert store.speakers() == {name: 1} and store.remove(name) == 1


def test_nobody_of_that_name(store):
    with pytest.raises(InputError, match="nobody called 'eve' is enrolled"):
        store.remove("eve")


def test_no_store_is_made_by_a_look(path):
    with pytest.raises(InputError, match="no such store"):
        VoiceStore(path, "model 1", DIM)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_store_is_one_line(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a store of voices, or damaged"):
        VoiceStore(path, "model 1", DIM)


def test_another_programs_database_is_left_alone(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE about (key TEXT, value TEXT)")
    with pytest.raises(InputError, match="not a store of voices"):
        VoiceStore(path, "model 1", DIM)


def test_a_damaged_embedding_is_named(store, path):
    store.enrol("ann", vectors(1, 2))
    store.enrol("bob", vectors(3))
    nan = np.full(DIM, np.nan, "<f4").tobytes()
    for damage in (b"\0", nan, bytes(4 * DIM), "text"):
        with sqlite3.connect(path) as database:
            database.execute("UPDATE utterances SET embedding = ? WHERE speaker = 'bob'", (damage,))
        with pytest.raises(InputError, match="an embedding of 'bob' is damaged"):
            VoiceStore(path, "model 1", DIM).read()


MANY = 40
"""Utterances that the writers enrol at a time: all of them, or none."""

WRITER = f"""
import sys
import numpy as np
from speaker_bases.verify.store import VoiceStore
store = VoiceStore(sys.argv[1], "model 1", {DIM}, create=True)
number = int(sys.argv[2])
while True:
    store.enrol(f"speaker {{number}}", np.random.default_rng(number).normal(size=({MANY}, {DIM})))
    print(number, flush=True)
    number += 1
"""


def test_two_writers_lose_nothing(path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), first], stdout=subprocess.PIPE, text=True
        )
        for first in ("0", "1000")
    ]
    told = [int(writer.stdout.readline()) for _ in range(20) for writer in writers]
    for writer in writers:
        writer.terminate()
        told += [int(line) for line in writer.communicate()[0].splitlines()]
    names = VoiceStore(path, "model 1", DIM).speakers()
    assert {f"speaker {number}" for number in told} <= names.keys()
    assert {0, 1000} <= set(told) and set(names.values()) == {MANY}


def test_a_killed_writer_loses_nothing_that_it_was_told(path, request):
    kills = request.config.getoption("--kills") or 3
    told, random = [], np.random.default_rng(0)
    for kill in range(kills):
        command = [sys.executable, "-c", WRITER, str(path), str(1000 * kill)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        told += [int(process.stdout.readline()) for _ in range(random.integers(1, 30))]
        os.kill(process.pid, signal.SIGKILL)
        told += [int(line) for line in process.communicate()[0].splitlines()]
    names = VoiceStore(path, "model 1", DIM).speakers()
    assert {f"speaker {number}" for number in told} <= names.keys()
    assert len(names) <= len(told) + kills  # the one in hand may be there, too
    assert set(names.values()) == {MANY}
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_from_enrolment_to_identification(tiny, onnx_file, path, capsys):
    base = ["--model", str(onnx_file), "--store", str(path)]
    for speaker in range(4):
        some = [tiny.wav[f"spk{speaker}-{n}"] for n in range(3)]
        assert main(["enrol", *base, "--speaker", f"Nº {speaker}", *some]) == 0
    capsys.readouterr()
    assert main(["list", *base]) == 0
    assert capsys.readouterr().out.count("   3 Nº") == 4
    assert main(["identify", *base, "--json", tiny.wav["spk2-3"], "--threshold", "0.5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["speaker"] == "Nº 2" and found["enrolled"] == 4
    accept = found["decision"]["false_accept"]["rate"]
    assert found["false_accept_by_anybody"] == pytest.approx(1 - (1 - accept) ** 4)
    assert main(["identify", *base, tiny.wav["spk2-3"], "--threshold", "1"]) == 1
    assert capsys.readouterr().out.startswith("nobody who is enrolled\n")
    # The run's own network is the same model.
    run = ["--run", str(tiny.run.path), "--store", str(path)]
    assert main(["identify", *run, tiny.wav["spk1-3"], "--threshold", "0.5"]) == 0
    assert main(["remove", *run, "--speaker", "Nº 1"]) == 0
    assert main(["remove", *run, "--speaker", "Nº 1"]) == 2


def test_one_bad_recording_enrols_nothing(tiny, onnx_file, path, capsys):
    base = ["--model", str(onnx_file), "--store", str(path)]
    recordings = [tiny.wav["spk0-0"], "gone.wav"]
    assert main(["enrol", *base, "--speaker", "ann", *recordings]) == 2
    assert "gone.wav: no such file" in capsys.readouterr().err
    assert not path.exists()
