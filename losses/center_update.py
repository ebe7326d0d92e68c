"""The step of Eq. 3, while training."""

import keras

from .center_loss import CenterLoss


@keras.saving.register_keras_serializable(package="speaker_bases")
class CenterUpdate(keras.callbacks.Callback):
    """Lets the centres of every `CenterLoss` move while `fit` runs, by alpha of Eq. 3."""

    def __init__(self, alpha=0.5):
        super().__init__()
        self.alpha = alpha

    def on_train_begin(self, logs=None):
        self._set(self.alpha)

    def on_train_end(self, logs=None):
        self._set(0.0)

    def _set(self, alpha):
        for layer in self.model._flatten_layers():
            if isinstance(layer, CenterLoss):
                layer.alpha.assign(alpha)

    def get_config(self):
        return {"alpha": self.alpha}
