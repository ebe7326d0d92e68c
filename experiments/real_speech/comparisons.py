"""Which differences are real: the comparison of the trained systems, from their stored scores."""

from pathlib import Path

from planned_runs import Run

from speaker_bases.evaluate.compared_systems import from_stored
from speaker_bases.evaluate.comparison import compare_systems
from speaker_bases.evaluate.comparison_tables import as_markdown

NAMED = [
    ("proposed2", "softmax"),
    ("proposed2", "center"),
    ("proposed2", "am_softmax"),
    ("proposed2", "ge2e"),
    ("proposed1", "center"),
]
"""Decided on before the first test score of a trained system was seen."""

NOT_MADE = 'Not made yet: it needs two of the systems that the tables above call "not run".'


def comparison(runs: list[Run], scores: Path, trial_list: str, draws: int = 1000) -> str:
    """The matrix and the table of all pairs on one list, as Markdown.

    Args:
        runs: the plan and what was made of it.
        scores: the folder of stored scores.
        trial_list: one of its lists.
        draws: of the list's speakers.

    Raises:
        InputError: stored scores are broken, or not of the list.
    """
    made = [run.name for run in runs if run.data == "train" and run.on(trial_list)]
    if len(made) < 2:
        return NOT_MADE
    systems = from_stored(scores, trial_list, made)
    named = [pair for pair in NAMED if set(pair) <= set(made)]
    comparisons = compare_systems(
        systems.scores,
        systems.is_target,
        systems.enrol_speakers,
        systems.test_speakers,
        named=named,
        draws=draws,
    )
    title = f"{trial_list}: {len(systems.is_target):,} trials, {comparisons[0].speakers} speakers"
    return as_markdown(title, comparisons).strip()
