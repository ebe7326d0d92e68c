"""Read, check and merge the YAML files that say what is trained and on what."""

import contextlib
import copy
import os
from pathlib import Path
from typing import Any

import yaml

from ..command_line import InputError
from ..yaml_files import compose, compose_yaml, construct, line_of
from .coherence import checked_phases
from .losses import LOSSES
from .schedules import SCHEDULES
from .schema import COMMON, FINE_TUNING, Counts, Number, Section

LABELS = (
    *("loss", "backend", "overrides"),
    *("description", "notice", "systems"),
    *("title", "paper_table", "paper_eer"),
)
"""What a saved configuration may say that does not change the training."""

REQUIRED = ("network", "losses", "optimizer", "batch", "crop_frames", "epochs")
DEFAULTS = {
    "weight_decay": 0.0,
    "crops_per_utterance": 1,
    "bn_momentum": 0.99,
    "dtype_policy": "float32",
}


def load_config(
    system: str | os.PathLike, corpus: str | os.PathLike, overrides: list[str] | None = None
) -> dict[str, Any]:
    """Merge a system file, a corpus file and overrides, later ones winning.

    Args:
        system: path of a `conf/systems/*.yaml`; its stem is the system's name.
        corpus: path of a `conf/corpora/*.yaml`; its stem is the corpus's name.
        overrides: settings such as `"losses.hard_negative.num_negatives=20"`; the value is YAML,
            and `null` takes an optional part (one of the losses) away.

    Returns:
        The complete configuration, with `system` and `corpus` (the names) added, `loss` and
        `similarity`, which follow from the losses, and `overrides` if there are any. With
        `fine_tuning` it is of two trainings; see `phases`.

    Raises:
        InputError: a file that is missing or not YAML, an unknown key, a value of a wrong type,
            a key that is missing, or parts that do not go together.
    """
    config = copy.deepcopy(DEFAULTS)
    config["system"], config["corpus"] = Path(system).stem, Path(corpus).stem
    for path in (system, corpus):
        _merge(config, _check(compose_yaml(path), schema(), path, ""))
    _merge(config, config.pop("instead_of_corpus", {}))
    for override in overrides or []:
        _merge(config, _parse_override(override))
    if overrides:
        config["overrides"] = list(overrides)
    for key in REQUIRED:
        if key not in config:
            raise InputError(f"{system}: neither this file nor {corpus} sets `{key}`")
    where = " ".join([str(system), *(f"--set {text}" for text in overrides or [])])
    trainings = checked_phases(config, where)
    return config | trainings[0] | {"loss": trainings[-1]["loss"]}


def schema() -> dict:
    """All that a configuration file may hold, with the losses and schedules that are known now."""
    schedule_keys = {key: kind for entry in SCHEDULES.values() for key, kind in entry.keys.items()}
    registered = {
        "losses": {name: Section(loss.keys) for name, loss in LOSSES.items()},
        # what becomes of the learning rate; constant without it
        "schedule": Section(
            name=tuple(SCHEDULES), warmup_steps=Number(int, least=0), **schedule_keys
        ),
    }
    # a second training, of what the first did not have; see `phases`
    fine_tuning = Section({key: COMMON[key] for key in FINE_TUNING} | registered)
    return COMMON | registered | {"fine_tuning": fine_tuning}


def _check(node, schema, path, prefix: str):
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
        values[key] = _check(value_node, schema.get(key, schema.get(str)), path, f"{prefix}{key}.")
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


def _parse_override(text: str) -> dict[str, Any]:
    """`a.b=value` as a nested dictionary, checked like a file."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected key=value")
    keys = name.split(".")
    indented = "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(keys))
    node = compose(f"{indented.rstrip()} {value}", f"--set {text}")
    known = {key: kind for key, kind in schema().items() if key != "instead_of_corpus"}
    return _check(node, known, f"--set {text}", "")


def _merge(base: dict, new: dict) -> None:
    """Put `new` over `base`, in place, section by section; null takes a section away.

    A schedule of another name replaces the one that was there: their keys have nothing in common.
    """
    for key, value in new.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict):
            if key == "schedule" and value.get("name") not in (None, base.get(key, {}).get("name")):
                base.pop(key, None)
            _merge(base.setdefault(key, {}), value)
        else:
            base[key] = value
