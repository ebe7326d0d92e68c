"""The step size of Eq. 3, while training."""

import keras

from .arguments import check_number
from .center_loss import ALPHA


@keras.saving.register_keras_serializable(package="speaker_bases")
class CenterUpdate(keras.callbacks.Callback):
    """Lets the centres of every `CenterLoss` in the model move while `fit` runs, Eq. 3.

    Sets the layers' `alpha` while training and back to 0 when it ends, so that the centres of a
    trained model are frozen. Eq. 3 itself happens inside the layer. Callbacks that restore weights
    at the end (`EarlyStopping`) come before it in the list, or they would restore `alpha` too.

    Args:
        alpha: Step size of Eq. 3, 0.5 in the paper.

    Raises:
        ValueError: If `alpha` is not between 0 and 1, or, when training begins, if the model has
            no `CenterLoss`.

    Example:

    >>> features, speakers = keras.Input((8,)), keras.Input((), dtype="int32")
    >>> embeddings = CenterLoss(num_speakers=4)(features, speakers)
    >>> model = keras.Model([features, speakers], SpeakerBases(num_speakers=4)(embeddings))
    >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    >>> x, y = np.ones((4, 8), "float32"), np.arange(4)
    >>> history = model.fit([x, y], y, verbose=0, callbacks=[CenterUpdate(alpha=0.5)])
    """

    def __init__(self, alpha=0.5):
        super().__init__()
        self.alpha = check_number("alpha", alpha, least=0, most=1)

    def on_train_begin(self, logs=None):
        if not self._alphas():
            raise ValueError("CenterUpdate found no CenterLoss layer in the model.")

    def on_epoch_begin(self, epoch, logs=None):
        # Not once when training begins: callbacks that load weights then would take it back.
        self._set_alpha(self.alpha)

    def on_train_end(self, logs=None):
        self._set_alpha(0.0)

    def _alphas(self):
        # The weights of a model are all at hand, however deep the layers that have them lie.
        return [weight for weight in self.model.weights if weight.name == ALPHA]

    def _set_alpha(self, alpha):
        for weight in self._alphas():
            weight.assign(alpha)

    def get_config(self):
        return {"alpha": self.alpha}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
