"""The networks by name."""

from collections.abc import Callable
from functools import partial

import keras

from ..registry import Registry
from .resnet import resnet34
from .xvector import xvector, xvector_head

NETWORKS: Registry[Callable[..., keras.Model]] = Registry("network")
"""What a configuration's `network` may be.

Each takes `bn_momentum`, `kernel_regularizer`, `fused_normalization` and `name`, as `resnet34`
does, and gives a model from features `(batch_size, frames, bands)` to embeddings
`(batch_size, dim)` that leaves masked frames out.
"""

NETWORKS.add("table1", partial(resnet34, "table1"))
NETWORKS.add("table3", partial(resnet34, "table3"))
NETWORKS.add("xvector", xvector)

HEADS: Registry[Callable[..., keras.Model]] = Registry("head")
"""The layers between embeddings and losses while training, for those networks that have any.

Under the network's name; each takes `bn_momentum`, `kernel_regularizer` and `name`, and gives a
model from embeddings `(batch_size, dim)` to what the losses take as such.
"""

HEADS.add("xvector", xvector_head)
