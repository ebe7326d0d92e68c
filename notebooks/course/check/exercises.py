"""The three kinds of exercise: a function to write, a question, an experiment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .gradients import finite_differences, values_and_gradients

RIGHT, WRONG = "✓", "✗"
BLANK = "if the three dots are still there, put your answer in their place."


@dataclass(frozen=True)
class Verdict:
    """What a check says; it prints itself.

    Attributes:
        passed: whether the answer is right.
        text: why, or a hint.
    """

    passed: bool
    text: str

    def __repr__(self):
        return f"{RIGHT if self.passed else WRONG} {self.text}"


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer.

    Attributes:
        answer: it; a function, or what a question was answered with.
        hint: what to think about.
    """

    answer: Any
    hint: str


@dataclass(frozen=True)
class Exercise:
    """What all kinds share; calling it with an answer gives a `Verdict`.

    Several answers are judged together, as a tuple.

    Attributes:
        mistakes: typical wrong answers, each with its hint.
    """

    mistakes: Sequence[Mistake] = field(default=(), kw_only=True)

    def __call__(self, *answers) -> Verdict:
        if any(answer is ... for answer in answers):
            return Verdict(False, f"no answer; {BLANK}")
        return self.judge(answers[0] if len(answers) == 1 else answers)

    def judge(self, answer) -> Verdict:
        raise NotImplementedError


@dataclass(frozen=True)
class Function(Exercise):
    """A function to write, compared with a NumPy reference: values, and gradients if asked.

    The gradients of the answer (TensorFlow's) are compared with finite differences of the
    reference, in float64. An answer that is wrong in the same way as a known mistake gets the hint
    that belongs to it.

    Attributes:
        reference: the same in NumPy, on float64.
        cases: the arguments of each call, tuples of arrays and numbers; an array of float32 in
            the answer's call is one of float64 in the reference's.
        gradient: the positions of the arguments whose gradient is compared.
        constant: the positions of the arguments that no gradient may reach.
        tolerance: of values and gradients, relative to the largest of them.
    """

    reference: Callable
    cases: Sequence[tuple]
    gradient: Sequence[int] = ()
    constant: Sequence[int] = ()
    tolerance: float = 1e-3

    def judge(self, answer) -> Verdict:
        if not callable(answer):
            return Verdict(False, f"a function is wanted here, not {answer!r}.")
        checked = sorted([*self.gradient, *self.constant])
        for number, case in enumerate(self.cases, start=1):
            try:
                values, gradients = values_and_gradients(answer, case, checked)
            except Exception as error:  # whatever a student's code may raise
                return Verdict(False, f"case {number}: {type(error).__name__}: {error}")
            if values is None:
                return Verdict(False, f"the function returns nothing; {BLANK}")
            complaint = self._complaint(case, values, gradients)
            if complaint:
                hint = self._hint(case, values, gradients, checked)
                return Verdict(False, f"case {number}: {complaint}{hint}")
        what = "values and gradients agree" if checked else "the values agree"
        return Verdict(True, f"{what} in {len(self.cases)} cases.")

    def _complaint(self, case, values, gradients) -> str:
        """What is wrong in a case; empty if nothing is."""
        expected = np.asarray(self.reference(*in_float64(case)), float)
        if np.shape(values) != expected.shape:
            return f"the shape is {np.shape(values)}, expected {expected.shape}."
        if not close(values, expected, self.tolerance):
            return f"the value is {brief(values)}, expected {brief(expected)}."
        for position in self.gradient:
            if gradients[position] is None:
                return (
                    f"the value is right, but no gradient reaches argument {position + 1}: "
                    "compute with keras.ops, not NumPy, and stop no gradient."
                )
            slope = finite_differences(self.reference, in_float64(case), position)
            if not close(gradients[position], slope, self.tolerance):
                return f"the value is right, the gradient for argument {position + 1} is not."
        for position in self.constant:
            if gradients[position] is not None and np.any(gradients[position]):
                return f"the value is right, but a gradient reaches argument {position + 1}."
        return ""

    def _hint(self, case, values, gradients, checked) -> str:
        for mistake in self.mistakes:
            known, slopes = values_and_gradients(mistake.answer, case, checked)
            same = np.shape(known) == np.shape(values) and close(values, known, self.tolerance)
            if same and all(_same(gradients[at], slopes[at], self.tolerance) for at in checked):
                return f" Hint: {mistake.hint}"
        return ""


@dataclass(frozen=True)
class Question(Exercise):
    """A question with one right answer: a number, a word, or a set of them.

    Attributes:
        right: the answer; a string is compared without regard to case.
        because: why, said when the answer is right.
        tolerance: of numbers, absolute.
        hint: said for a wrong answer that is none of the `mistakes`.
    """

    right: Any
    because: str
    hint: str
    tolerance: float = 1e-3

    def judge(self, answer) -> Verdict:
        if self._equal(answer, self.right):
            return Verdict(True, self.because)
        hints = [m.hint for m in self.mistakes if self._equal(answer, m.answer)]
        return Verdict(False, f"{answer!r} is not it. Hint: {hints[0] if hints else self.hint}")

    def _equal(self, one, other) -> bool:
        if isinstance(other, str):
            return isinstance(one, str) and one.strip().casefold() == other.casefold()
        if isinstance(other, set | frozenset):
            return isinstance(one, set | frozenset | list | tuple) and set(one) == other
        try:
            one = np.asarray(one, float)
        except (TypeError, ValueError):
            return False
        return one.shape == np.shape(other) and np.allclose(one, other, 0, self.tolerance)


@dataclass(frozen=True)
class Experiment(Exercise):
    """Something to try: the answer is what was measured, and has to have some properties.

    Attributes:
        conditions: pairs of a predicate of the answer and the hint for where it is false, in the
            order in which they are tried.
        because: what the experiment shows, said when all hold.
    """

    conditions: Sequence[tuple[Callable[[Any], bool], str]]
    because: str

    def judge(self, answer) -> Verdict:
        for holds, hint in self.conditions:
            try:
                passed = bool(holds(answer))
            except Exception as error:  # whatever a student's measurement may be
                hint = f"{hint} ({type(error).__name__}: {error})"
                passed = False
            if not passed:
                return Verdict(False, f"Hint: {hint}")
        return Verdict(True, self.because)


EXERCISES: dict[str, Exercise] = {}
"""All exercises by name."""


def add(name: str, exercise: Exercise) -> None:
    """Add an exercise, which is ``check.<name>`` from then on."""
    if name in EXERCISES:
        raise ValueError(f"there are two exercises {name!r}")
    EXERCISES[name] = exercise


def close(one, other, tolerance: float) -> bool:
    """Whether two arrays are the same up to a share of the largest number in either."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    if not np.all(np.isfinite(one)):
        return False
    scale = max(np.abs(one).max(initial=0), np.abs(other).max(initial=0), 1e-6)
    return bool(np.all(np.abs(one - other) <= tolerance * scale))


def _same(one, other, tolerance: float) -> bool:
    if one is None or other is None:
        return one is None and other is None
    return close(one, other, tolerance)


def in_float64(case: tuple) -> tuple:
    """The arguments of a case, float32 arrays as float64."""
    return tuple(
        value.astype(float) if getattr(value, "dtype", None) == np.float32 else value
        for value in case
    )


def brief(values) -> str:
    """Numbers as a student wants to read them."""
    values = np.asarray(values, float)
    return f"{values:.5g}" if values.ndim == 0 else np.array2string(values, precision=4)
