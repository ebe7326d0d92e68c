"""A compiled model, begun anew: for trainings of one model with several seeds."""

import keras


def restart(model: keras.Model, fresh: keras.Model) -> None:
    """Give a model the weights of a fresh one, and an optimizer that has not taken a step.

    Tracing a fresh model would take longer than training it does here.

    Args:
        model: a compiled model.
        fresh: another one of the same layers, with the initial weights.
    """
    model.set_weights(fresh.get_weights())
    for variable in model.optimizer.variables:
        if not variable.path.endswith("/learning_rate"):
            variable.assign(keras.ops.zeros_like(variable))
