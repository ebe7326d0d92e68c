"""The losses of the paper, each a Keras layer, loss or callback."""
