"""Error rates against naive threshold sweeps, scikit-learn, and what must hold of any of them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from speaker_bases.error_rates import det_curve, eer, min_dcf


@st.composite
def trials(draw):
    """Integer scores from a small range, so that ties abound, and both classes."""
    targets = draw(st.lists(st.integers(-6, 8), min_size=1, max_size=25))
    nontargets = draw(st.lists(st.integers(-8, 6), min_size=1, max_size=25))
    order = draw(st.permutations(range(len(targets) + len(nontargets))))
    scores = np.array(targets + nontargets, dtype=float)[order]
    is_target = np.array([True] * len(targets) + [False] * len(nontargets))[order]
    return scores, is_target


def naive_points(scores, is_target):
    """One threshold after the other, both rates counted anew."""
    points = []
    for threshold in [np.inf, *sorted(set(scores), reverse=True)]:
        accepted = [score >= threshold for score in scores]
        false_alarms = sum(a and not t for a, t in zip(accepted, is_target, strict=True))
        misses = sum(t and not a for a, t in zip(accepted, is_target, strict=True))
        points.append((false_alarms / np.sum(~is_target), misses / np.sum(is_target)))
    return points


def naive_eer(scores, is_target):
    points = naive_points(scores, is_target)
    for (fa0, miss0), (fa1, miss1) in pairwise(points):
        if fa0 < miss0 and fa1 >= miss1:
            # The line through both points, cut with fa = miss.
            share = (miss0 - fa0) / ((miss0 - fa0) + (fa1 - miss1))
            return fa0 + share * (fa1 - fa0)
    raise AssertionError("the curves must cross")


@given(trials())
def test_det_curve_is_the_naive_sweep(data):
    scores, is_target = data
    curve = det_curve(scores, is_target)
    expected = np.array(naive_points(scores, is_target))
    np.testing.assert_allclose(curve.false_alarm, expected[:, 0], atol=1e-12)
    np.testing.assert_allclose(curve.miss, expected[:, 1], atol=1e-12)
    assert curve.thresholds[0] == np.inf
    assert (np.diff(curve.thresholds) < 0).all()


@given(trials())
def test_eer_is_the_naive_sweep(data):
    assert eer(*data) == pytest.approx(naive_eer(*data), abs=1e-12)


@given(trials(), st.floats(0.005, 0.9), st.floats(0.1, 20), st.floats(0.1, 20))
def test_min_dcf_is_the_naive_sweep(data, p_target, c_miss, c_fa):
    costs = [
        c_miss * p_target * miss + c_fa * (1 - p_target) * fa for fa, miss in naive_points(*data)
    ]
    expected = min(costs) / min(c_miss * p_target, c_fa * (1 - p_target))
    assert min_dcf(*data, p_target, c_miss, c_fa) == pytest.approx(expected, rel=1e-9)
    assert 0.0 <= min_dcf(*data, p_target, c_miss, c_fa) <= 1.0 + 1e-12


@given(trials())
def test_det_curve_is_scikit_learns_roc_curve(data):
    false_positive, true_positive, _ = roc_curve(data[1], data[0], drop_intermediate=False)
    curve = det_curve(*data)
    np.testing.assert_allclose(curve.false_alarm, false_positive, atol=1e-12)
    np.testing.assert_allclose(curve.miss, 1 - true_positive, atol=1e-12)


@given(trials(), st.floats(0.1, 10), st.floats(-5, 5))
def test_only_the_order_of_the_scores_counts(data, slope, offset):
    scores, is_target = data
    for changed in (slope * scores + offset, np.exp(scores), np.arctan(scores)):
        assert eer(changed, is_target) == eer(scores, is_target)
        assert min_dcf(changed, is_target, 0.05) == min_dcf(scores, is_target, 0.05)


@given(trials())
def test_swapping_the_classes_and_the_sign_changes_nothing(data):
    scores, is_target = data
    assert eer(-scores, ~is_target) == pytest.approx(eer(scores, is_target), abs=1e-12)


@given(trials(), st.randoms())
def test_the_order_of_the_trials_does_not_count(data, random):
    scores, is_target = data
    order = list(range(len(scores)))
    random.shuffle(order)
    assert eer(scores[order], is_target[order]) == eer(scores, is_target)


def test_known_by_hand():
    # Accepting the best k: fa 0 0 0 1/4 1/4 ..., miss 1 2/3 1/3 1/3 0 ...: they meet on the
    # upright piece from (1/4, 1/3) to (1/4, 0).
    scores = [6, 5, 4, 3, 2, 1, 0]
    is_target = [True, True, False, True, False, False, False]
    assert eer(scores, is_target) == pytest.approx(0.25)
    # p = 0.5: best at fa 1/4, miss 0, over 0.5.
    assert min_dcf(scores, is_target, 0.5) == pytest.approx(0.25)


def test_interpolates_along_a_slanted_piece():
    # Two trials tie: the curve goes straight from (0, 1/2) to (1/3, 0); fa = miss at 1/5.
    assert eer([3, 2, 2, 1, 0], [True, True, False, False, False]) == pytest.approx(0.2)


def test_perfect_and_inverted():
    is_target = np.array([True, True, False, False])
    assert eer([4, 3, 2, 1], is_target) == 0.0
    assert eer([1, 2, 3, 4], is_target) == 1.0
    assert min_dcf([4, 3, 2, 1], is_target, 0.01) == 0.0
    assert min_dcf([1, 2, 3, 4], is_target, 0.01) == 1.0


def test_all_scores_equal_is_chance():
    assert eer([1.0] * 5, [True, False, False, False, False]) == 0.5


@pytest.mark.parametrize(
    ("scores", "is_target", "message"),
    [
        ([1.0, np.nan], [True, False], r"finite.*scores\[1\]"),
        ([np.inf, 1.0], [True, False], "finite"),
        ([1.0, 2.0], [True, True], "2 and 0"),
        ([1.0, 2.0], [False, False], "0 and 2"),
        ([1.0, 2.0], [True], "one shape"),
        ([[1.0, 2.0]], [[True, False]], "one shape"),
        ([1.0, 2.0], [1, 2], "0 and 1"),
        ([], [], "0 and 0"),
    ],
)
def test_refuses(scores, is_target, message):
    for metric in (det_curve, eer):
        with pytest.raises(ValueError, match=message):
            metric(np.array(scores), np.array(is_target))


@pytest.mark.parametrize("p_target", [0.0, 1.0, -0.1, float("nan")])
def test_min_dcf_refuses_impossible_priors(p_target):
    with pytest.raises(ValueError, match="p_target"):
        min_dcf([1.0, 2.0], [True, False], p_target)


def test_min_dcf_refuses_free_errors():
    with pytest.raises(ValueError, match="c_fa"):
        min_dcf([1.0, 2.0], [True, False], 0.1, c_fa=0.0)
