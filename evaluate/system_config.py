"""What a trained system says of itself: its configuration and its training speakers."""

from pathlib import Path

import yaml

from ..kaldi_feats.fbank_options import feature_settings
from ..kaldi_feats.files import InputError
from ..models.experiment import ExperimentDir
from .trial_list import TrialList

REQUIRED = ("system", "seed", "loss", "features")


def load_config(system: ExperimentDir) -> dict:
    """Read a system's ``config.yaml``.

    Raises:
        InputError: if it is missing, is not YAML, or lacks one of `REQUIRED`.
    """
    path = system.config
    if not path.is_file():
        raise InputError(f"{path}: missing; train the system first (stage 2)")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{path}{line}: not YAML; train the system again") from error
    missing = [key for key in REQUIRED if not isinstance(config, dict) or key not in config]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)}; train the system again")
    return config


def refuse_other_features(config: dict, data_dir: Path, system: ExperimentDir) -> None:
    """Raise an InputError unless a data directory's features are of the system's own kind."""
    trained, given = config["features"], feature_settings(data_dir)
    for name in sorted(trained.keys() | given.keys()):
        if trained.get(name) != given.get(name):
            raise InputError(
                f"{data_dir}: features were made with {name}={given.get(name, '(unset)')}, but "
                f"{system.config} was trained with {name}={trained.get(name, '(unset)')}; "
                "make the features again with the system's settings, or train again"
            )


def training_speakers(system: ExperimentDir) -> list[str]:
    """The speakers a system was trained on, in the order of its bases; none for a baseline.

    Raises:
        InputError: if ``speakers.txt`` is missing.
    """
    path = system.speakers
    if not path.is_file():
        raise InputError(f"{path}: missing; finish the training first (stage 2)")
    return path.read_text(encoding="utf-8").split()


def refuse_trained_speakers(system: ExperimentDir, trials: TrialList) -> None:
    """Raise an InputError if a speaker of the trials is among the system's training speakers."""
    trained = set(training_speakers(system))
    present = trials.speakers_in_trials()
    seen = sorted(trained & present)
    if seen:
        some = ", ".join(seen[:3]) + (", ..." if len(seen) > 3 else "")
        raise InputError(
            f"{trials.path}: {len(seen)} of its {len(present)} speakers ({some}) are among the "
            f"training speakers of {system.path}; error rates on speakers seen in training say "
            "nothing about new ones. Take a list of other speakers, or a system trained on others"
        )
