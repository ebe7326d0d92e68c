"""Kaldi's model files from binary to text and back."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..command_line import InputError, run_tool
from ..ivector.files import (
    read_diagonal,
    read_extractor,
    read_full,
    write_diagonal,
    write_extractor,
    write_full,
)
from ..kaldi_feats.object_writer import write_array
from ..kaldi_feats.objects import read_matrix, read_vector
from .backends.plda.files import read_plda, write_plda

KINDS: dict[str, tuple[Callable[[Path], Any], Callable[[Path, Any, bool], None]]] = {
    "<DiagGMM>": (read_diagonal, write_diagonal),
    "<FullGMM>": (read_full, write_full),
    "<IvectorExtractor>": (read_extractor, write_extractor),
    "<Plda>": (read_plda, write_plda),
}
"""What reads and writes a file that begins with a token."""

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Copy one file; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.copy_model",
        description="Copy a file of Kaldi's, text or binary: a mixture (final.dubm, final.ubm), an "
        "i-vector extractor (final.ie), a PLDA model (plda), a matrix or a vector (lda.mat, "
        "mean.vec).",
    )
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("copy", type=Path, metavar="OUT")
    parser.add_argument("--text", action="store_true", help="write text, not binary")
    args = parser.parse_args(argv)
    return run_tool(lambda: copy_model(args.source, args.copy, not args.text))


def copy_model(source: Path, copy: Path, binary: bool = True) -> None:
    """Copy one file, as binary or text.

    Raises:
        InputError: it is missing, damaged, or none of `KINDS` and no matrix or vector.
    """
    read, write = _of(source)
    write(copy, read(source), binary)
    log.info("%s", copy)


def _of(source: Path) -> tuple[Callable, Callable]:
    if not source.is_file():
        raise InputError(f"{source}: no such file")
    with open(source, "rb") as file:
        beginning = file.read(64).removeprefix(b"\0B").lstrip()
    for token, pair in KINDS.items():
        if beginning.startswith(token.encode()):
            return pair
    is_matrix = beginning[1:2] == b"M" or (beginning[:1] == b"[" and b"\n" in beginning[:4])
    return (read_matrix if is_matrix else read_vector), write_array


if __name__ == "__main__":
    raise SystemExit(main())
