"""The error rates, which training needs too; see `speaker_bases.error_rates`."""

from ..error_rates import (
    DetCurve,
    check_trials,
    crossing,
    det_curve,
    eer,
    last_of_ties,
    min_dcf,
)

__all__ = [
    "DetCurve",
    "check_trials",
    "crossing",
    "det_curve",
    "eer",
    "last_of_ties",
    "min_dcf",
]
