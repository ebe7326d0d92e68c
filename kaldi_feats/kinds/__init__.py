"""Kinds of features by name: what stage 1 can make of a recording.

A kind has a data directory of its own beside the one that it is made from: ``data/train_mfcc``
beside ``data/train``, whose tables are copied into it. Filter banks lie in ``data/train`` itself.
"""

import os
from pathlib import Path

from ...registry import Registry
from .fbank import FBANK
from .kind import FeatureKind, FeatureSettings
from .mfcc import MFCC

__all__ = ["FBANK", "KINDS", "MFCC", "FeatureKind", "FeatureSettings", "dirs_of_kinds", "kind_dir"]

KINDS: Registry[FeatureKind] = Registry("kind of features")
for _kind in (FBANK, MFCC):
    KINDS.add(_kind.name, _kind)


def kind_dir(data_dir: str | os.PathLike, kind: str) -> Path:
    """The data directory of one kind of features, ``<data_dir>_<kind>``; of `FBANK` the same."""
    folder = Path(data_dir)
    return folder if kind == FBANK.name else folder.with_name(f"{folder.name}_{kind}")


def dirs_of_kinds(data_dir: str | os.PathLike) -> list[Path]:
    """A data directory, and those of the kinds of features beside it that are there."""
    folders = [kind_dir(data_dir, kind) for kind in KINDS]
    return [folder for folder in folders if folder.is_dir()]
