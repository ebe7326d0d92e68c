"""Trial lists as people have them: the label first or last, blanks or commas, a header or none.

The form is the one that every line fits. Where there are two such, or none, the list is refused:
a label is not guessed.
"""

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..command_line import InputError
from .trial_rows import numbered_lines
from .trials import LABELS, PUBLISHED_SIZES, VOXCELEB_LABELS, Trials, known, read_with

_NUMBERS, _WORDS = "1|0", "target|nontarget"
_LABELS = {_NUMBERS: VOXCELEB_LABELS, _WORDS: LABELS}


@dataclass(frozen=True)
class Form:
    """One of the forms.

    Attributes:
        label: what the labels are, ``1|0`` or ``target|nontarget``.
        label_at: which of the three fields it is.
        commas: whether commas stand between the fields, and not blanks.
    """

    label: str
    label_at: int
    commas: bool

    def __str__(self) -> str:
        fields = ["enrol", "test"]
        fields.insert(self.label_at, self.label)
        return f"'{(',' if self.commas else ' ').join(fields)}'"

    def parse(self, line: str) -> tuple[str, str, bool]:
        """Both utterances' names, and whether they are of one speaker.

        Raises:
            ValueError: it has not three fields of this form.
            KeyError: its label is none of this form.
        """
        fields = fields_of(line, self.commas)
        is_target = _LABELS[self.label][fields.pop(self.label_at)]
        enrol, test = fields
        return enrol, test, is_target

    def fits(self, line: str) -> bool:
        """Whether a line is a trial in this form."""
        try:
            self.parse(line)
        except (ValueError, KeyError):
            return False
        return True


FORMS = [
    Form(label, label_at, commas)
    for commas in (False, True)
    for label, label_at in ((_NUMBERS, 0), (_WORDS, 2), (_NUMBERS, 2))
]


def fields_of(line: str, commas: bool) -> list[str]:
    """The three fields of a line.

    Raises:
        ValueError: it has more or fewer, or is of the other kind.
    """
    fields = [field.strip() for field in line.split(",")] if commas else line.split()
    if len(fields) != 3:
        raise ValueError("not three fields")
    if any(field.split() != [field] or field.strip(",") != field for field in fields):
        raise ValueError("commas where blanks are expected, or blanks where commas are")
    return fields


def read_list(path: str | os.PathLike, to_utterance: Callable[[str], str]) -> Trials:
    """Read a trial list in any of `FORMS`.

    Blank lines and a header are passed over: a first line of three words, no trial in the form of
    the lines after it, of which none is an utterance.

    Args:
        path: the list.
        to_utterance: turns a name in the list into an utterance id; raises KeyError for one that
            it does not know, InputError for one that may not be in a list.

    Raises:
        InputError: as `read_trials`; a name that `to_utterance` does not take; or a list that fits
            two forms. Names file and line.
    """
    to_utterance = functools.cache(to_utterance)
    form, skipped = _form_of(path, to_utterance)

    def parse(line: str) -> tuple[str, str, bool]:
        enrol, test, is_target = form.parse(line)
        return known(enrol, to_utterance), known(test, to_utterance), is_target

    lines = (row for row in _filled_lines(path) if row[0] != skipped)
    doubled = os.path.splitext(os.path.basename(path))[0] in PUBLISHED_SIZES
    return read_with(path, parse, str(form), doubled, lines)


def _filled_lines(path: str | os.PathLike) -> Iterator[tuple[int, str]]:
    """Without blank ones, and without the mark that some editors begin a file with."""
    for number, line in numbered_lines(path):
        line = line.removeprefix("\ufeff") if number == 1 else line
        if line.strip():
            yield number, line


def _form_of(path: str | os.PathLike, to_utterance: Callable[[str], str]) -> tuple[Form, int]:
    """The form of a list, and the number of its header's line, or 0."""
    lines = _filled_lines(path)
    first_number, first = next(lines, (0, ""))
    if not first_number:
        raise InputError(f"{path}: the trial list is empty; lines must be {_listed(FORMS)}")
    forms = FORMS
    for number, line in lines:
        forms = _that_fit(forms, path, number, line)
        if len(forms) == 1:
            break
    header = 0
    has_more = len(forms) < len(FORMS)  # no line fits all of them
    if has_more and not any(f.fits(first) for f in forms) and _is_header(first, to_utterance):
        header = first_number
    else:
        forms = _that_fit(forms, path, first_number, first)
    if len(forms) > 1:
        raise InputError(
            f"{path}:{first_number}: every line can be read as {_listed(forms, 'and as')}, which "
            "may be other trials; write the labels as target and nontarget, at the end"
        )
    return forms[0], header


def _that_fit(forms: list[Form], path: str | os.PathLike, number: int, line: str) -> list[Form]:
    fitting = [form for form in forms if form.fits(line)]
    if not fitting:
        raise InputError(
            f"{path}:{number}: expected {_listed(forms)}, found {line.strip()[:80]!r}; correct or "
            "remove it"
        )
    return fitting


def _is_header(line: str, to_utterance: Callable[[str], str]) -> bool:
    try:
        fields = fields_of(line, "," in line)
    except ValueError:
        return False
    return all(map(str.isidentifier, fields)) and not any(_is_one(f, to_utterance) for f in fields)


def _is_one(name: str, to_utterance: Callable[[str], str]) -> bool:
    try:
        to_utterance(name)
    except KeyError:
        return False
    except InputError:  # it is one, and may not be in a list
        pass
    return True


def _listed(forms: list[Form], word: str = "or") -> str:
    names = list(map(str, forms))
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
