"""Fetching from a server that breaks off, ignores Range or serves something else."""

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.corpora import download
from speaker_bases.kaldi_feats.corpora.download import fetch, fetch_mini_librispeech
from speaker_bases.kaldi_feats.prepare import main


class Server:
    """Serves `files` on 127.0.0.1 and remembers what it was asked for.

    `cuts` holds, for each coming request, after how many bytes of the body to break off.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.knows_range = True
        self.requests: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        span = handler.headers.get("Range")
        self.requests.append((handler.path, span))
        body = self.files.get(handler.path.lstrip("/"))
        if body is None:
            handler.send_error(404)
            return
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        if start and self.knows_range:
            if start >= len(body):
                handler.send_error(416)
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            body = body[start:]
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        handler.close_connection = True


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0)
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def archive_of(subset: str, speakers: list[str]) -> bytes:
    audio = io.BytesIO()
    soundfile.write(audio, [0.0, 0.5, -0.5] * 100, 16000, format="FLAC")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        names = [f"{subset}/{s}/7/{s}-7-000{n}.flac" for s in speakers for n in (0, 1)]
        for name in ["LICENSE.TXT", *names]:
            member = tarfile.TarInfo(f"LibriSpeech/{name}")
            member.size = audio.getbuffer().nbytes
            tar.addfile(member, io.BytesIO(audio.getvalue()))
    return data.getvalue()


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def mirror(server):
    """A server with two small subsets; `sha256` is what the user says of them."""
    archives = {
        "train-clean-5.tar.gz": archive_of("train-clean-5", ["118", "1182"]),
        "dev-clean-2.tar.gz": archive_of("dev-clean-2", ["84", "9"]),
    }
    server.files = archives
    server.sha256 = {name.split(".")[0]: sha256(data) for name, data in archives.items()}
    return server


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


BODY = bytes(range(256)) * 40


def test_a_whole_file(server, tmp_path):
    server.files["x"] = BODY
    fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))
    assert (tmp_path / "x").read_bytes() == BODY
    assert names(tmp_path) == ["x"]
    fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))
    assert len(server.requests) == 1


def test_broken_transfers_are_resumed_where_they_broke(server, tmp_path):
    server.files["x"] = BODY
    server.cuts = [1000, 1, 2000]
    fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))
    assert (tmp_path / "x").read_bytes() == BODY
    spans = [span for _, span in server.requests]
    assert spans == [None, "bytes=1000-", "bytes=1001-", "bytes=3001-"]


def test_a_server_that_gives_nothing_is_given_up_and_the_part_kept(server, tmp_path):
    server.files["x"] = BODY
    server.cuts = [1000] + [0] * download.ATTEMPTS
    with pytest.raises(InputError, match="broke off; 1000 bytes are kept, run the same command"):
        fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))
    assert names(tmp_path) == ["x.part"]
    server.requests.clear()
    fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))
    assert server.requests == [("/x", "bytes=1000-")]
    assert (tmp_path / "x").read_bytes() == BODY


def test_a_server_that_ignores_range(server, tmp_path):
    server.files["x"] = BODY
    server.knows_range = False
    server.cuts = [1000]
    fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))
    assert (tmp_path / "x").read_bytes() == BODY


def test_a_part_that_is_already_the_whole(server, tmp_path):
    server.files["x"] = BODY
    (tmp_path / "x.part").write_bytes(BODY)
    fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))
    assert (tmp_path / "x").read_bytes() == BODY


@pytest.mark.parametrize("part", [b"another version", BODY + b"too long"])
def test_a_part_of_something_else_is_fetched_anew(server, tmp_path, part):
    server.files["x"] = BODY
    (tmp_path / "x.part").write_bytes(part)
    fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))
    assert (tmp_path / "x").read_bytes() == BODY


def test_a_corrupt_file_is_removed_and_refused(server, tmp_path):
    server.files["x"] = BODY[:-1] + b"!"
    with pytest.raises(InputError, match=f"x: MD5 .*, expected {md5(BODY)}"):
        fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))
    assert names(tmp_path) == []


def test_no_such_file_there(server, tmp_path):
    with pytest.raises(InputError, match=f"{server.url}/x: HTTP 404"):
        fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))


def test_nobody_listens(server, tmp_path):
    server.http.server_close()
    with pytest.raises(InputError, match=r"x: .*refused; 0 bytes are kept"):
        fetch(f"{server.url}/x", tmp_path / "x", md5(BODY))


def test_the_subsets_appear_and_nothing_else_remains(mirror, tmp_path):
    corpus = tmp_path / "corpus"
    mirror.cuts = [10_000, 100]
    fetch_mini_librispeech(corpus, mirror.url, mirror.sha256)
    assert names(corpus) == ["LICENSE.TXT", "dev-clean-2", "train-clean-5"]
    assert names(corpus / "train-clean-5") == ["118", "1182"]
    mirror.requests.clear()
    fetch_mini_librispeech(corpus, mirror.url, mirror.sha256)
    assert mirror.requests == []


def test_only_the_missing_subset_is_fetched(mirror, tmp_path):
    (tmp_path / "train-clean-5").mkdir()
    fetch_mini_librispeech(tmp_path, mirror.url, mirror.sha256)
    assert "/train-clean-5.tar.gz" not in [path for path, _ in mirror.requests]
    assert names(tmp_path) == ["LICENSE.TXT", "dev-clean-2", "train-clean-5"]


@pytest.mark.hostile
def test_what_a_server_says_of_its_own_archives_counts_for_nothing(mirror, tmp_path):
    """They are the published ones, or the user says what they are."""
    sums = "".join(f"{md5(data)}  {name}\n" for name, data in mirror.files.items())
    mirror.files["md5sum.txt"] = sums.encode()
    expected = download.MINI_LIBRISPEECH["train-clean-5"]
    with pytest.raises(InputError, match=f"MD5 .*, expected {expected}"):
        fetch_mini_librispeech(tmp_path, mirror.url)
    assert names(tmp_path) == []
    wrong = mirror.sha256 | {"train-clean-5": "0" * 64}
    with pytest.raises(InputError, match=f"SHA256 .*, expected {'0' * 64}"):
        fetch_mini_librispeech(tmp_path, mirror.url, wrong)
    assert names(tmp_path) == []


def test_an_archive_left_by_another_run_is_verified_again(mirror, tmp_path):
    (tmp_path / ".train-clean-5.tar.gz").write_bytes(b"somebody else's")
    fetch_mini_librispeech(tmp_path, mirror.url, mirror.sha256)
    assert names(tmp_path) == ["LICENSE.TXT", "dev-clean-2", "train-clean-5"]


def test_killed_while_unpacking(mirror, tmp_path, monkeypatch):
    """No folder of a subset; the archive is there, so that it is not fetched again."""
    extract = tarfile.TarFile.extractall

    def dying(self, path, members):
        extract(self, path, members=members[:2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", dying)
        with pytest.raises(KeyboardInterrupt):
            fetch_mini_librispeech(tmp_path, mirror.url, mirror.sha256)
    assert names(tmp_path) == [".train-clean-5.tar.gz"]
    (tmp_path / ".unpack-left-by-a-kill" / "LibriSpeech").mkdir(parents=True)
    mirror.requests.clear()
    fetch_mini_librispeech(tmp_path, mirror.url, mirror.sha256)
    assert [path for path, _ in mirror.requests] == ["/dev-clean-2.tar.gz"]
    assert names(tmp_path) == ["LICENSE.TXT", "dev-clean-2", "train-clean-5"]


def serve(mirror: Server, data: bytes) -> None:
    mirror.files["train-clean-5.tar.gz"] = data
    mirror.sha256["train-clean-5"] = sha256(data)


def test_archives_that_are_not_what_they_should_be(mirror, tmp_path):
    serve(mirror, archive_of("train-clean-100", ["118"]))
    with pytest.raises(InputError, match="no folder LibriSpeech/train-clean-5 in it"):
        fetch_mini_librispeech(tmp_path / "other", mirror.url, mirror.sha256)
    serve(mirror, archive_of("train-clean-5", ["118"])[:200])
    with pytest.raises(InputError, match="cannot be unpacked"):
        fetch_mini_librispeech(tmp_path / "cut", mirror.url, mirror.sha256)
    for corpus in ("other", "cut"):
        assert names(tmp_path / corpus) == [".train-clean-5.tar.gz"]


def with_member(name: str, type_: bytes = tarfile.REGTYPE, linkname: str = "") -> bytes:
    """A good archive, and behind its last member one more."""
    data = io.BytesIO(archive_of("train-clean-5", ["118"]))
    out = io.BytesIO()
    with tarfile.open(fileobj=data) as good, tarfile.open(fileobj=out, mode="w:gz") as tar:
        for member in good:
            tar.addfile(member, good.extractfile(member))
        member = tarfile.TarInfo(name)
        member.type, member.linkname = type_, linkname
        tar.addfile(member)
    return out.getvalue()


@pytest.mark.hostile
@pytest.mark.parametrize("filter_of_tarfile", [True, False])
@pytest.mark.parametrize(
    "member, what",
    [
        (("LibriSpeech/../../../outside",), "leads out of"),
        (("/tmp/outside",), "leads out of"),
        (("LibriSpeech/link", tarfile.SYMTYPE, "../../outside"), "is a link"),
        (("LibriSpeech/link", tarfile.SYMTYPE, "LICENSE.TXT"), "is a link"),
        (("LibriSpeech/link", tarfile.LNKTYPE, "LibriSpeech/LICENSE.TXT"), "is a link"),
        (("LibriSpeech/pipe", tarfile.FIFOTYPE), "is neither a file nor a folder"),
        (("LibriSpeech/device", tarfile.CHRTYPE), "is neither a file nor a folder"),
    ],
)
def test_an_archive_cannot_write_outside_its_folder(
    mirror, tmp_path, monkeypatch, member, what, filter_of_tarfile
):
    """Whatever the filter of Python's own tarfile lets through, or is not there."""
    if filter_of_tarfile:
        monkeypatch.setattr(tarfile, "data_filter", lambda member, path: member, raising=False)
    else:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    serve(mirror, with_member(*member))
    with pytest.raises(InputError, match=f"its member '{member[0]}' {what}.*nothing was unpacked"):
        fetch_mini_librispeech(tmp_path / "corpus", mirror.url, mirror.sha256)
    assert names(tmp_path) == ["corpus"]
    assert names(tmp_path / "corpus") == [".train-clean-5.tar.gz"]


def test_stage_0_downloads_and_prepares(mirror, tmp_path):
    options = ["--corpus-dir", str(tmp_path / "corpus"), "--data", str(tmp_path / "data")]
    for name, digest in mirror.sha256.items():
        options += ["--download-sha256", f"{name}={digest.upper()}"]
    assert main(["librispeech", "--download", "--download-url", f"{mirror.url}/", *options]) == 0
    assert (tmp_path / "data" / "train" / "spk2utt").read_text().startswith("118 118-7-0000 ")
    mirror.http.server_close()
    assert main(["librispeech", "--download", "--download-url", mirror.url, *options]) == 0


def test_stage_0_says_in_one_line_why_not(mirror, tmp_path, capsys):
    del mirror.files["dev-clean-2.tar.gz"]
    sums = [f"--download-sha256={name}={digest}" for name, digest in mirror.sha256.items()]
    options = ["--corpus-dir", str(tmp_path / "corpus"), "--data", str(tmp_path / "data")]
    command = ["librispeech", "--download", *options, *sums, "--download-url"]
    assert main([*command, mirror.url]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{mirror.url}/dev-clean-2.tar.gz: HTTP 404" in error
    assert not (tmp_path / "data").exists()
    assert main([*command, "ftp://somewhere"]) == 1
    assert "ftp://somewhere: not an http(s) address" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["train-clean-5=12", "train-clean-100=" + "0" * 64, "0" * 64])
def test_a_digest_on_the_command_line_is_checked(text, capsys):
    with pytest.raises(SystemExit):
        main(["librispeech", "--download-sha256", text])
    assert "is not <subset>=<SHA-256>" in capsys.readouterr().err
