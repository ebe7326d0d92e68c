"""Saved models, loaded for inference."""

import os
import textwrap

import keras


def load_model(path: str | os.PathLike) -> keras.Model:
    """Load a model of this project from a `.keras` file, without its losses and optimizer.

    Args:
        path: the file. The layers in it must be registered by now; the networks' are.

    Raises:
        ValueError: in one line, if Keras cannot load it.
    """
    try:
        return keras.saving.load_model(os.fspath(path), compile=False)
    # Zip, JSON, HDF5 and Keras have an error of their own for each way a file can be damaged.
    except Exception as error:
        if "'ResidualStage'" in str(error):
            raise ValueError(
                f"{path}: holds a layer, ResidualStage, that the networks no longer have; train "
                "the system again (stage 2)"
            ) from error
        # Keras puts the configuration of the whole model before what went wrong, and after it.
        reason = str(error).split("Exception encountered: ")[-1].split("\n\n")[0]
        reason = textwrap.shorten(reason, 300) or type(error).__name__
        raise ValueError(f"{path}: Keras cannot load this model: {reason}") from error
