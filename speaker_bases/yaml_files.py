"""YAML files of `key: value` lines, read with errors that name the file and the line."""

import os
from pathlib import Path

import yaml

from .command_line import InputError


def read_yaml(path: str | os.PathLike) -> dict:
    """The keys and values of a file.

    Raises:
        InputError: if the file is missing, not UTF-8, not YAML, or no mapping.
    """
    return yaml.safe_load(yaml.serialize(compose_yaml(path)))


def compose_yaml(path: str | os.PathLike) -> yaml.MappingNode:
    """The same as nodes, each of which knows its line.

    Raises:
        InputError: as `read_yaml`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such configuration file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:  # a character that YAML forbids
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{path}:1: expected `key: value` lines")
    return node
