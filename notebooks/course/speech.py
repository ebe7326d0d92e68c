"""The notebooks' speech: synthetic voices, made once and kept in `data_notebooks`.

They are espeak-ng's, as in ``./run.sh --corpus synthetic``, but fewer, so that they are made in
half a minute. What `run.sh` has made is not used: a notebook says the same on every machine.
"""

import logging
from pathlib import Path

from speaker_bases.kaldi_feats import extract, prepare

from . import ROOT

DATA = ROOT / "data_notebooks"
TRAIN, TEST = DATA / "train", DATA / "test"
COUNTS = {"train": (60, 8), "test": (12, 6)}
"""Speakers, and utterances of each."""


def corpus() -> Path:
    """Make the corpus with its features, unless it is there.

    Returns:
        Its folder, with the Kaldi data directories `train` and `test`.

    Raises:
        RuntimeError: espeak-ng is not installed, or something else went wrong.
    """
    options = ["--data", DATA, "--nj", 2]
    for name, (speakers, utterances) in COUNTS.items():
        options += [f"--{name}-speakers", speakers, f"--{name}-utterances", utterances]
    logging.getLogger().setLevel(logging.WARNING)
    _run(prepare, "synthetic", *options)
    for folder in (TRAIN, TEST):
        config = ["--nj", 2, "--fbank-config", ROOT / "conf/fbank.conf"]
        _run(extract, *config, folder, folder / "log", folder / "fbank")
    return DATA


def _run(tool, *arguments) -> None:
    if tool.main([str(argument) for argument in arguments]) != 0:
        raise RuntimeError(
            f"{tool.__name__} failed; its message stands above. If it is espeak-ng that is "
            "missing: pip install -e '.[synthetic]', then start this notebook again."
        )
