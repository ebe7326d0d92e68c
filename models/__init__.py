"""The networks: the ResNets of Table 1 and Table 3, found by name in `NETWORKS`."""

from .networks import NETWORKS
from .resnet import ResNetTable, resnet34

__all__ = ["NETWORKS", "ResNetTable", "resnet34"]
