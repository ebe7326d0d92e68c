"""A layer that adds a loss, shown by itself in the logs."""

import keras
from keras import ops


class LossLayer(keras.layers.Layer):
    """A layer that adds losses in its `call` and shows each as a metric.

    It computes in float32 unless `dtype` says otherwise, under mixed precision too. For each loss
    a subclass calls `show_loss` in `build` and `record_loss` in `call`.
    """

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)

    def show_loss(self, name: str) -> None:
        """Have a metric of this name."""
        running_mean = RunningMean(name)
        setattr(self, f"{name}_mean", running_mean)
        setattr(self, f"{name}_metric", AddedLoss(name, running_mean))

    def record_loss(self, name: str, loss) -> None:
        """Add a scalar to the model's loss and to the metric of this name."""
        self.add_loss(loss)
        getattr(self, f"{name}_metric").update_state(loss)


class RunningMean(keras.layers.Layer):
    """The sum and the count of a loss: weights that models have but do not save.

    Args:
        loss_name: Name of the loss.
    """

    def __init__(self, loss_name: str):
        super().__init__(name=f"{loss_name}_mean", dtype="float32", trainable=False)
        state = {"shape": (), "initializer": "zeros", "trainable": False}
        self.total = self.add_weight(name=f"{loss_name}_total", **state)
        self.count = self.add_weight(name=f"{loss_name}_count", **state)
        self.build(())

    def save_own_variables(self, store):
        """Nothing: they are those of an epoch, not of the model."""

    def load_own_variables(self, store):
        """Nothing, as nothing is saved."""


class AddedLoss(keras.metrics.Metric):
    """The mean over the batches of a loss that a layer adds in its `call`.

    A `keras.metrics.Mean` in a layer would do on TensorFlow. On JAX the state of metrics is out
    of reach of a layer's `call` (what is written there is lost), but that of weights is not: so
    the sum and the count are non-trainable weights of the layer. What a jitted step on JAX
    returns of it is NaN: a progress bar shows that within an epoch, `train_on_batch` always. In
    the logs at an epoch's end, and by `model.get_metrics_result()`, it is right on every backend.

    Args:
        name: Name of the metric, a key of the logs.
        running_mean: The sum and the count, a part of the layer.
    """

    def __init__(self, name: str, running_mean: RunningMean):
        super().__init__(name=name, dtype="float32")
        self.running_mean = running_mean

    @property
    def variables(self):
        """None of its own: the layer's weights must not be counted twice."""
        return []

    def update_state(self, loss):
        self.running_mean.total.assign_add(loss)
        self.running_mean.count.assign_add(1.0)

    def reset_state(self):
        self.running_mean.total.assign(0.0)
        self.running_mean.count.assign(0.0)

    def result(self):
        # A jitted step on JAX is inside a scope that holds the values of its variables; of any
        # others only stale values are at hand.
        with keras.StatelessScope(initialize_variables=False) as here:
            scope = here.original_scope
        if scope is not None and scope.get_current_value(self.running_mean.total) is None:
            return ops.convert_to_tensor(float("nan"), dtype="float32")
        return self.running_mean.total / self.running_mean.count
