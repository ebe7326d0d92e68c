"""Olivetti's faces, if scikit-learn has them on this disk."""

from typing import NamedTuple

import numpy as np


class Faces(NamedTuple):
    """Ten images of each of 40 people.

    Attributes:
        images: (400, 32, 32) float32, from 0 to 1; half as wide and high as the originals.
        people: (400,) int.
    """

    images: np.ndarray
    people: np.ndarray


def olivetti(download: bool = False) -> Faces | None:
    """The faces, or None if they are not in scikit-learn's data folder.

    Args:
        download: whether scikit-learn may fetch them (a few MB) if they are not there.
    """
    from sklearn.datasets import fetch_olivetti_faces

    try:
        found = fetch_olivetti_faces(download_if_missing=download)
    except OSError:  # not there; or, where it may look, no network
        return None
    images = found.images.reshape(-1, 32, 2, 32, 2).mean(axis=(2, 4))
    return Faces(images.astype("float32"), found.target)
