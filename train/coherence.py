"""What must go together in a configuration, and what follows from it."""

from typing import Any

from ..command_line import InputError
from .losses import LOSSES, softmax_beside_cosines
from .schedules import SCHEDULES
from .schema import OPTIMIZERS


def checked_phases(config: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """`phases`, if in each of them all goes together.

    Raises:
        InputError: beginning with `where`: losses, optimizer, schedule or batches do not go
            together, or the second training has nothing to train.
    """
    trainings = phases(config)
    for training, place in zip(trainings, (where, f"{where}: fine_tuning"), strict=False):
        _check_together(training, place)
    own = config.get("fine_tuning", {"architecture": {}})
    if "architecture" not in own and "similarity" not in trainings[-1]:
        raise InputError(
            f"{where}: fine_tuning trains nothing: layers of the first training stay as they are, "
            "and `fine_tuning.architecture` adds none"
        )
    return trainings


def _check_together(config: dict[str, Any], where: str) -> None:
    """Refuse losses, optimizer, schedule and batches of one training that do not go together."""
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
    if batch.keys() not in ({"size"}, {"speakers", "crops_per_speaker"}, {"pairs"}):
        raise InputError(
            f"{where}: `batch` takes either `size`, or `speakers` and `crops_per_speaker`, or "
            f"`pairs`; found {', '.join(sorted(batch))}"
        )
    if "mining" in config and "pairs" not in batch:
        raise InputError(f"{where}: `mining` is of pairs: its `batch` needs `pairs`")
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


def phases(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The trainings that a configuration asks for, each with a whole configuration of its own.

    One; or, with `fine_tuning`, two. The second has what stands there instead of what the first
    has, but its `architecture` adds to the first's. It begins with the first's network: layers
    that were in it stay as they are, and only those that are new are trained.

    Returns:
        Configurations without `fine_tuning`, with `loss` and `similarity` as `load_config` adds
        them; the second's `loss` names both.
    """
    first = {key: value for key, value in config.items() if key != "fine_tuning"}
    if "fine_tuning" not in config:
        return [_derived(first)]
    second = first | config["fine_tuning"]
    if architectures := first.get("architecture", {}) | second.get("architecture", {}):
        second["architecture"] = architectures
    first, second = _derived(first), _derived(second)
    return [first, second | {"loss": f"{first['loss']}, then {second['loss']}"}]


def _derived(config: dict[str, Any]) -> dict[str, Any]:
    """With what follows from the losses: their sum as it is written, what the bases return."""
    losses = config["losses"]
    derived = {key: value for key, value in config.items() if key != "similarity"}
    derived["loss"] = " + ".join(LOSSES[name].symbol for name in losses)
    for name in losses.keys() - {softmax_beside_cosines(losses)}:
        if LOSSES[name].similarity:
            derived["similarity"] = LOSSES[name].similarity
    return derived
