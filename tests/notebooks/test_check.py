"""The exercises: right answers pass, typical wrong ones and blanks fail with a hint."""

import re

import numpy as np
import pytest
from keras import ops


@pytest.fixture(scope="module")
def exercises(course):
    import course.check.exercises as module

    return module


@pytest.fixture(scope="module")
def check(course):
    import course.check as module

    return module


def square(x, y):
    return np.sum(x**2) + 0 * np.sum(y)


@pytest.fixture(scope="module")
def exercise(exercises):
    """The sum of squares of the first argument; no gradient may reach the second."""
    cases = [(np.array([1.0, -2.0], "float32"), np.array([3.0], "float32"))]
    forgot = exercises.Mistake(lambda x, y: ops.sum(ops.abs(x)), "square it")
    return exercises.Function(square, cases, gradient=[0], constant=[1], mistakes=[forgot])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x, y: ops.sum(x * x), "✓ values and gradients agree"),
        (lambda x, y: ops.sum(ops.abs(x)), "expected 5. Hint: square it"),
        (lambda x, y: ops.sum(x * x) + 1, "the value is 6, expected 5."),
        (lambda x, y: x * x, "the shape is (2,), expected ()"),
        (lambda x, y: np.sum(np.asarray(x) ** 2), "no gradient reaches argument 1"),
        (lambda x, y: ops.sum(x * ops.stop_gradient(x)), "the gradient for argument 1 is not"),
        (lambda x, y: ops.sum(x * x) + ops.sum(y - ops.stop_gradient(y)), "reaches argument 2"),
        (lambda x, y: ops.sum(x * x) * float("nan"), "the value is nan"),
        (lambda x, y: None, "three dots"),
        (lambda x, y: 1 / 0, "ZeroDivisionError"),
        (lambda x: x, "TypeError"),
        (..., "three dots"),
        (5, "a function is wanted here"),
    ],
)
def test_a_function_is_compared_in_value_and_gradient(exercise, answer, says):
    verdict = exercise(answer)
    assert says in repr(verdict)
    assert verdict.passed == says.startswith("✓")


@pytest.mark.parametrize(
    ("right", "answer", "passes"),
    [
        (2.0, 2, True),
        (2.0, "two", False),
        (2.0, [2.0, 2.0], False),
        ("callback", " Callback", True),
        ("callback", 1, False),
        ({"a", "b"}, ["b", "a"], True),
        ({"a", "b"}, {"a"}, False),
        ((1.0, 2.0), [1, 2], True),
        (2.0, ..., False),
    ],
)
def test_a_question_takes_what_means_the_same(exercises, right, answer, passes):
    verdict = exercises.Question(right, "because", "a hint")(answer)
    assert verdict.passed == passes
    assert ("because" if passes else "three dots" if answer is ... else "a hint") in verdict.text


def test_an_experiment_says_what_does_not_hold_yet(exercises):
    conditions = [
        (lambda v: len(v) == 2, "measure both"),
        (lambda v: v[0] < v[1], "which is more?"),
    ]
    experiment = exercises.Experiment(conditions, "because")
    assert experiment([1, 2]).passed and "because" in repr(experiment([1, 2]))
    assert "measure both" in experiment([1]).text
    assert "which is more?" in experiment([2, 1]).text
    assert "TypeError" in experiment(5).text


def test_every_exercise_is_in_a_notebook_and_the_other_way_round(project_root, check):
    sources = (project_root / "notebooks").glob("[0-9]_*.py")
    called = [re.findall(r"\bcheck\.(\w+)\(", path.read_text("utf-8")) for path in sources]
    assert {name for names in called for name in names} == set(check.EXERCISES)


def test_typical_wrong_answers_get_their_hint(check):
    for name, exercise in check.EXERCISES.items():
        assert exercise.mistakes, f"{name} knows no wrong answer"
        for mistake in exercise.mistakes:
            verdict = exercise(mistake.answer)
            assert not verdict.passed and mistake.hint in verdict.text, (name, mistake.hint)


def test_blanks_are_noticed(check, exercises):
    for name, exercise in check.EXERCISES.items():
        assert "three dots" in exercise(...).text, name
        if isinstance(exercise, exercises.Function):
            assert "three dots" in exercise(lambda *arguments: None).text, name


def test_an_exercise_that_is_not_there_is_named(check):
    with pytest.raises(AttributeError, match="no exercise 'nothing'"):
        check.nothing  # noqa: B018
