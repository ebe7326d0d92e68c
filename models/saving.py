"""Keras models in files: written whole or not at all, and loaded for inference."""

import json
import os
import textwrap
from pathlib import Path

import keras

from ..command_line import InputError


def save_model(model: keras.Model, path: Path) -> None:
    """`model.save`, but what was there stays until all of the new file is written."""
    beside = path.with_name(f".{path.name}.tmp.keras")
    try:
        model.save(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def load_model(path: str | os.PathLike) -> keras.Model:
    """Load a model of this project from a `.keras` file, without its losses and optimizer.

    Args:
        path: the file. The layers in it must be registered by now; the networks' are.

    Raises:
        InputError: if Keras cannot load it.
    """
    try:
        return keras.saving.load_model(os.fspath(path), compile=False)
    # Zip, JSON, HDF5 and Keras have an error of their own for each way a file can be damaged.
    except Exception as error:
        if "'ResidualStage'" in str(error):
            raise InputError(
                f"{path}: holds a layer, ResidualStage, that the networks no longer have; train "
                "the system again (stage 2)"
            ) from error
        # Keras puts the configuration of the whole model before what went wrong, and after it.
        reason = str(error).split("Exception encountered: ")[-1].split("\n\n")[0]
        reason = textwrap.shorten(reason, 300) or type(error).__name__
        raise InputError(f"{path}: Keras cannot load this model: {reason}") from error


def in_float32(model: keras.Model) -> keras.Model:
    """The model itself, or one of the same layers and weights without any lower precision.

    Mixed precision is for training: what is computed afterwards should not depend on which units
    a machine has for it.
    """
    if {layer.dtype_policy.name for layer in model.layers} == {"float32"}:
        return model
    text = json.dumps(keras.saving.serialize_keras_object(model))
    for policy in ("mixed_bfloat16", "mixed_float16", "bfloat16", "float16"):
        text = text.replace(f'"{policy}"', '"float32"')
    twin = keras.saving.deserialize_keras_object(json.loads(text))
    twin.set_weights(model.get_weights())
    return twin
