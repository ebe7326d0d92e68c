"""The networks: the ResNets of Table 1 and Table 3."""

from .experiment import ExperimentDir
from .resnet import TABLES, ResNetTable, resnet34

__all__ = ["TABLES", "ExperimentDir", "ResNetTable", "resnet34"]
