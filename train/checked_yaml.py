"""YAML nodes held against a schema of `schema`, each error with its file and line."""

import contextlib
from typing import Any

import yaml

from ..command_line import InputError
from ..yaml_files import construct, line_of
from .schema import Counts, Number, Section


def check_node(node, schema, path, prefix: str):
    """The value of a YAML node, if it is what the schema allows."""
    where = f"{path}:{line_of(node.start_mark)}"
    name = prefix.rstrip(".")
    if isinstance(schema, dict):
        if isinstance(schema, Section) and node.tag == "tag:yaml.org,2002:null":
            return None
        if not isinstance(node, yaml.MappingNode):
            raise InputError(f"{where}: `{name}` takes keys of its own: {_known(schema)}")
        return _check_mapping(node, schema, path, prefix)
    if isinstance(schema, Counts):
        return _check_counts(construct(node, str(path)), schema, where, name)
    if not isinstance(node, yaml.ScalarNode):
        raise InputError(f"{where}: `{name}` takes a single value")
    value = construct(node, str(path))
    return _check_scalar(value, schema, where, name)


def _check_mapping(node, schema, path, prefix: str) -> dict[str, Any]:
    values = {}
    for key_node, value_node in node.value:
        where = f"{path}:{line_of(key_node.start_mark)}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError(f"{where}: `{prefix.rstrip('.')}` has a key that is no word")
        key = key_node.value
        if key not in schema and str not in schema:
            name = _shown(prefix + key, str)
            raise InputError(f"{where}: unknown key `{name}`; known here: {_known(schema)}")
        if key in values:
            raise InputError(f"{where}: `{_shown(prefix + key, str)}` is set twice")
        values[key] = check_node(
            value_node, schema.get(key, schema.get(str)), path, f"{prefix}{key}."
        )
    return values


def _check_counts(value, schema: Counts, where: str, name: str) -> list[int]:
    counts = value if isinstance(value, list) else []
    if len(counts) != schema.length or not all(type(n) is int and n > 0 for n in counts):
        raise InputError(f"{where}: `{name}` takes {schema}: {_shown(value)}")
    return counts


def _check_scalar(value, schema, where: str, name: str):
    if isinstance(schema, tuple):
        if value not in schema:
            raise InputError(
                f"{where}: `{name}` is one of {', '.join(schema)}, not {_shown(value)}"
            )
        return value
    if isinstance(schema, Number):
        value = _check_scalar(value, schema.kind, where, name)
        if value not in schema:
            raise InputError(f"{where}: `{name}` must be {schema}: {value}")
        return value
    if schema is float:
        # YAML 1.1 reads 1e-4, without a point, as a word.
        with_point = isinstance(value, (int, str)) and not isinstance(value, bool)
        with contextlib.suppress(ValueError):
            value = float(value) if with_point else value
    if not isinstance(value, schema) or (schema is not bool and isinstance(value, bool)):
        kind = schema.__name__
        raise InputError(f"{where}: `{name}` takes a value of type {kind}: {_shown(value)}")
    return value


def _shown(value, form=repr) -> str:
    """A value in a message, however long it is."""
    text = form(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _known(schema: dict) -> str:
    return ", ".join(key for key in schema if isinstance(key, str)) or "any"
