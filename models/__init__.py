"""The networks: the ResNets of Table 1 and Table 3; `models.bvector` has the back-end's."""

from .networks import NETWORKS
from .resnet import ResNetTable, resnet34

__all__ = ["NETWORKS", "ExperimentDir", "ResNetTable", "resnet34"]


def __getattr__(name: str):
    if name == "ExperimentDir":
        from .experiment import ExperimentDir

        return ExperimentDir
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
