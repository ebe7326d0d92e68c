"""Read, check and merge the YAML files that say what is trained and on what."""

import contextlib
import copy
import os
from pathlib import Path
from typing import Any

import yaml

from ..kaldi_feats.files import InputError, atomic_write
from .schema import OPTIMIZERS, SCHEDULES, SCHEMA, Number, Section

LABELS = ("title", "loss", "paper_table", "paper_eer", "description", "backend", "overrides")
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
        The complete configuration, with `system` and `corpus` (the names) added, and `overrides`
        if there are any.

    Raises:
        InputError: a file that is missing or not YAML, an unknown key, a value of a wrong type,
            a key that is missing, or parts that do not go together.
    """
    config = copy.deepcopy(DEFAULTS)
    config["system"], config["corpus"] = Path(system).stem, Path(corpus).stem
    for path in (system, corpus):
        _merge(config, _load_yaml(path))
    for override in overrides or []:
        _merge(config, _parse_override(override))
    if overrides:
        config["overrides"] = list(overrides)
    for key in REQUIRED:
        if key not in config:
            raise InputError(f"{system}: neither this file nor {corpus} sets `{key}`")
    _check_together(config, " ".join([str(system), *(f"--set {text}" for text in overrides or [])]))
    return config


def save_config(path: str | os.PathLike, config: dict[str, Any]) -> None:
    """Write a configuration as YAML, whole or not at all."""
    with atomic_write(path) as file:
        yaml.safe_dump(config, file, sort_keys=False, allow_unicode=True)


def read_config(path: str | os.PathLike) -> dict[str, Any] | None:
    """Read back what `save_config` wrote; `None` if there is no such file."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _load_yaml(path) -> dict[str, Any]:
    """A YAML file checked against the schema; errors name the file and the line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such configuration file") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not YAML: {error.problem}") from None
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{path}:1: expected `key: value` lines")
    return _check(node, SCHEMA, path, "")


def _check(node, schema, path, prefix: str):
    """The value of a YAML node, if it is what the schema allows."""
    where = f"{path}:{node.start_mark.line + 1}"
    name = prefix.rstrip(".")
    if isinstance(schema, dict):
        if isinstance(schema, Section) and node.tag == "tag:yaml.org,2002:null":
            return None
        if not isinstance(node, yaml.MappingNode):
            raise InputError(f"{where}: `{name}` takes keys of its own: {_known(schema)}")
        return _check_mapping(node, schema, path, prefix)
    if not isinstance(node, yaml.ScalarNode):
        raise InputError(f"{where}: `{name}` takes a single value")
    value = yaml.safe_load(yaml.serialize(node))
    return _check_scalar(value, schema, where, name)


def _check_mapping(node, schema, path, prefix: str) -> dict[str, Any]:
    values = {}
    for key_node, value_node in node.value:
        key = key_node.value
        where = f"{path}:{key_node.start_mark.line + 1}"
        if key not in schema and str not in schema:
            raise InputError(f"{where}: unknown key `{prefix}{key}`; known here: {_known(schema)}")
        if key in values:
            raise InputError(f"{where}: `{prefix}{key}` is set twice")
        values[key] = _check(value_node, schema.get(key, schema.get(str)), path, f"{prefix}{key}.")
    return values


def _check_scalar(value, schema, where: str, name: str):
    if isinstance(schema, tuple):
        if value not in schema:
            raise InputError(f"{where}: `{name}` is one of {', '.join(schema)}, not {value!r}")
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
        raise InputError(f"{where}: `{name}` takes a value of type {schema.__name__}: {value!r}")
    return value


def _known(schema: dict) -> str:
    return ", ".join(key for key in schema if isinstance(key, str)) or "any"


def _parse_override(text: str) -> dict[str, Any]:
    """`a.b=value` as a nested dictionary, checked like a file."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected key=value")
    keys = name.split(".")
    indented = "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(keys))
    try:
        node = yaml.compose(f"{indented.rstrip()} {value}", Loader=yaml.SafeLoader)
        return _check(node, SCHEMA, f"--set {text}", "")
    except yaml.MarkedYAMLError as error:
        raise InputError(f"--set {text}: not YAML: {error.problem}") from None


def _merge(base: dict, new: dict) -> None:
    """Put `new` over `base`, in place, section by section; null takes a section away."""
    for key, value in new.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict):
            _merge(base.setdefault(key, {}), value)
        else:
            base[key] = value


def _check_together(config: dict[str, Any], where: str) -> None:
    """Refuse losses, similarity, optimizer and batches that do not go together."""
    losses = config["losses"]
    on_bases = losses.keys() & {"softmax", "am_softmax", "hard_negative"}
    if len(on_bases) + ("ge2e" in losses) != 1:
        raise InputError(
            f"{where}: `losses` takes exactly one of softmax, am_softmax, hard_negative and "
            f"ge2e; found {', '.join(sorted(losses)) or 'none'}"
        )
    if "between_speaker" in losses and not on_bases:
        raise InputError(f"{where}: losses.between_speaker needs bases, and ge2e has none")
    wanted = {"softmax": "dot", "am_softmax": "cosine", "hard_negative": "cosine"}
    for loss in on_bases:
        if config.get("similarity") != wanted[loss]:
            raise InputError(f"{where}: losses.{loss} needs `similarity: {wanted[loss]}`")
    if "hard_negative" in losses and "num_negatives" not in losses["hard_negative"]:
        raise InputError(f"{where}: losses.hard_negative needs num_negatives, the paper's H")
    optimizer = config["optimizer"]
    if "name" not in optimizer:
        raise InputError(f"{where}: `optimizer` needs a name: {' or '.join(OPTIMIZERS)}")
    wrong = optimizer.keys() - OPTIMIZERS[optimizer["name"]] - {"name"}
    if wrong:
        raise InputError(
            f"{where}: optimizer.{optimizer['name']} does not take {', '.join(sorted(wrong))}"
        )
    schedule = config.get("schedule", {})
    if schedule and "name" not in schedule:
        raise InputError(f"{where}: `schedule` needs a name: {' or '.join(SCHEDULES)}")
    wrong = schedule.keys() - SCHEDULES[schedule.get("name", "constant")] - {"name", "warmup_steps"}
    if wrong:
        raise InputError(
            f"{where}: schedule.{schedule['name']} does not take {', '.join(sorted(wrong))}"
        )
    batch = config["batch"]
    if batch.keys() not in ({"size"}, {"speakers", "crops_per_speaker"}):
        raise InputError(
            f"{where}: `batch` takes either `size`, or `speakers` and `crops_per_speaker`; "
            f"found {', '.join(sorted(batch))}"
        )
    if "ge2e" in losses and not min(batch.get(k, 0) for k in ("speakers", "crops_per_speaker")) > 1:
        raise InputError(
            f"{where}: losses.ge2e compares the utterances of a batch: its `batch` needs 2 or more "
            "`speakers` and 2 or more `crops_per_speaker`"
        )
