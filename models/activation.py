"""What stands between the networks' convolutions."""

from keras import layers

LEAKY_RELU_SLOPE = 0.3
ACTIVATIONS = ("leaky_relu", "relu")


def activation_layer(activation: str, name: str) -> layers.Layer:
    """LeakyReLU(0.3), as the paper says, or ReLU.

    Raises:
        ValueError: if it is neither of `ACTIVATIONS`.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"Invalid value for argument `activation`. Expected one of {list(ACTIVATIONS)}. "
            f"Received: activation={activation!r}"
        )
    return (
        layers.ReLU(name=name)
        if activation == "relu"
        else layers.LeakyReLU(LEAKY_RELU_SLOPE, name=name)
    )
