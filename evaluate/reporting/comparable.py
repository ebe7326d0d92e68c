"""Whether a run is the paper's, by what its configuration recorded, and how it differs.

A setting that the paper gives makes another experiment if it is changed: such a run gets no number
of the paper beside it. Where the paper is silent, or our systems choose otherwise than its
equations are printed (docs/choices.md), a difference is named in the table.
"""

from collections.abc import Iterator
from typing import Any

TRAINING_SETS = {"voxceleb1": (1_211, 148_642), "voxceleb2": (6_112, 1_128_246)}
"""Speakers and utterances that the paper trains on."""

FEATURES = {
    "sample-frequency": "16000",
    "window-type": "hamming",
    "frame-length": "25",
    "frame-shift": "10",
    "num-mel-bins": "64",
    "use-energy": "false",
    "cmn-window": "300",
    "center": "true",
    "norm-vars": "false",
}
"""Section 4.1: 64 mel bands, 25-ms Hamming windows every 10 ms, the mean of 3 s taken off."""

KALDIS = {
    "preemphasis-coefficient": "0.97",
    "remove-dc-offset": "true",
    "round-to-power-of-two": "true",
    "snip-edges": "true",
    "low-freq": "20",
    "high-freq": "0",
    "htk-compat": "false",
    "use-log-fbank": "true",
    "use-power": "true",
}
"""What the paper does not say of its features, and Kaldi's default is."""

_CENTER = {"softmax": {}, "center": {"weight": 0.001, "alpha": 0.5}}
_BATCH = {"size": 100}


def _system(losses: dict[str, dict], decay: float, network="table1", batch=None) -> dict[str, Any]:
    return {
        "network": network,
        "losses": losses,
        "weight_decay": decay,
        "optimizer": {"name": "adam", "learning_rate": 0.001},
        "batch": batch or _BATCH,
    }


def _mined(num_negatives: int, network: str) -> dict[str, Any]:
    losses = {"hard_negative": {"num_negatives": num_negatives}, "between_speaker": {}}
    return _system(losses, 1e-4, network)


GIVEN = {
    "softmax": _system({"softmax": {}}, 0.0),
    "center": _system(_CENTER, 0.0),
    "am_softmax": _system({"am_softmax": {"scale": 5.0, "margin": 0.35}}, 1e-4),
    "ge2e": _system({"ge2e": {}}, 1e-4, batch={"speakers": 20, "crops_per_speaker": 5}),
    "proposed1": _system(_CENTER | {"between_speaker": {}}, 0.0),
    "proposed2": _mined(100, "table1"),
    "vox2_center": _system(_CENTER, 0.0, "table3"),
    "vox2_proposed_h100": _mined(100, "table3"),
    "vox2_proposed_h50": _mined(50, "table3"),
}
"""What the paper gives for each system: Tables 1 to 4 and section 4.1."""

QUOTED = ("ivector", "metric_learning")
"""The systems whose error rates the paper quotes (Nagrani et al. 2017): it gives no setting."""

ANNOUNCED = {
    name: GIVEN[name.removeprefix("xvector_")] | {"network": "xvector"}
    for name in ("xvector_softmax", "xvector_proposed1", "xvector_proposed2")
}
"""The x-vector with losses of the paper, which it announces: what it gives for these losses."""

PRINTED = {"reduction": "sum", "scale": 1.0, "weight": 1.0, "init_weight": 10.0, "init_bias": -5.0}
"""The settings of losses that follow from the equations as printed (GE2E's: Wan et al. 2018)."""

EQUATIONS_AND_TABLES = {
    "losses.hard_negative.form": "pairs",
    "losses.between_speaker.form": "sum_of_cosines",
    "architecture.stage_blocks": [3, 4, 6, 3],
    "architecture.conv1_padding": 3,
    "architecture.activation": "leaky_relu",
    "architecture.dense_units": None,
    "architecture.embedding_length": None,
}
"""Equations 9 and 10 and the networks of Tables 1 and 3, as they are where nothing is set."""

SILENT = {
    "optimizer.amsgrad": False,
    "optimizer.use_ema": False,
    "schedule.name": "constant",
    "architecture.blocks": "post_activation",
    "architecture.pooling": "average",
    "initializer": "he_normal",
    "decay_biases": False,
    "crop_begins": "anywhere",
    "short_utterances": "repeated",
}
"""What a plain training is where the paper says nothing of it."""


def named_in_the_paper(system: str) -> bool:
    """Whether a system is one of the paper's, of those that it quotes, or announces."""
    return system in {*GIVEN, *QUOTED, *ANNOUNCED}


def _given(system: str) -> dict[str, Any]:
    return (GIVEN | ANNOUNCED)[system]


def what_makes_it_another(config: dict, corpus: str) -> list[str]:
    """How a run differs from what the paper gives; it is comparable if that is empty.

    Args:
        config: of the run.
        corpus: the corpus's name.
    """
    if not named_in_the_paper(config["system"]) or corpus not in TRAINING_SETS:
        return ["no system of the paper"]
    found = []
    for what, there, wanted in zip(
        ("training speakers", "training utterances"),
        (config.get("num_speakers"), config.get("num_utterances")),
        TRAINING_SETS[corpus],
        strict=True,
    ):
        if there != wanted:
            found.append(f"{there} of {wanted:,} {what}")
    if config["system"] in QUOTED:
        return found
    given = _given(config["system"])
    features = config.get("features", {})
    for name, wanted in (FEATURES | KALDIS).items():
        if features.get(name) != wanted:
            found.append(f"features with {name}={features.get(name)}, not {wanted}")
    for name in ("network", "weight_decay", "batch"):
        if config.get(name) != given[name]:
            found.append(f"{name} {config.get(name)}, not {given[name]}")
    losses = config.get("losses", {})
    if losses.keys() != given["losses"].keys():
        found.append(f"losses {', '.join(losses)}, not {', '.join(given['losses'])}")
    for part, wanted in [
        ("optimizer", given["optimizer"]),
        *((f"losses.{name}", settings) for name, settings in given["losses"].items()),
    ]:
        there = (
            losses.get(part.removeprefix("losses."), {}) if "." in part else config.get(part, {})
        )
        for key, value in wanted.items():
            if there.get(key) != value:
                found.append(f"{part}.{key} {there.get(key)}, not {value}")
    return found + list(_set_otherwise(config, EQUATIONS_AND_TABLES))


def _set_otherwise(config: dict, plain: dict[str, Any]) -> Iterator[str]:
    """The settings of a configuration that are not the plain ones."""
    for key, usual in plain.items():
        value = config
        for name in key.split("."):
            value = value.get(name, {})
        if value not in ({}, usual):
            yield f"{key} {value}"


def where_the_paper_is_otherwise_or_silent(config: dict) -> list[str]:
    """What to name beside a comparable run: settings that are not the equations as printed."""
    if config["system"] in QUOTED:
        return ["the paper gives no settings"]
    given = _given(config["system"])["losses"]
    found = []
    for name, settings in config.get("losses", {}).items():
        for key, value in settings.items():
            printed = PRINTED.get(key)
            if key not in given.get(name, {}) and printed is not None and value != printed:
                found.append(f"{name}.{key} {value} (printed: {printed})")
    found += _set_otherwise(config, SILENT)
    if config.get("features", {}).get("dither") != "1":
        found.append("no dither")
    found.append(f"{config.get('epochs')} epochs of crops of {config.get('crop_frames')} frames")
    return found
