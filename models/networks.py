"""The networks by name."""

from collections.abc import Callable
from functools import partial

import keras

from ..registry import Registry
from .resnet import resnet34
from .vgg_m import vgg_m

NETWORKS: Registry[Callable[..., keras.Model]] = Registry("network")
"""What a configuration's `network` may be.

Each takes `bn_momentum`, `kernel_regularizer`, `fused_normalization` and `name`, as `resnet34`
does, and gives a model from features `(batch_size, frames, bands)` to embeddings
`(batch_size, dim)` that leaves masked frames out.
"""

NETWORKS.add("table1", partial(resnet34, "table1"))
NETWORKS.add("table3", partial(resnet34, "table3"))
NETWORKS.add("vgg_m", vgg_m)
