"""From a configuration to a compiled Keras model: which losses stand on which layers."""

import inspect
from typing import Any

import keras

from ..command_line import InputError
from ..losses import SpeakerBases
from ..models import HEADS, NETWORKS
from .fused_normalization import FUSED_NORMALIZATION
from .losses import LOSSES, softmax_beside_cosines
from .schedules import learning_rate

INITIALIZERS = {
    "he_normal": "he_normal",
    # He et al. 2015, by the number of outputs, as PyTorch has it. A configuration, not an object:
    # one object would draw the same numbers for every kernel of a shape.
    "he_normal_fan_out": {
        "class_name": "VarianceScaling",
        "config": {"scale": 2.0, "mode": "fan_out", "distribution": "untruncated_normal"},
    },
}


def build_model(config: dict[str, Any], num_speakers: int, steps: int) -> keras.Model:
    """The training model of a configuration, compiled.

    It has the inputs `features` `(batch, frames, 64)` and `speakers` `(batch,)` and, as the
    configuration has them, the sublayers `backbone`, `head`, `center`, `ge2e` and `bases`. Each
    loss is also a metric of its own name, averaged over the batches of an epoch.

    Args:
        config: what `load_config` returns.
        num_speakers: N, the number of training speakers.
        steps: mini-batches of the whole training, for schedules that end with it.
    """
    losses = config["losses"]
    decay = _decay(config)
    backbone = NETWORKS.find(config["network"])(
        bn_momentum=config["bn_momentum"],
        kernel_regularizer=decay,
        fused_normalization=FUSED_NORMALIZATION,
        name="backbone",
        **network_settings(config),
    )
    features = keras.Input((None, backbone.input_shape[-1]), dtype="float32", name="features")
    speakers = keras.Input((), dtype="int32", name="speakers")
    output = backbone(features)
    if config["network"] in HEADS:
        output = HEADS[config["network"]](
            bn_momentum=config["bn_momentum"], kernel_regularizer=decay, name="head"
        )(output)
    built = {
        name: LOSSES[name].build(num_speakers, **settings) for name, settings in losses.items()
    }
    softmax = softmax_beside_cosines(losses)
    by_place = {LOSSES[name].place: name for name in losses if name != softmax}
    for place in ("embeddings", "batch"):
        if place in by_place:
            output = built[by_place[place]](output, speakers)
    loss = None
    if "outputs" in by_place:
        name = by_place["outputs"]
        loss = built[name]
        bases = SpeakerBases(
            num_speakers,
            similarity=LOSSES[name].similarity,
            bases_initializer=INITIALIZERS[config.get("initializer", "he_normal")],
            bases_regularizer=decay,
            between_speaker=built.get(by_place.get("bases")),
            softmax=built.get(softmax),
            bias_regularizer=decay if config.get("decay_biases") else None,
            **LOSSES[name].bases(losses[name]),
            name="bases",
        )
        output = bases(output, speakers)

    model = keras.Model([features, speakers], output, name=config["system"])
    # Keras shows a single loss only inside the total; as a metric it stands by itself.
    metrics = [keras.metrics.MeanMetricWrapper(loss, name=loss.name)] if loss else None
    model.compile(optimizer=_optimizer(config, steps), loss=loss, metrics=metrics)
    _create_all_variables(model)
    return model


def network_settings(config: dict[str, Any]) -> dict[str, Any]:
    """What a configuration asks of its network beside what every network takes.

    Raises:
        InputError: there is no such network, or it does not take what is asked.
    """
    settings = dict(config.get("architecture", {}))
    if "initializer" in config:
        settings["kernel_initializer"] = INITIALIZERS[config["initializer"]]
    if config.get("decay_biases"):
        settings["bias_regularizer"] = _decay(config)
    taken = inspect.signature(NETWORKS.find(config["network"])).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
    if not takes_all and (unknown := settings.keys() - taken.keys()):
        raise InputError(
            f"network {config['network']} does not take {', '.join(sorted(unknown))}: set no "
            "`architecture`, `initializer` and `decay_biases` for it"
        )
    return settings


def _decay(config: dict[str, Any]) -> keras.regularizers.L2 | None:
    return keras.regularizers.L2(config["weight_decay"]) if config["weight_decay"] else None


def loss_callbacks(config: dict[str, Any]) -> list[keras.callbacks.Callback]:
    """The callbacks that a configuration's losses need while training."""
    losses = config["losses"].items()
    return [callback for name, own in losses for callback in LOSSES[name].callbacks(own)]


def _create_all_variables(model: keras.Model) -> None:
    """Make what Keras would make during the first step: a checkpoint is loaded before that."""
    model.optimizer.build(model.trainable_variables)
    one = (1, *model.output_shape[1:])
    model.compute_metrics(None, y=keras.ops.zeros(1, "int32"), y_pred=keras.ops.zeros(one))
    model.reset_metrics()


def _optimizer(config: dict[str, Any], steps: int) -> keras.optimizers.Optimizer:
    arguments = dict(config["optimizer"])
    optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[arguments.pop("name")]
    rate = learning_rate(arguments.pop("learning_rate", 1e-3), steps, config.get("schedule", {}))
    return optimizer(rate, **arguments)
