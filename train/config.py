"""Read, check and merge the YAML files that say what is trained and on what."""

import copy
import os
from pathlib import Path
from typing import Any

from ..command_line import InputError
from ..kaldi_feats.kinds import FBANK, KINDS
from ..yaml_files import compose, compose_yaml
from .checked_yaml import check_node
from .losses import LOSSES, softmax_beside_cosines
from .schedules import SCHEDULES
from .schema import COMMON, OPTIMIZERS, Number, Section

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
        `similarity`, which follow from the losses, and `overrides` if there are any.

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
    _check_together(config, where)
    _derive(config)
    return config


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
    return COMMON | {
        "losses": {name: Section(loss.keys) for name, loss in LOSSES.items()},
        # what becomes of the learning rate; constant without it
        "schedule": Section(
            name=tuple(SCHEDULES), warmup_steps=Number(int, least=0), **schedule_keys
        ),
    }


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


def _check_together(config: dict[str, Any], where: str) -> None:
    """Refuse losses, optimizer, schedule and batches that do not go together."""
    _check_losses(config, where)
    optimizer = config["optimizer"]
    if "name" not in optimizer:
        raise InputError(f"{where}: `optimizer` needs a name: {' or '.join(OPTIMIZERS)}")
    _check_keys("optimizer", optimizer, OPTIMIZERS[optimizer["name"]], where)
    schedule = config.get("schedule", {})
    if schedule and "name" not in schedule:
        raise InputError(f"{where}: `schedule` needs a name: {' or '.join(SCHEDULES)}")
    if schedule:
        known = SCHEDULES[schedule["name"]].keys.keys() | {"warmup_steps"}
        _check_keys("schedule", schedule, known, where)
    batch = config["batch"]
    if batch.keys() not in ({"size"}, {"speakers", "crops_per_speaker"}):
        raise InputError(
            f"{where}: `batch` takes either `size`, or `speakers` and `crops_per_speaker`; "
            f"found {', '.join(sorted(batch))}"
        )
    if "validation" in config:
        if "speakers" not in config["validation"]:
            raise InputError(f"{where}: `validation` needs `speakers`, how many are held out")
        if optimizer.get("use_ema"):
            raise InputError(f"{where}: `validation` and `optimizer.use_ema` do not go together")
    for name, settings in config["losses"].items():
        LOSSES[name].check(settings, config, where)


def _check_losses(config: dict[str, Any], where: str) -> None:
    losses = config["losses"]
    beside = softmax_beside_cosines(losses)
    places = [LOSSES[name].place for name in losses if name != beside]
    if len(places) - places.count("embeddings") - places.count("bases") != 1:
        alone = [name for name, loss in LOSSES.items() if loss.place in ("outputs", "batch")]
        raise InputError(
            f"{where}: `losses` takes exactly one of {', '.join(alone)}; "
            f"found {', '.join(sorted(losses)) or 'none'}"
        )
    for name, settings in losses.items():
        if LOSSES[name].place == "bases" and "outputs" not in places:
            raise InputError(
                f"{where}: losses.{name} needs bases, and {' and '.join(losses.keys() - {name})} "
                "has none"
            )
        if name != beside and places.count(LOSSES[name].place) > 1:
            raise InputError(f"{where}: {' and '.join(losses)} do not stand side by side")
        for key in LOSSES[name].required:
            if key not in settings:
                raise InputError(f"{where}: losses.{name} needs {key}")


def _check_keys(part: str, settings: dict[str, Any], known, where: str) -> None:
    wrong = settings.keys() - known - {"name"}
    if wrong:
        raise InputError(
            f"{where}: {part}.{settings['name']} does not take {', '.join(sorted(wrong))}"
        )


def _derive(config: dict[str, Any]) -> None:
    """What follows from the losses: their sum as the paper writes it, and what the bases return."""
    losses = config["losses"]
    config["loss"] = " + ".join(LOSSES[name].symbol for name in losses)
    for name in losses.keys() - {softmax_beside_cosines(losses)}:
        if LOSSES[name].similarity:
            config["similarity"] = LOSSES[name].similarity
