"""The tables of a data directory in another one, for another kind of features of the same audio."""

from pathlib import Path

from ...command_line import InputError
from ...files import atomic_write

TABLES = ("wav.scp", "segments", "utt2spk", "spk2utt")
STALE = ("feats.scp", "utt2num_frames")


def copy_tables(data_dir: Path, folder: Path) -> None:
    """Copy the tables of recordings and speakers, as Kaldi's utils/copy_data_dir.sh does.

    Where one has changed, ``feats.scp`` goes before it: it is of the recordings before.

    Raises:
        InputError: there is no such data directory, or another file is where a table belongs.
    """
    if not data_dir.is_dir():
        raise InputError(f"{data_dir}: no such data directory; run stage 0 or correct the path")
    for name in TABLES:
        text = _bytes(data_dir / name)
        if text == _bytes(folder / name):
            continue
        for stale in STALE:
            (folder / stale).unlink(missing_ok=True)
        if text is None:
            (folder / name).unlink()
            continue
        with atomic_write(folder / name, "wb") as file:
            file.write(text)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
