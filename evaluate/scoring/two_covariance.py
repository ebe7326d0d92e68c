"""PLDA with two covariances: the model, and the score of a trial.

A vector is x = mean + y + z: y, the same for a speaker's vectors, of the covariance between
speakers, and z, another for each, of the covariance within. A transform makes the covariance within
speakers unit and the one between them diagonal, psi; then u = transform (x - mean).

References:
    Ioffe: "Probabilistic linear discriminant analysis", ECCV 2006.

Source: Kaldi's src/ivector/plda.cc and src/ivectorbin/ivector-plda-scoring.cc.
"""

from dataclasses import dataclass

import numpy as np

from .row_products import row_products


@dataclass(frozen=True)
class Plda:
    """A trained model.

    Attributes:
        mean: (dim,).
        transform: (dim, dim).
        psi: (dim,), the variances between speakers, from the largest; none is negative.
    """

    mean: np.ndarray
    transform: np.ndarray
    psi: np.ndarray

    def smoothed(self, smoothing: float) -> "Plda":
        """The model whose variances within speakers are larger by `smoothing` times psi.

        Source: SmoothWithinClassCovariance, which ivector-copy-plda --smoothing calls.
        """
        within = 1.0 + smoothing * self.psi
        return Plda(self.mean, self.transform / np.sqrt(within)[:, None], self.psi / within)

    def transformed(
        self, vectors: np.ndarray, counts: np.ndarray | float = 1.0, simple: bool = False
    ) -> np.ndarray:
        """The vectors u with their length normalised.

        A mean of n vectors has the covariance psi + 1 / n: it is scaled so that
        sum_i u_i^2 / (psi_i + 1 / n) is the dimension.

        Args:
            vectors: (n, dim).
            counts: (n,) or one number, of how many vectors each is the mean.
            simple: scale to the length sqrt(dim) instead.

        Returns:
            (n, dim) float64.

        Source: TransformIvector.
        """
        transformed = (vectors - self.mean) @ self.transform.T
        if simple:
            variance = np.ones(len(self.psi))
        else:
            variance = self.psi + 1.0 / np.reshape(counts, (-1, 1))
        squared = (transformed**2 / variance).sum(axis=1, keepdims=True)
        return transformed * np.sqrt(len(self.psi) / np.where(squared > 0, squared, 1.0))

    def scores(
        self,
        enrolled: np.ndarray,
        counts: np.ndarray,
        tested: np.ndarray,
        enrol: np.ndarray,
        test: np.ndarray,
    ) -> np.ndarray:
        """The log likelihood ratio of every trial: of one speaker against of two.

        With u the mean of n vectors of the enrolled speaker, and v the one in the test::

            log N(v; n psi / (n psi + 1) u, 1 + psi / (n psi + 1)) - log N(v; 0, 1 + psi)

        of which each product of an element of u and one of v is a product of two rows, and what
        depends on u or v alone is computed once for each.

        Args:
            enrolled: (models, dim), `transformed`.
            counts: (models,) int, n of each.
            tested: (utterances, dim), `transformed`.
            enrol: (trials,) int, the row of each trial's model.
            test: (trials,) int, the row of its utterance.

        Returns:
            (trials,) float64.

        Source: LogLikelihoodRatio.
        """
        return self.models(enrolled, counts).scores(tested, enrol, test)

    def models(self, enrolled: np.ndarray, counts: np.ndarray) -> "Models":
        """What of `scores` belongs to the enrolled speakers.

        Args:
            enrolled: (models, dim), `transformed`.
            counts: (models,) int, of how many vectors each is the mean.
        """
        numbers, kind = np.unique(counts, return_inverse=True)
        posterior = numbers[:, None] * self.psi + 1.0  # (kinds, dim)
        shrinkage = (posterior - 1.0) / posterior
        given, unknown = 1.0 + self.psi / posterior, 1.0 + self.psi
        constant = 0.5 * (np.log(unknown) - np.log(given)).sum(axis=1)
        means = shrinkage[kind] * enrolled
        return Models(
            weights=means / given[kind],
            offsets=constant[kind] - 0.5 * (means**2 / given[kind]).sum(axis=1),
            kind=kind,
            squares=0.5 * (1.0 / unknown - 1.0 / given),
        )


@dataclass(frozen=True)
class Models:
    """Enrolled speakers: a score is ``weights . v + squares . v^2 + offset``.

    Attributes:
        weights: (models, dim).
        offsets: (models,).
        kind: (models,) int, which of `squares` is each one's: those of as many vectors share one.
        squares: (kinds, dim).
    """

    weights: np.ndarray
    offsets: np.ndarray
    kind: np.ndarray
    squares: np.ndarray

    def scores(self, tested: np.ndarray, enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
        """The score of every trial (trials,) float64; see `Plda.scores`."""
        of_test = tested**2 @ self.squares.T  # (utterances, kinds)
        scores = row_products(self.weights, enrol, tested, test)
        scores += self.offsets[enrol]
        scores += of_test[test, self.kind[enrol]]
        return scores

    def scores_of(self, vector: np.ndarray) -> np.ndarray:
        """The score of every model (models,) against one vector (dim,), `transformed`."""
        scores = self.weights @ vector.astype(self.weights.dtype)
        scores += self.offsets
        scores += (self.squares @ vector**2).astype(self.weights.dtype)[self.kind]
        return scores
