"""A Keras model in a file, whole or not at all."""

import os
from pathlib import Path

import keras


def save_model(model: keras.Model, path: Path) -> None:
    """`model.save`, but what was there stays until all of the new file is written."""
    beside = path.with_name(f".{path.name}.tmp.keras")
    try:
        model.save(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
