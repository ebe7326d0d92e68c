"""Read, check and merge the YAML files that say what is trained and on what."""

import copy
import os
from pathlib import Path
from typing import Any

from ..command_line import InputError
from ..kaldi_feats.kinds import FBANK, KINDS
from ..yaml_files import compose, compose_yaml
from .checked_yaml import check_node
from .coherence import checked_phases
from .losses import LOSSES
from .schedules import SCHEDULES
from .schema import COMMON, FINE_TUNING, Number, Section

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
    of_system, of_corpus = (
        check_node(compose_yaml(path), schema(), path, "") for path in (system, corpus)
    )
    is_ivector = "ivector" in of_system
    config = {} if is_ivector else copy.deepcopy(DEFAULTS)
    config["system"], config["corpus"] = Path(system).stem, Path(corpus).stem
    _merge(config, of_system)
    _merge(config, {key: of_corpus[key] for key in of_corpus if _is_of(key, is_ivector)})
    _merge(config, config.pop("instead_of_corpus", {}))
    for override in overrides or []:
        _merge(config, _parse_override(override))
    if overrides:
        config["overrides"] = list(overrides)
    where = " ".join([str(system), *(f"--set {text}" for text in overrides or [])])
    _check_kind(config, is_ivector, where)
    if is_ivector:
        config["loss"] = "none (i-vector)"
        return config
    for key in REQUIRED:
        if key not in config:
            raise InputError(f"{system}: neither this file nor {corpus} sets `{key}`")
    trainings = checked_phases(config, where)
    return config | trainings[0] | {"loss": trainings[-1]["loss"]}


def _is_of(key: str, is_ivector: bool) -> bool:
    """Whether a key of a configuration is one of i-vector systems, or of networks."""
    both = key in (*LABELS, "system", "corpus", "feature_kind")
    return both or (key == "ivector") == is_ivector


def _check_kind(config: dict[str, Any], is_ivector: bool, where: str) -> None:
    """Refuse keys of the other kind of system, and an unknown kind of features."""
    if is_ivector:
        config.pop("epochs", None)  # of the networks that are trained by the same command
    wrong = [key for key in config if not _is_of(key, is_ivector)]
    if wrong:
        what = "an i-vector system" if is_ivector else "a network"
        raise InputError(f"{where}: {what} does not take `{wrong[0]}`")
    try:
        KINDS.find(config.get("feature_kind", FBANK.name))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


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


def _parse_override(text: str) -> dict[str, Any]:
    """`a.b=value` as a nested dictionary, checked like a file."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected key=value")
    keys = name.split(".")
    indented = "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(keys))
    node = compose(f"{indented.rstrip()} {value}", f"--set {text}")
    known = {key: kind for key, kind in schema().items() if key != "instead_of_corpus"}
    return check_node(node, known, f"--set {text}", "")


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
