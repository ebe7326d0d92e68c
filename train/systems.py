"""From a configuration to a compiled Keras model: which losses stand on which layers."""

from collections.abc import Callable
from typing import Any

import keras

from ..losses import (
    GE2E,
    AdditiveMarginSoftmax,
    BetweenSpeakerVariation,
    CenterLoss,
    CenterUpdate,
    HardNegativeMining,
    SpeakerBases,
)
from ..models import NETWORKS
from .fused_normalization import FUSED_NORMALIZATION
from .schedules import learning_rate

KERAS_REDUCTION = {"sum": "sum", "mean": "sum_over_batch_size"}


def softmax_loss(reduction: str = "sum") -> keras.losses.Loss:
    """L_S, Eq. 1, on logits."""
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction=KERAS_REDUCTION[reduction], name="softmax"
    )


LOSSES_ON_BASES: dict[str, Callable[..., keras.losses.Loss]] = {
    "softmax": softmax_loss,
    "am_softmax": AdditiveMarginSoftmax,
    "hard_negative": HardNegativeMining,
}


def build_model(config: dict[str, Any], num_speakers: int, steps: int) -> keras.Model:
    """The training model of a configuration, compiled.

    It has the inputs `features` `(batch, frames, 64)` and `speakers` `(batch,)` and, as the
    configuration has them, the sublayers `backbone`, `center`, `ge2e` and `bases`. Each loss is
    also a metric of its own name, averaged over the batches of an epoch.

    Args:
        config: what `load_config` returns.
        num_speakers: N, the number of training speakers.
        steps: mini-batches of the whole training, for schedules that end with it.
    """
    losses = config["losses"]
    decay = keras.regularizers.L2(config["weight_decay"]) if config["weight_decay"] else None
    backbone = NETWORKS[config["network"]](
        bn_momentum=config["bn_momentum"],
        kernel_regularizer=decay,
        fused_normalization=FUSED_NORMALIZATION,
    )
    features = keras.Input((None, backbone.input_shape[-1]), dtype="float32", name="features")
    speakers = keras.Input((), dtype="int32", name="speakers")
    output = backbone(features)
    if "center" in losses:
        settings = {key: value for key, value in losses["center"].items() if key != "alpha"}
        output = CenterLoss(num_speakers, **settings, name="center")(output, speakers)
    if "ge2e" in losses:
        output = GE2E(**losses["ge2e"], name="ge2e")(output, speakers)
    loss = None
    for name in LOSSES_ON_BASES.keys() & losses.keys():
        output = _bases(config, num_speakers, decay)(output, speakers)
        loss = LOSSES_ON_BASES[name](**losses[name])

    model = keras.Model([features, speakers], output, name=config["system"])
    # Keras shows a single loss only inside the total; as a metric it stands by itself.
    metrics = [keras.metrics.MeanMetricWrapper(loss, name=loss.name)] if loss else None
    model.compile(optimizer=_optimizer(config, steps), loss=loss, metrics=metrics)
    _create_all_variables(model)
    return model


def loss_callbacks(config: dict[str, Any]) -> list[keras.callbacks.Callback]:
    """The callbacks that a configuration's losses need while training."""
    center = config["losses"].get("center")
    if center is None:
        return []
    return [CenterUpdate(alpha=center["alpha"])] if "alpha" in center else [CenterUpdate()]


def _create_all_variables(model: keras.Model) -> None:
    """Make what Keras would make during the first step: a checkpoint is loaded before that."""
    model.optimizer.build(model.trainable_variables)
    one = (1, *model.output_shape[1:])
    model.compute_metrics(None, y=keras.ops.zeros(1, "int32"), y_pred=keras.ops.zeros(one))
    model.reset_metrics()


def _bases(config: dict[str, Any], num_speakers: int, decay) -> SpeakerBases:
    losses = config["losses"]
    between = losses.get("between_speaker")
    return SpeakerBases(
        num_speakers,
        similarity=config["similarity"],
        bases_regularizer=decay,
        between_speaker=None if between is None else BetweenSpeakerVariation(**between),
        num_negatives=losses.get("hard_negative", {}).get("num_negatives"),
        name="bases",
    )


def _optimizer(config: dict[str, Any], steps: int) -> keras.optimizers.Optimizer:
    arguments = dict(config["optimizer"])
    optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[arguments.pop("name")]
    rate = learning_rate(arguments.pop("learning_rate", 1e-3), steps, config.get("schedule", {}))
    return optimizer(rate, **arguments)
