"""What a run must not be tested on: features of another kind, and its own training speakers."""

from pathlib import Path

from ..command_line import InputError
from ..kaldi_feats.kinds.record import feature_settings
from ..run_dir import RunDir
from .trial_list import TrialList


def refuse_other_features(config: dict, data_dir: Path, run: RunDir) -> None:
    """Raise an InputError unless a data directory's features are of the system's own kind."""
    trained, given = config["features"], feature_settings(data_dir)
    for name in sorted(trained.keys() | given.keys()):
        if trained.get(name) != given.get(name):
            raise InputError(
                f"{data_dir}: features were made with {name}={given.get(name, '(unset)')}, but "
                f"{run.config} was trained with {name}={trained.get(name, '(unset)')}; "
                "make the features again with the system's settings, or train again"
            )


def refuse_trained_speakers(run: RunDir, trials: TrialList) -> None:
    """Raise an InputError if a speaker of the trials is among the system's training speakers.

    Those that were held out to choose the epoch are among them.
    """
    trained = set(run.read_speakers()) | run.read_held_out()
    present = trials.speakers_in_trials()
    seen = sorted(trained & present)
    if seen:
        some = ", ".join(seen[:3]) + (", ..." if len(seen) > 3 else "")
        raise InputError(
            f"{trials.path}: {len(seen)} of its {len(present)} speakers ({some}) are among the "
            f"training speakers of {run.path}; error rates on speakers seen in training say "
            "nothing about new ones. Take a list of other speakers, or a system trained on others"
        )
