"""A PLDA model with what comes before it: from embeddings to scores."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....command_line import InputError
from ....kaldi_feats.objects import read_matrix, read_vector
from ....run_dir import RunDir
from ....stamp import Stamp
from ..enrolment import Enrolment
from .files import read_plda
from .projection import Projection, with_length
from .two_covariance import Plda


@dataclass(frozen=True)
class Model:
    """What scores embeddings.

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
        enrolled = with_length(models.means(vectors))
        enrolled = self.plda.transformed(enrolled, models.counts, self.simple)
        tested = self.plda.transformed(vectors, simple=self.simple)
        return self.plda.scores(enrolled, models.counts, tested, models.enrol, test)


def load_model(run: RunDir) -> Model:
    """Load a run's model.

    Raises:
        InputError: if it is not there or not complete, or a file is damaged.
    """
    made = Stamp(run.plda_done, {}).read()
    if made is None or not run.plda.is_file():
        raise InputError(f"{run.plda}: no complete PLDA back-end; run stage 4 again")
    projection = Projection(
        read_vector(run.plda_mean) if run.plda_mean.is_file() else None,
        read_matrix(run.plda_lda) if run.plda_lda.is_file() else None,
    )
    return Model(projection, read_plda(run.plda), bool(made.get("simple_length_normalization")))
