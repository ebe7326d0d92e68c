"""Fetch the public mini-librispeech subsets: resumed, verified, and never half-unpacked."""

import hashlib
import http.client
import logging
import os
import re
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from ...command_line import InputError
from ...progress import progress

log = logging.getLogger(__name__)

OPENSLR = "https://www.openslr.org/resources/31"
# Subset -> MD5 of its archive, as openslr.org publishes it in md5sum.txt beside the archives.
MINI_LIBRISPEECH = {
    "train-clean-5": "5df7d4e78065366204ca6845bb08f490",
    "dev-clean-2": "6d7ab67ac6a1d2c993d050e16d61080d",
}
# A connection that breaks is taken up again until this many times in a row brought nothing.
ATTEMPTS = 5
PAUSE_SECONDS = 2.0
TIMEOUT_SECONDS = 60
CHUNK = 1 << 18


def fetch_mini_librispeech(corpus_dir: str | os.PathLike, url: str = OPENSLR) -> None:
    """Put the subsets ``train-clean-5`` and ``dev-clean-2`` into a corpus folder.

    Subsets that are there already are left alone. An archive that was fetched in part is
    fetched on; a subset's folder appears only once it is complete.

    Args:
        corpus_dir: the folder; made if it is not there.
        url: the folder of the archives ``<subset>.tar.gz``. Away from openslr.org an
            ``md5sum.txt`` beside them, if there is one, replaces the checksums known here.

    Raises:
        InputError: the archive cannot be fetched, or is not what its checksum says.
    """
    corpus_dir = Path(corpus_dir)
    url = url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url}: not an http(s) address; correct --download-url")
    missing = [name for name in MINI_LIBRISPEECH if not (corpus_dir / name).is_dir()]
    if not missing:
        return
    checksums = MINI_LIBRISPEECH | ({} if url == OPENSLR else _published_checksums(url))
    corpus_dir.mkdir(parents=True, exist_ok=True)
    for leftover in corpus_dir.glob(".unpack-*"):
        shutil.rmtree(leftover)
    for name in missing:
        archive = corpus_dir / f".{name}.tar.gz"
        fetch(f"{url}/{name}.tar.gz", archive, checksums[name])
        unpack(archive, name, corpus_dir)
        archive.unlink()


def _published_checksums(url: str) -> Mapping[str, str]:
    try:
        with urllib.request.urlopen(f"{url}/md5sum.txt", timeout=TIMEOUT_SECONDS) as response:
            text = response.read().decode("utf-8", errors="replace")
    except urllib.error.HTTPError:
        return {}
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{url}: {_reason(error)}; correct --download-url") from None
    lines = re.findall(r"^([0-9a-f]{32})\s+\*?(?:.*/)?([^/\s]+)\.tar\.gz$", text, re.MULTILINE)
    return {name: checksum for checksum, name in lines}


def fetch(url: str, path: str | os.PathLike, md5: str) -> None:
    """Fetch a file; what comes is kept in ``<path>.part`` until it is complete and verified.

    Args:
        url: where from. If the server knows Range, a part that is there is fetched on.
        path: where to; a file that is there already, verified when it was fetched, is kept.
        md5: its checksum, hexadecimal.

    Raises:
        InputError: no such file there, no connection, or the checksum is another.
    """
    path = Path(path)
    if path.exists():
        return
    part = path.with_name(f"{path.name}.part")
    resumed = part.exists() and part.stat().st_size > 0
    _fetch_all(url, part)
    if resumed and _md5(part) != md5:
        # The part may have been of another version of the file, or damaged.
        log.warning("%s: the resumed file is not what its checksum says; fetched anew", url)
        part.unlink()
        _fetch_all(url, part)
    found = _md5(part)
    if found != md5:
        part.unlink()
        raise InputError(
            f"{url}: MD5 {found}, expected {md5}: damaged on the way, or another file; "
            "it was removed, run the same command again"
        )
    part.rename(path)


def _fetch_all(url: str, part: Path) -> None:
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _fetch_on(url, part):
                return
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            raise InputError(
                f"{url}: HTTP {error.code} {error.reason}; correct --download-url, or try later"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # our own file, not the connection
            reason = _reason(error)
        now = part.stat().st_size if part.exists() else 0
        failures = 0 if now > before else failures + 1
        if failures == ATTEMPTS:
            raise InputError(
                f"{url}: {reason}; {now} bytes are kept, run the same command again to go on"
            )
        log.warning("%s: %s after %d bytes; going on", url, reason, now)
        time.sleep(PAUSE_SECONDS * failures)


def _fetch_on(url: str, part: Path) -> bool:
    """Ask for what is missing of a file and append it; whether it is now complete."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            # Nothing lies beyond what we have: it is all there, or too much, as the MD5 will tell.
            return True
        raise
    with response:
        length = response.headers.get("Content-Length")
        if response.status == http.client.PARTIAL_CONTENT:
            _check_range(url, response.headers.get("Content-Range", ""), have)
        else:
            have = 0
        total = None if length is None else have + int(length)
        with (
            open(part, "ab" if have else "wb") as file,
            progress(total=total, initial=have, desc="download", unit="B", unit_scale=True) as bar,
        ):
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    return total is None or part.stat().st_size == total


def _check_range(url: str, content_range: str, have: int) -> None:
    if not content_range.startswith(f"bytes {have}-"):
        raise InputError(f"{url}: asked for bytes from {have} on, got {content_range!r}")


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error)) or type(error).__name__


def unpack(archive: Path, subset: str, corpus_dir: Path) -> None:
    """Unpack ``LibriSpeech/<subset>`` of an archive as ``<corpus_dir>/<subset>``.

    Everything goes into a folder beside first. What else the archive has at its top (licence,
    table of speakers) comes along unless it is there.

    Raises:
        InputError: the archive cannot be unpacked or has no such subset.
    """
    beside = Path(tempfile.mkdtemp(prefix=".unpack-", dir=corpus_dir))
    try:
        try:
            with tarfile.open(archive) as tar:
                # Python before 3.11.4 has no such filter; the archive is verified by then anyway.
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(beside)
        except (tarfile.TarError, EOFError) as error:
            raise InputError(f"{archive}: cannot be unpacked ({error}); remove it") from None
        top = beside / "LibriSpeech"
        if not (top / subset).is_dir():
            raise InputError(f"{archive}: no folder LibriSpeech/{subset} in it; remove it")
        for entry in sorted(top.iterdir(), key=lambda path: path.name == subset):
            if not (corpus_dir / entry.name).exists():
                entry.rename(corpus_dir / entry.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
