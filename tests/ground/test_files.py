"""Files that are whole or not there, and digests that are remembered."""

import os

import pytest

from speaker_bases import files
from speaker_bases.files import atomic_write, content_digest, digest


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


def test_a_large_file_is_read_once_while_size_and_time_stay(tmp_path, monkeypatch):
    path = tmp_path / "ark"
    path.write_bytes(b"one")
    first = content_digest(path)
    assert first == digest(path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "digest", lambda path: pytest.fail("read again"))
        assert content_digest(path) == first
    time = path.stat().st_mtime_ns
    path.write_bytes(b"two")
    os.utime(path, ns=(time + 1, time + 1))
    assert content_digest(path) == digest(path) != first


@pytest.mark.parametrize(
    "memory", [b"", b"{", b"[]", b"\xff", b'{"ark": 3}', b'{"ark": [3, 4, 5]}', b"[" * 100_000]
)
def test_a_damaged_memory_of_digests_is_read_anew(tmp_path, memory):
    path = tmp_path / "ark"
    path.write_bytes(b"one")
    (tmp_path / files.REMEMBERED).write_bytes(memory)
    assert content_digest(path) == digest(path)
    assert content_digest(path) == digest(path)


def test_a_folder_that_cannot_be_written_to_does_not_matter(tmp_path, monkeypatch):
    path = tmp_path / "ark"
    path.write_bytes(b"one")

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(files, "atomic_write", refuse)
    assert content_digest(path) == digest(path)


def test_what_killed_writers_left_is_removed(tmp_path):
    (tmp_path / ".step-1.npz.0a1b2c3d.tmp").write_text("half")
    (tmp_path / ".embedder.keras.tmp.keras").write_text("half")
    (tmp_path / ".train.done").write_text("whole")
    files.remove_temporary(tmp_path, tmp_path / "not there")
    assert [path.name for path in tmp_path.iterdir()] == [".train.done"]
