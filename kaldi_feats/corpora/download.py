"""Fetch the public mini-librispeech subsets: resumed, verified, and never half-unpacked."""

import argparse
import hashlib
import http.client
import logging
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from ...command_line import InputError
from ...progress import progress
from .unpack import unpack

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


def fetch_mini_librispeech(
    corpus_dir: str | os.PathLike, url: str = OPENSLR, sha256: Mapping[str, str] | None = None
) -> None:
    """Put the subsets ``train-clean-5`` and ``dev-clean-2`` into a corpus folder.

    Subsets that are there already are left alone. An archive that was fetched in part is
    fetched on; a subset's folder appears only once it is complete.

    Args:
        corpus_dir: the folder; made if it is not there.
        url: the folder of the archives ``<subset>.tar.gz``, which are the published ones wherever
            they lie: nothing that lies beside them says what they should be.
        sha256: subset -> SHA-256 of its archive, for an archive that is not the published one.

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
    checksums = MINI_LIBRISPEECH | dict(sha256 or {})
    corpus_dir.mkdir(parents=True, exist_ok=True)
    for leftover in corpus_dir.glob(".unpack-*"):
        shutil.rmtree(leftover)
    for name in missing:
        archive = corpus_dir / f".{name}.tar.gz"
        fetch(f"{url}/{name}.tar.gz", archive, checksums[name])
        unpack(archive, name, corpus_dir)
        archive.unlink()


def subset_and_sha256(text: str) -> tuple[str, str]:
    """An argparse type: ``train-clean-5=<64 hexadecimal digits>``."""
    name, _, digest = text.partition("=")
    if name not in MINI_LIBRISPEECH or not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not <subset>=<SHA-256>, of {' or '.join(MINI_LIBRISPEECH)}"
        )
    return name, digest.lower()


def fetch(url: str, path: str | os.PathLike, checksum: str) -> None:
    """Fetch a file; what comes is kept in ``<path>.part`` until it is complete and verified.

    Args:
        url: where from. If the server knows Range, a part that is there is fetched on.
        path: where to; a file that is there already is kept if it is what its checksum says.
        checksum: hexadecimal, its MD5 (32 digits) or SHA-256 (64 digits).

    Raises:
        InputError: no such file there, no connection, or the checksum is another.
    """
    path = Path(path)
    if path.exists() and _is(path, checksum):
        return
    part = path.with_name(f"{path.name}.part")
    resumed = part.exists() and part.stat().st_size > 0
    _fetch_all(url, part)
    if resumed and not _is(part, checksum):
        # The part may have been of another version of the file, or damaged.
        log.warning("%s: the resumed file is not what its checksum says; fetched anew", url)
        part.unlink()
        _fetch_all(url, part)
    if not _is(part, checksum):
        kind = _kind(checksum)
        found = _digest(part, kind)
        part.unlink()
        raise InputError(
            f"{url}: {kind.upper()} {found}, expected {checksum}: damaged on the way, or another "
            "file; it was removed: run the same command again, or say with --download-sha256 "
            "that it is another on purpose"
        )
    part.replace(path)


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
            # Nothing lies beyond what we have: all there, or too much: the checksum will tell.
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


def _kind(checksum: str) -> str:
    return "md5" if len(checksum) == 32 else "sha256"


def _is(path: Path, checksum: str) -> bool:
    return _digest(path, _kind(checksum)) == checksum


def _digest(path: Path, kind: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error)) or type(error).__name__
