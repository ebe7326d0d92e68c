"""The settings of an i-vector system."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Sizes and iterations; the defaults are Nagrani et al.'s sizes and Kaldi's VoxCeleb recipe.

    Attributes:
        components: Gaussians of the mixture.
        dim: numbers of an i-vector.
        initial_frames: frames, drawn at random, that the mixture begins with.
        initial_iterations: of EM over them, the first half of which split components.
        subsample: every so many frames count for the mixtures.
        diagonal_iterations: of EM over all recordings for diagonal covariances.
        full_iterations: the same for full covariances.
        extractor_iterations: the same for the total-variability matrix.
        selected: components that count for a frame.
        least_posterior: smaller posteriors are taken for 0.
        delta_window: frames to either side that a delta is of.
        delta_order: how many derivatives.
        cmn_window: frames of the sliding mean.
    """

    components: int = 1024
    dim: int = 400
    initial_frames: int = 500_000
    initial_iterations: int = 20
    subsample: int = 5
    diagonal_iterations: int = 4
    full_iterations: int = 4
    extractor_iterations: int = 5
    selected: int = 20
    least_posterior: float = 0.025
    delta_window: int = 3
    delta_order: int = 2
    cmn_window: int = 300
