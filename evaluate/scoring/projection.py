"""What embeddings go through before PLDA: mean, LDA, length.

Source: Kaldi's ivector-subtract-global-mean, ivector-transform and ivector-normalize-length.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Projection:
    """Subtract a mean, apply LDA, normalise the length.

    Attributes:
        mean: (dim,), or None to subtract none.
        lda: (lda_dim, dim) or, with an offset in the last column, (lda_dim, dim + 1); None to
            leave the dimension as it is.
    """

    mean: np.ndarray | None
    lda: np.ndarray | None

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """The vectors (n, lda_dim) float64 of embeddings (n, dim)."""
        vectors = self.centred(embeddings)
        if self.lda is not None:
            dim = vectors.shape[1]
            vectors = vectors @ self.lda[:, :dim].T
            if self.lda.shape[1] > dim:
                vectors += self.lda[:, dim]
        return with_length(vectors)

    def centred(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings (n, dim) less the mean, float64."""
        vectors = embeddings.astype(np.float64)
        return vectors if self.mean is None else vectors - self.mean


def with_length(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors (n, dim) to the length sqrt(dim); a zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True) / np.sqrt(vectors.shape[1])
    return vectors / np.where(lengths > 0, lengths, 1.0)
