"""PLDA with what comes before it: from embeddings to scores."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...command_line import InputError
from .enrolment import Enrolment, means_of
from .projection import Projection, with_length
from .two_covariance import Models, Plda


@dataclass(frozen=True)
class PldaScorer:
    """A PLDA model as a `Scorer`; a speaker is as `model_scores` says.

    Attributes:
        projection: what they go through first.
        plda: the model.
        simple: normalise lengths simply; see `Plda.transformed`.
    """

    projection: Projection
    plda: Plda
    simple: bool = False

    def refuse_misfits(self, path: str | Path, dim: int | None = None) -> None:
        """Raise an InputError unless the parts belong together.

        Args:
            path: the model's file, for the message.
            dim: of the embeddings, if they are known.
        """
        mean, lda = self.projection.mean, self.projection.lda
        dim = dim if dim is not None else len(mean) if mean is not None else None
        if mean is not None and len(mean) != dim:
            raise InputError(
                f"{path}: its mean has {len(mean)} numbers, and the embeddings have {dim}; "
                "train the back-end again, or take another model"
            )
        if lda is not None:
            if dim is not None and lda.shape[1] not in (dim, dim + 1):
                raise InputError(
                    f"{path}: its LDA has {lda.shape[1]} columns, and the embeddings "
                    f"{dim} numbers; take the model that goes with them"
                )
            dim = lda.shape[0]
        if dim is not None and len(self.plda.psi) != dim:
            raise InputError(
                f"{path}: a model of {len(self.plda.psi)} dimensions, and there are {dim}; "
                "does an LDA go with it?"
            )

    def scores(self, embeddings: np.ndarray, enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Score trials of two utterances.

        Args:
            embeddings: (utterances, dim).
            enrol: (trials,) int, the row of each trial's first utterance.
            test: (trials,) int, the row of the second.

        Returns:
            (trials,) float64, log likelihood ratios.
        """
        vectors = self.plda.transformed(self.projection(embeddings), simple=self.simple)
        return self.plda.scores(vectors, np.ones(len(vectors), int), vectors, enrol, test)

    def model_scores(
        self, embeddings: np.ndarray, models: Enrolment, test: np.ndarray
    ) -> np.ndarray:
        """Score trials of models: of the mean of what their embeddings become, at its length.

        Args:
            embeddings: (utterances, dim).
            models: the models, and that of each trial.
            test: (trials,) int, the row of each trial's test utterance.

        Returns:
            (trials,) float64, log likelihood ratios.

        Source: ivector-mean, ivector-normalize-length and ivector-plda-scoring --num-utts, as
            Kaldi's recipes combine them.
        """
        vectors = self.projection(embeddings)
        enrolled = self._models(models.means(vectors), models.counts)
        tested = self.plda.transformed(vectors, simple=self.simple)
        return enrolled.scores(tested, models.enrol, test)

    def enrol(
        self, embeddings: np.ndarray, counts: np.ndarray, dtype: np.typing.DTypeLike = np.float64
    ) -> "PldaVoices":
        """See `Scorer`."""
        models = self._models(means_of(self.projection(embeddings), counts), counts)
        kept = {name: getattr(models, name).astype(dtype) for name in ("weights", "offsets")}
        return PldaVoices(self, replace(models, **kept))

    def _models(self, means: np.ndarray, counts: np.ndarray) -> Models:
        return self.plda.models(
            self.plda.transformed(with_length(means), counts, self.simple), counts
        )


@dataclass(frozen=True)
class PldaVoices:
    """See `Voices`.

    Attributes:
        scorer: whose they are.
        models: the speakers.
    """

    scorer: PldaScorer
    models: Models

    def scores(self, embedding: np.ndarray) -> np.ndarray:
        """See `Voices`."""
        vectors = self.scorer.projection(embedding[None])
        return self.models.scores_of(
            self.scorer.plda.transformed(vectors, simple=self.scorer.simple)[0]
        )
