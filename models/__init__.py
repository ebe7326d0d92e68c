"""The networks, found by name in `NETWORKS`: the ResNets of Table 1 and Table 3, the x-vector."""

from .networks import HEADS, NETWORKS
from .resnet import ResNetTable, resnet34

__all__ = ["HEADS", "NETWORKS", "ResNetTable", "resnet34"]
