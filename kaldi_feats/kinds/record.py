"""The record, in a data directory, of what its features were made with: ``<kind>.conf``.

The kind's program can read it; what other programs do is in comments.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from ...command_line import InputError
from ...files import atomic_write
from ..fbank.options import (
    INPUT_OPTIONS,
    Value,
    option_lines,
    option_text,
    parse_option,
    read_options,
)
from . import FBANK, KINDS, FeatureKind, FeatureSettings

KIND = "kind"
"""The setting that names the kind, where it is not `FBANK`."""


def write_record(folder: str | os.PathLike, settings: FeatureSettings, compress: bool) -> None:
    """Leave a record in a data directory of what its features were made with."""
    kind = settings.kind
    with atomic_write(Path(folder) / f"{kind.name}.conf") as file:
        file.write(f"# What the features here were made with: {kind.program} with\n")
        for name, value in settings.options.items():
            file.write(f"--{name}={option_text(value)}\n")
        file.write("# and then\n")
        for program, options in settings.steps.items():
            words = [f"--{name}={option_text(value)}" for name, value in options.items()]
            file.write(" ".join(["#", program, *words]) + "\n")
        file.write(f"# copy-feats --compress={option_text(compress)}\n")


def feature_settings(data_dir: str | os.PathLike) -> dict[str, str]:
    """How the features of a data directory were computed, for comparing with others.

    Every option that a frame's values depend on, Kaldi's defaults written out, each value in one
    spelling; those of the programs that follow; and the kind, unless it is filter banks. The same
    whichever extractor made them. Not in it: which recordings were let in (`INPUT_OPTIONS`), and
    how the arks are stored.

    Raises:
        InputError: the directory has no record of the feature stage.
    """
    kind, path = kind_and_record(data_dir)
    settings = {} if kind is FBANK else {KIND: kind.name}
    settings |= {
        name: option_text(value)
        for name, value in read_options(path, kind.defaults).items()
        if name not in INPUT_OPTIONS
    }
    lines = option_lines(path)
    for program in kind.steps:
        beginning = f"# {program} "
        found = [line.removeprefix(beginning) for line in lines if line.startswith(beginning)]
        if len(found) != 1:
            raise InputError(f"{path}: no line '{beginning}...'; run stage 1 again")
        for option in found[0].split():
            name, _, value = option.removeprefix("--").partition("=")
            settings[name] = value
    return settings


def kind_and_record(data_dir: str | os.PathLike) -> tuple[FeatureKind, Path]:
    """The kind of a data directory's features, and its record; raises as `feature_settings`."""
    folder = Path(data_dir)
    for kind in KINDS.values():
        path = folder / f"{kind.name}.conf"
        if path.is_file():
            return kind, path
    path = folder / f"{FBANK.name}.conf"
    raise InputError(f"{path}: no such file; make the features with kaldi_feats/make_features.sh")


def parse_settings(settings: Mapping[str, str]) -> FeatureSettings:
    """The inverse of `feature_settings`.

    Raises:
        InputError: the kind or a setting is unknown or out of range, or the sliding mean is another
            than the stage's.
    """
    kind = KINDS.find(str(settings.get(KIND, FBANK.name)))
    options = dict(kind.defaults)
    steps = {program: dict(defaults) for program, defaults in kind.steps.items()}
    try:
        for name, text in settings.items():
            if name == KIND:
                continue
            places = [step for step in steps.values() if name in step] or [options]
            places[0][name] = parse_option(f"--{name}={text}", places[0])[1]
        if kind is FBANK:
            _refuse_other_mean(settings, *steps.values())
    except ValueError as error:
        raise InputError(f"settings of the features: {error}") from None
    return FeatureSettings(kind, options, steps)


def _refuse_other_mean(settings: Mapping[str, str], step: Mapping[str, Value]) -> None:
    if not step.keys() <= settings.keys() or not step["center"] or step["norm-vars"]:
        raise ValueError("the sliding mean is not centred, or variances are normalised")
