"""Whether two recordings are of one speaker, and how sure that is."""

import itertools
import math
import os
from collections.abc import Iterable

import numpy as np

from ..command_line import InputError
from ..evaluate.operating_points import NAMED
from .decision import Decision, Rate
from .front_end import Audio, FrontEnd, name_of
from .models import Model, load
from .scorers import load_scorer

TOGETHER = 64
"""Recordings whose features are in memory at a time."""


class Verifier:
    """A trained system that compares recordings.

    Args:
        model: what `models.load` returns.

    Example::

        from speaker_bases.verify import Verifier

        decision = Verifier.load("exp/proposed2/seed0").verify("a.wav", "b.wav")
    """

    def __init__(self, model: Model):
        self.model = model
        self.card = model.card
        self.scorer = load_scorer(self.card["backend"], self.card["dim"], "the model card")
        self._front_end = FrontEnd(self.card["features"])

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        trial_list: str | None = None,
        backend: str | None = None,
        calibrated: bool = True,
    ) -> "Verifier":
        """Load a run's folder or an exported ``.onnx`` file; see `models.load`."""
        return cls(load(path, trial_list, backend, calibrated))

    def embed(self, audio: Iterable[Audio]) -> np.ndarray:
        """The embeddings of recordings, as stage 3 computes them: (recordings, dim) float32.

        Args:
            audio: files, or pairs of samples from -1 to 1 and their rate.

        Raises:
            InputError: one cannot be read, is too short or silent.
        """
        rows = [np.empty((0, self.card["dim"]), np.float32)]
        audio = iter(audio)
        while some := list(itertools.islice(audio, TOGETHER)):
            rows.append(self._embedded(some, [self._front_end(each).values for each in some]))
        return np.concatenate(rows)

    def verify(
        self,
        first: Audio,
        second: Audio,
        threshold: float | None = None,
        point: str = "eer",
        prior: float = 0.5,
    ) -> Decision:
        """Compare two recordings.

        Args:
            first: a file, or samples and their rate.
            second: the other.
            threshold: of the score; the calibration's, at `point`, if None.
            point: one of `operating_points.NAMED`.
            prior: probability that they are of one speaker, before they are heard.

        Raises:
            InputError: a recording cannot be used, or there is neither a threshold nor a
                calibration.
        """
        _check_prior(prior)
        limit, source = self.threshold(threshold, point)
        one, warnings = self.embed_one(first)
        other, more = self.embed_one(second)
        return self.decide(self.score(one[None], other), limit, source, prior, [*warnings, *more])

    def score(self, enrolled: np.ndarray, tested: np.ndarray) -> float:
        """The score of a recording against a speaker.

        Args:
            enrolled: (utterances, dim), embeddings of the speaker.
            tested: (dim,), the embedding of the recording.
        """
        voices = self.scorer.enrol(enrolled, np.array([len(enrolled)]))
        return float(voices.scores(tested)[0])

    def threshold(self, given: float | None = None, point: str = "eer") -> tuple[float, str]:
        """A threshold of the score, and where it comes from.

        Raises:
            InputError: there is neither a given one nor a calibration, or no such point.
        """
        if given is not None:
            if not math.isfinite(given):
                raise InputError(f"a threshold is a finite number, not {given}")
            return float(given), "given"
        calibration = self.card["calibration"]
        if calibration is None:
            name = self.card["backend"]["name"]
            raise InputError(
                f"no calibration of {name} scores, and so no threshold: give one, or calibrate the "
                f"run first (python -m speaker_bases.evaluate.calibrate --backend {name})"
            )
        if point not in NAMED:
            raise InputError(f"no such point {point!r}; there are {', '.join(NAMED)}")
        found = calibration["learnt_from"]
        source = f"{point} of {found['list']} ({found['trials']:,} trials)"
        return float(calibration["thresholds"][point]), source

    def unlike_the_list(self, speaker: str, utterances: int) -> list[str]:
        """A warning if trials of so many enrolled utterances are not what the rates are of."""
        if self.card["calibration"] is None:
            return []
        least, most = self.card["calibration"]["learnt_from"].get("enrol_utterances", (1, 1))
        if least <= utterances <= most:
            return []
        of_list = str(least) if least == most else f"{least} to {most}"
        return [
            f"{speaker} is enrolled with {utterances} utterances, the speakers of the list with "
            f"{of_list}: the ratio and the rates are of these"
        ]

    def decide(
        self,
        score: float,
        threshold: float,
        threshold_from: str,
        prior: float = 0.5,
        warnings: Iterable[str] = (),
    ) -> Decision:
        """What is said of a score; see `Decision`.

        Raises:
            InputError: the prior is none.
        """
        _check_prior(prior)
        calibration = self.card["calibration"]
        llr = probability = rates_on = accept = reject = None
        if calibration is not None:
            llr = calibration["scale"] * score + calibration["offset"]
            probability = _sigmoid(llr + math.log(prior / (1 - prior)))
            rates_on = calibration["learnt_from"]["list"]
            accept, reject = (
                _rate_at(calibration["points"], name, threshold)
                for name in ("false_accept", "false_reject")
            )
        return Decision(
            same=score >= threshold,
            backend=self.card["backend"]["name"],
            score=score,
            threshold=threshold,
            threshold_from=threshold_from,
            llr=llr,
            prior=prior,
            probability=probability,
            rates_on=rates_on,
            false_accept=accept,
            false_reject=reject,
            synthetic=self.card["synthetic"],
            warnings=list(warnings),
        )

    def embed_one(self, audio: Audio) -> tuple[np.ndarray, list[str]]:
        """The embedding (dim,) of one recording, and what may make it less sure.

        Raises:
            InputError: as `embed`.
        """
        features = self._front_end(audio)
        return self._embedded([audio], [features.values])[0], features.warnings

    def _embedded(self, audio: list[Audio], features: list[np.ndarray]) -> np.ndarray:
        embeddings = self.model.embed(features)
        bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1) | ~embeddings.any(axis=1))
        if len(bad):
            name = name_of(audio[bad[0]])
            raise InputError(f"{name}: its embedding has no direction; look at the recording")
        return embeddings


def _check_prior(prior: float) -> None:
    if not 0 < prior < 1:
        raise InputError(f"a prior is a number between 0 and 1, not {prior}")


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _rate_at(points: dict, name: str, threshold: float) -> Rate:
    """An error rate at a threshold, between the points that the calibration has."""
    columns = (points[name], points[f"{name}_low"], points[f"{name}_high"])
    return Rate(*(float(np.interp(threshold, points["threshold"], each)) for each in columns))
