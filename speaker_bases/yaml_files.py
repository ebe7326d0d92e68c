"""YAML files of `key: value` lines, read with errors that name the file and the line."""

import os
from pathlib import Path
from typing import Any

import yaml

from .command_line import InputError

# What PyYAML raises for text that is no YAML, no value of its type, or nested without end.
_REFUSED = (yaml.YAMLError, ValueError, OverflowError, RecursionError, AttributeError, TypeError)


def read_yaml(path: str | os.PathLike) -> dict:
    """The keys and values of a file.

    Raises:
        InputError: if the file is missing, not UTF-8, not YAML, or no mapping.
    """
    value = construct(compose_yaml(path), str(path))
    if not all(isinstance(key, str) for key in value):
        raise InputError(f"{path}:1: a key is no word")
    return value


def compose_yaml(path: str | os.PathLike) -> yaml.MappingNode:
    """The same as nodes, each of which knows its line.

    Raises:
        InputError: as `read_yaml`.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such configuration file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    return compose(text, str(path))


def compose(text: str, where: str) -> yaml.MappingNode:
    """The nodes of `key: value` lines.

    Args:
        text: YAML.
        where: it comes from, for messages.

    Raises:
        InputError: if it is not YAML, or no mapping.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except _REFUSED as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        line = f":{line_of(mark)}" if mark else ""
        raise InputError(f"{where}{line}: not YAML: {_short(reason)}") from None
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{where}:1: expected `key: value` lines")
    return node


def construct(node: yaml.Node, where: str) -> Any:
    """The value of a node.

    Raises:
        InputError: with the line, if it has none: a date that is no date, a type that YAML's safe
            part does not have.
    """
    try:
        return yaml.safe_load(yaml.serialize(node))
    except _REFUSED as error:
        reason = getattr(error, "problem", None) or str(error)
        raise InputError(f"{where}:{line_of(node.start_mark)}: {_short(reason)}") from None


def line_of(mark: yaml.Mark) -> int:
    """The line of a place in a text, as an editor counts: PyYAML knows more ends of lines."""
    return mark.buffer[: mark.pointer].count("\n") + 1


def _short(reason: str) -> str:
    reason = " ".join(reason.split())
    return reason if len(reason) < 200 else f"{reason[:200]}..."
