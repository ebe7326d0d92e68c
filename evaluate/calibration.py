"""From scores to log-likelihood ratios, and how good these are.

References:
    Brümmer, du Preez: "Application-independent evaluation of speaker detection", Computer Speech
    and Language 20, 2006 (C_llr, minimum by the PAV algorithm).
    Brümmer et al.: "Fusion of heterogeneous speaker recognition systems in the STBU submission for
    the NIST speaker recognition evaluation 2006", IEEE TASLP 15, 2007 (prior-weighted logistic
    regression).
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ..error_rates import check_trials

FOLDS = 5
"""Groups of speakers of a cross-validation."""

# A penalty on the squared slope of standardised scores: without one, the slope of scores that
# separate the two kinds of trials without an error has no end.
_SMALL = 1e-6


@dataclass(frozen=True)
class Calibration:
    """``llr = scale score + offset``: the natural logarithm of a likelihood ratio.

    Attributes:
        scale: above 0.
        offset: what a score of 0 says.
    """

    scale: float
    offset: float

    def llr(self, scores: np.ndarray) -> np.ndarray:
        """The log-likelihood ratios of scores: same shape, float64."""
        return self.scale * np.asarray(scores, dtype=np.float64) + self.offset


def fit_calibration(scores: np.ndarray, is_target: np.ndarray, prior: float = 0.5) -> Calibration:
    """Prior-weighted logistic regression.

    Minimises ``prior mean_targets log(1 + e^-(llr + logit prior)) + (1 - prior) mean_nontargets
    log(1 + e^(llr + logit prior))``.

    Args:
        scores: (trials,) finite.
        is_target: (trials,) bool; both kinds must occur.
        prior: probability of a target trial where the decisions are to be best.

    Raises:
        ValueError: as `error_rates.det_curve`; or a higher score does not speak for one speaker.
    """
    scores, is_target = check_trials(scores, is_target)
    mean, std = scores.mean(), scores.std() or 1.0
    weights = np.where(is_target, prior / is_target.sum(), (1 - prior) / (~is_target).sum())
    model = LogisticRegression(C=0.5 / _SMALL, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    model.fit(((scores - mean) / std)[:, None], is_target, sample_weight=weights)
    scale = float(model.coef_[0, 0]) / std
    if scale <= 0:
        raise ValueError("Expected higher scores to speak for the same speaker; here they do not")
    offset = float(model.intercept_[0]) - scale * mean - np.log(prior / (1 - prior))
    return Calibration(scale, float(offset))


def held_out_llrs(
    scores: np.ndarray,
    is_target: np.ndarray,
    enrol_speakers: np.ndarray,
    test_speakers: np.ndarray,
    prior: float = 0.5,
    folds: int = FOLDS,
    seed: int = 0,
) -> np.ndarray:
    """The log-likelihood ratio of every trial by a calibration that knows neither of its speakers.

    The speakers are dealt into `folds` groups. A trial between two groups (or within one) is
    judged by what is learnt from all trials without a speaker of these.

    Args:
        scores: (trials,) finite.
        is_target: (trials,) bool.
        enrol_speakers: (trials,) int, the first utterance's speaker.
        test_speakers: (trials,) int, the second's.
        prior: as in `fit_calibration`.
        folds: groups of speakers, 3 or more.
        seed: of the groups.

    Raises:
        ValueError: as `fit_calibration`, for what is left of the trials.
    """
    names, place = np.unique(np.concatenate([enrol_speakers, test_speakers]), return_inverse=True)
    group = np.random.default_rng(seed).permutation(np.arange(len(names)) % folds)[place]
    first, second = group[: len(scores)], group[len(scores) :]
    low, high = np.minimum(first, second), np.maximum(first, second)
    llrs = np.full(len(scores), np.nan)
    for a, b in combinations_with_replacement(range(folds), 2):
        judged = (low == a) & (high == b)
        if judged.any():
            learnt = ~np.isin(first, (a, b)) & ~np.isin(second, (a, b))
            calibration = fit_calibration(scores[learnt], is_target[learnt], prior)
            llrs[judged] = calibration.llr(scores[judged])
    return llrs


def cllr(llrs: np.ndarray, is_target: np.ndarray) -> float:
    """The cost of log-likelihood ratios in bits: 0 for an oracle, 1 for saying nothing.

    ``1/2 (mean_targets log2(1 + e^-llr) + mean_nontargets log2(1 + e^llr))``

    Args:
        llrs: (trials,) natural logarithms.
        is_target: (trials,) bool; both kinds must occur.

    Raises:
        ValueError: as `error_rates.det_curve`.
    """
    llrs, is_target = check_trials(llrs, is_target)
    return _cllr(llrs, is_target)


def min_cllr(scores: np.ndarray, is_target: np.ndarray) -> float:
    """The smallest `cllr` that any rising function of the scores has (isotonic regression, PAV).

    Args:
        scores: (trials,) finite.
        is_target: (trials,) bool; both kinds must occur.

    Raises:
        ValueError: as `error_rates.det_curve`.
    """
    scores, is_target = check_trials(scores, is_target)
    posterior = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(scores, is_target)
    share = is_target.mean()
    with np.errstate(divide="ignore"):  # where all are of one kind, the ratio has no bound
        llrs = np.log(posterior) - np.log1p(-posterior) - np.log(share / (1 - share))
    return _cllr(llrs, is_target)


def _cllr(llrs: np.ndarray, is_target: np.ndarray) -> float:
    costs = np.logaddexp(0.0, -llrs[is_target]).mean() + np.logaddexp(0.0, llrs[~is_target]).mean()
    return float(costs / (2 * np.log(2)))


def actual_dcf(
    llrs: np.ndarray,
    is_target: np.ndarray,
    p_target: float,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> float:
    """The normalised detection cost at the threshold that log-likelihood ratios call for.

    A trial is accepted if its ratio is at least ``log(c_fa (1 - p_target) / (c_miss p_target))``.
    Beside `error_rates.min_dcf` it tells what the calibration costs.

    Args:
        llrs: (trials,) natural logarithms.
        is_target: (trials,) bool; both kinds must occur.
        p_target: prior probability of a target trial, between 0 and 1.
        c_miss: cost of a miss.
        c_fa: cost of a false alarm.

    Raises:
        ValueError: as `error_rates.det_curve`.
    """
    llrs, is_target = check_trials(llrs, is_target)
    miss_cost, fa_cost = c_miss * p_target, c_fa * (1.0 - p_target)
    accepted = llrs >= np.log(fa_cost / miss_cost)
    miss, false_alarm = 1.0 - accepted[is_target].mean(), accepted[~is_target].mean()
    return float((miss_cost * miss + fa_cost * false_alarm) / min(miss_cost, fa_cost))
