"""The values and gradients of a function: TensorFlow's, and finite differences."""

from collections.abc import Callable, Sequence

import numpy as np


def values_and_gradients(function: Callable, case: tuple, positions: Sequence[int]):
    """What a function of keras.ops or NumPy returns, and its gradients.

    Args:
        function: of the case's arguments; an array of any shape, whose sum is differentiated.
        case: the arguments.
        positions: of the arguments to differentiate for. None of them: the arguments stay NumPy's.

    Returns:
        The values, an array (None if the function returns nothing), and a dict from position to
        a gradient of the argument's shape, None where there is none.
    """
    import tensorflow as tf

    arguments = list(case)
    for at in positions:
        arguments[at] = tf.convert_to_tensor(arguments[at])
    watched = {at: arguments[at] for at in positions}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(list(watched.values()))
        values = function(*arguments)
        if values is None or values is ...:
            return None, {}
        total = tf.reduce_sum(values) if tf.is_tensor(values) else None
    gradients = dict.fromkeys(positions)
    if total is not None:
        gradients = {at: tape.gradient(total, tensor) for at, tensor in watched.items()}
    return np.asarray(values), {
        at: None if slope is None else np.asarray(tf.convert_to_tensor(slope))
        for at, slope in gradients.items()
    }


def finite_differences(function: Callable, case: tuple, position: int, step: float = 1e-5):
    """The gradient of a function's sum for one of its arguments, an array of float64."""
    point = np.array(case[position], float)
    slope = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        moved = []
        for sign in (1, -1):
            there = point.copy()
            there[index] += sign * step
            arguments = list(case)
            arguments[position] = there
            moved.append(np.sum(function(*arguments)))
        slope[index] = (moved[0] - moved[1]) / (2 * step)
    return slope
