"""The arguments of the losses, checked where they are given."""

import math
import numbers
import operator

REDUCTIONS = {
    "sum": "sum",
    "mean": "mean",
    "sum_over_batch_size": "mean",
    None: None,
    "none": None,
}


def invalid(name: str, expected: str, value) -> ValueError:
    """The error that says what was expected of an argument and what it got."""
    return ValueError(
        f"Invalid value for argument `{name}`. Expected {expected}. Received: {name}={value!r}"
    )


def check_number(
    name: str,
    value: float,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
) -> float:
    """``value`` as a Python number, NumPy's numbers too.

    Args:
        name: Name of the argument.
        value: Its value.
        least: Smallest allowed value.
        most: Largest allowed value.
        above: What the value has to be larger than.

    Raises:
        ValueError: If it is no number, a bool, not finite or out of these bounds.
    """
    if not _is_number(value) or not (least <= value <= most and above < value < math.inf):
        raise invalid(name, _bounds(least, most, above), value)
    return operator.index(value) if hasattr(value, "__index__") else float(value)


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _bounds(least: float, most: float, above: float) -> str:
    if above > -math.inf:
        return f"a finite number above {above}"
    if most < math.inf:
        return f"a number between {least} and {most}"
    return f"a finite number of at least {least}" if least > -math.inf else "a finite number"


def check_count(name: str, value: int) -> int:
    """``value`` as an int, NumPy's integers too; a ValueError if it is no positive integer."""
    is_count = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_count or operator.index(value) < 1:
        raise invalid(name, "a positive integer", value)
    return operator.index(value)


def check_bool(name: str, value: bool) -> bool:
    """``value`` itself, or a ValueError if it is neither True nor False."""
    if not isinstance(value, bool):
        raise invalid(name, "True or False", value)
    return value


def check_word(name: str, value: str, words: tuple[str, ...]) -> str:
    """``value`` itself, or a ValueError if it is none of the words."""
    if value not in words:
        raise invalid(name, " or ".join(map(repr, words)), value)
    return value


def check_reduction(reduction: str | None, scalar: bool = False) -> str | None:
    """``reduction`` as ``"sum"``, ``"mean"`` or None, from Keras's words for them too.

    Args:
        reduction: ``"sum"``; ``"mean"`` or ``"sum_over_batch_size"``; None or ``"none"``.
        scalar: Whether one number is needed, which None does not give.

    Raises:
        ValueError: If it is another word, or None where one number is needed.
    """
    known = isinstance(reduction, str | None) and reduction in REDUCTIONS
    if not known or (scalar and REDUCTIONS[reduction] is None):
        expected = "'sum' or 'mean' (also 'sum_over_batch_size')"
        expected += ", as what is added to the loss is one number" if scalar else ", or None"
        raise invalid("reduction", expected, reduction)
    return REDUCTIONS[reduction]


def check_num_negatives(num_negatives: int, num_speakers: int) -> None:
    """Raise a ValueError if there are fewer than ``num_negatives`` other speakers."""
    if num_negatives > num_speakers - 1:
        expected = f"at most num_speakers - 1 = {num_speakers - 1}, the number of other speakers"
        raise invalid("num_negatives", expected, num_negatives)
