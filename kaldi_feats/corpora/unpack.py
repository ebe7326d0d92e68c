"""Unpack an archive that came from elsewhere: into its own folder, whole or not at all."""

import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from ...command_line import InputError

MOST_BYTES = 1 << 32


def unpack(archive: Path, subset: str, corpus_dir: Path) -> None:
    """Unpack ``LibriSpeech/<subset>`` of an archive as ``<corpus_dir>/<subset>``.

    Everything goes into a folder beside first. What else the archive has at its top (licence,
    table of speakers) comes along unless it is there.

    Raises:
        InputError: the archive cannot be unpacked, has no such subset, or has a member that is no
            plain file or folder inside its folder.
    """
    beside = Path(tempfile.mkdtemp(prefix=".unpack-", dir=corpus_dir))
    try:
        try:
            with tarfile.open(archive) as tar:
                # tarfile's own filter is not enough: Python before 3.11.13 follows links with it
                # (CVE-2025-4517), and before 3.11.4 has none.
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(beside, members=_checked(tar, archive, beside))
        except (tarfile.TarError, EOFError, ValueError, zlib.error) as error:
            raise InputError(f"{archive}: cannot be unpacked ({error}); remove it") from None
        top = beside / "LibriSpeech"
        if not (top / subset).is_dir():
            raise InputError(f"{archive}: no folder LibriSpeech/{subset} in it; remove it")
        for entry in sorted(top.iterdir(), key=lambda path: path.name == subset):
            if not (corpus_dir / entry.name).exists():
                entry.rename(corpus_dir / entry.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _checked(tar: tarfile.TarFile, archive: Path, folder: Path) -> list[tarfile.TarInfo]:
    """The members, not one of which can lead out of the folder: there are no links to follow."""
    members, total = [], 0
    for member in tar:
        parts = Path(member.name).parts
        if member.issym() or member.islnk():
            what = "is a link"
        elif not (member.isreg() or member.isdir()):
            what = "is neither a file nor a folder"
        elif (
            member.name.startswith("/")
            or ".." in parts
            or not (folder / member.name).resolve().is_relative_to(folder.resolve())
        ):
            what = "leads out of the archive's folder"
        elif (total := total + member.size) > MOST_BYTES:
            what = f"is behind the first {MOST_BYTES >> 30} GiB"
        else:
            members.append(member)
            continue
        raise InputError(
            f"{archive}: its member {member.name!r} {what}; nothing was unpacked, remove the file"
        )
    return members
