"""The networks: the ResNets of Table 1 and Table 3; `models.bvector` has the back-end's."""

__all__ = ["TABLES", "ResNetTable", "RunDir", "resnet34"]


def __getattr__(name: str):
    # On demand: tools that only need to know where a system's files lie do not wait for Keras.
    if name == "RunDir":
        from ..run_dir import RunDir

        return RunDir
    if name in __all__:
        from . import resnet

        return getattr(resnet, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
