"""The networks, found by name in `NETWORKS`: ResNets, the x-vector, VGG-M."""

from .networks import HEADS, NETWORKS
from .resnet import ResNetTable, resnet34

__all__ = ["HEADS", "NETWORKS", "ResNetTable", "resnet34"]
