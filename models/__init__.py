"""The networks, found by name in `NETWORKS`."""

from .networks import NETWORKS
from .resnet import ResNetTable, resnet34

__all__ = ["NETWORKS", "ResNetTable", "resnet34"]
