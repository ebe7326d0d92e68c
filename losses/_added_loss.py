"""A loss that a layer adds, shown by itself in the logs."""

import keras
from keras import ops

# Not in Keras's public interface, and there is no public way to ask.
from keras.src.backend.common.stateless_scope import get_stateless_scope, in_stateless_scope


class AddedLoss(keras.metrics.Metric):
    """The mean over the batches of a loss that a layer adds in its `call`.

    A `keras.metrics.Mean` in a layer would do on TensorFlow. On JAX the state of metrics is out
    of reach of a layer's `call` (what is written there is lost), but that of weights is not: so
    the sum and the count are non-trainable weights of the layer. What a jitted step on JAX
    returns of it is NaN: a progress bar shows that within an epoch, `train_on_batch` always. In
    the logs at an epoch's end, and by `model.get_metrics_result()`, it is right on every backend.

    Args:
        name: Name of the metric, a key of the logs.
        layer: The layer that adds the loss; gets two scalar weights.
    """

    def __init__(self, name: str, layer: keras.Layer):
        super().__init__(name=name, dtype="float32")
        state = {"shape": (), "initializer": "zeros", "dtype": "float32", "trainable": False}
        self.total = layer.add_weight(name=f"{name}_total", **state)
        self.count = layer.add_weight(name=f"{name}_count", **state)

    @property
    def variables(self):
        """None of its own: the layer's weights must not be counted twice."""
        return []

    def update_state(self, loss):
        self.total.assign_add(loss)
        self.count.assign_add(1.0)

    def reset_state(self):
        self.total.assign(0.0)
        self.count.assign(0.0)

    def result(self):
        if in_stateless_scope() and get_stateless_scope().get_current_value(self.total) is None:
            return ops.convert_to_tensor(float("nan"), dtype="float32")
        return self.total / self.count
