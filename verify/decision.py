"""What is said of two recordings."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Rate:
    """An error rate on a list, with its 95 % interval over other speakers; fractions."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Decision:
    """What is said of two recordings.

    Attributes:
        same: whether they are taken to be of one speaker: the score reaches the threshold.
        backend: what compares the embeddings, one of `scorers.NAMES`.
        score: of the two embeddings, by the back-end.
        threshold: what it is held against.
        threshold_from: where that comes from: a point of a named list, or the caller.
        llr: natural logarithm of how much likelier the score is if they are of one speaker than
            if they are not; None without a calibration.
        prior: probability of one speaker before the recordings are heard, as the caller says.
        probability: the same after; None without a calibration.
        rates_on: the list that the calibration and the rates are of; None without one.
        false_accept: how often trials of two speakers reach the threshold, on that list.
        false_reject: how often trials of one speaker do not.
        synthetic: the system was trained on synthetic voices.
        warnings: what may make the decision less sure than these rates say.
    """

    same: bool
    backend: str
    score: float
    threshold: float
    threshold_from: str
    llr: float | None
    prior: float
    probability: float | None
    rates_on: str | None
    false_accept: Rate | None
    false_reject: Rate | None
    synthetic: bool
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        """As JSON values."""
        return asdict(self)
