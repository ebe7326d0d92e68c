"""Is one system better than another? Every pair of systems on one trial list.

Pure functions on arrays. What is sure about a difference is in `difference`; what a draw of the
speakers does to every system, in `speaker_draws`.

References:
    Holm: "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6(2), 1979.
"""

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .difference import Difference, difference
from .speaker_draws import SpeakerTrials, drawn_rates, observed_rates


@dataclass(frozen=True)
class Comparison:
    """Two systems on one list.

    Attributes:
        a, b: their names.
        seeds_a, seeds_b: how many trainings of each there are.
        speakers: how many speakers the list has.
        eer: difference in EER, percent points.
        min_dcf: difference in minDCF(0.01).
        named: whether the comparison was decided on before the results were seen.
    """

    a: str
    b: str
    seeds_a: int
    seeds_b: int
    speakers: int
    eer: Difference
    min_dcf: Difference
    named: bool

    @property
    def covers_seeds(self) -> bool:
        """Whether the intervals are about other trainings too, not only about other speakers."""
        return min(self.seeds_a, self.seeds_b) > 1


def compare_systems(
    systems: Mapping[str, ArrayLike],
    is_target: ArrayLike,
    enrol_speakers: ArrayLike,
    test_speakers: ArrayLike,
    named: Collection[tuple[str, str]] = (),
    correct_named: bool = False,
    draws: int = 1000,
    seed: int = 0,
) -> list[Comparison]:
    """Every pair of systems on one trial list, in the systems' order.

    Args:
        systems: name -> scores (seeds, trials), finite; two systems or more.
        is_target: (trials,) bool.
        enrol_speakers: (trials,) speaker names or numbers of the first utterance.
        test_speakers: (trials,) the same of the second.
        named: pairs that were decided on before the results were seen; each appears in the order
            given here. All other pairs are exploratory, and their p-values are corrected among
            themselves by Holm's method.
        correct_named: correct the named ones' p-values too, among themselves.
        draws: of the speakers.
        seed: of the draws.

    Raises:
        ValueError: for fewer than two systems, a named pair of others, a pair named twice, or
            scores and speakers as `SpeakerTrials.of` and `drawn_rates` say.
    """
    trials = SpeakerTrials.of(is_target, enrol_speakers, test_speakers)
    pairs = _ordered_pairs(list(systems), list(named))
    scores = {name: np.atleast_2d(matrix) for name, matrix in systems.items()}
    together = np.concatenate(list(scores.values()))
    drawn = drawn_rates(together, trials, draws, seed)
    observed = observed_rates(together, trials.is_target)
    ends = np.cumsum([len(matrix) for matrix in scores.values()])
    columns = {
        name: slice(end - len(scores[name]), end) for name, end in zip(scores, ends, strict=True)
    }

    def differ(a: str, b: str, at: int, scale: float) -> Difference:
        seen, moved = scale * observed[at][0], scale * drawn[at]
        in_a, in_b = columns[a], columns[b]
        return difference(
            seen[in_a], seen[in_b], moved[:, in_a], moved[:, in_b], trials.num_speakers
        )

    found = [
        Comparison(
            a=a,
            b=b,
            seeds_a=len(scores[a]),
            seeds_b=len(scores[b]),
            speakers=trials.num_speakers,
            eer=differ(a, b, 0, 100.0),
            min_dcf=differ(a, b, 1, 1.0),
            named=(a, b) in set(named),
        )
        for a, b in pairs
    ]
    return _corrected(found, correct_named)


def _ordered_pairs(names: list[str], named: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if len(names) < 2:
        raise ValueError(f"A comparison needs two systems or more. Received: {names}")
    turned = {}
    for pair in named:
        if len(set(pair)) < 2 or not set(pair) <= set(names):
            raise ValueError(f"Expected a pair of two of {names}. Received: {pair}")
        if frozenset(pair) in turned:
            raise ValueError(f"The pair {pair} is named twice.")
        turned[frozenset(pair)] = pair
    return [turned.get(frozenset(pair), pair) for pair in itertools.combinations(names, 2)]


def _corrected(comparisons: list[Comparison], correct_named: bool) -> list[Comparison]:
    """The comparisons with `p_adjusted` set, each kind corrected among itself."""
    found = list(comparisons)
    for named in (False, True):
        family = [at for at, comparison in enumerate(found) if comparison.named == named]
        if named and not correct_named:
            continue
        for measure in ("eer", "min_dcf"):
            differences = [getattr(found[at], measure) for at in family]
            adjusted = holm(np.array([each.p_value for each in differences]))
            for at, each, p_value in zip(family, differences, adjusted, strict=True):
                new = replace(each, p_adjusted=float(p_value))
                found[at] = replace(found[at], **{measure: new})
    return found


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values (comparisons,): that any of them errs is then below the level."""
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1) * p_values[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted
