"""Does the interval of `evaluate.difference` hold what it says? Simulated lists, known truth.

Two systems are trained with several seeds each and scored on one list of new speakers. A score is
a sum of normal effects, all but the system's mean drawn anew for every list:

- of each speaker, the same for both systems: some are hard for every system;
- of each speaker with each system, and with each training;
- of each training: it moves the mean of its target scores;
- of each trial, the same for all: its recordings; and of each trial with each training.

So, over the population of speakers, a training's scores are normal, with standard deviation a for
targets around mu and b for non-targets around 0; its EER is Phi(-mu / (a + b)), and the mean of
that over trainings whose mu has standard deviation m is Phi(-mu / sqrt((a + b)^2 + m^2)). Its
minDCF is the least cost over all thresholds, and the mean of that over trainings an integral.
Those are the truths that an interval should cover. Two kinds of lists: with a planted difference
of 1.5 percent points in EER, and with equal systems, which should be called different in at most
5 % of cases.

The lists of one kind and number of speakers serve every number of seeds: the first 1, 3 and 5 of
5 trainings.

    python experiments/comparison_simulation.py --csv docs/real-speech/comparison-simulation.csv
"""

import argparse
import csv
import io
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import NormalDist

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import norm

from speaker_bases.command_line import run_tool
from speaker_bases.evaluate.difference import Difference, difference
from speaker_bases.evaluate.speaker_draws import (
    P_TARGET,
    Rates,
    SpeakerTrials,
    drawn_rates,
    observed_rates,
)
from speaker_bases.files import atomic_write

SPEAKERS = (40, 125)
SEEDS = (1, 3, 5)
EER_A = 0.10
PLANTED = 0.015
UNITS = {"eer": 100.0, "min_dcf": 1.0}
"""What is measured, and what its difference is multiplied by: percent points, and as it is."""

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Effects:
    """Standard deviations of the effects on a score.

    With these the EER is 10 %, and its standard deviation over trainings 0.7 percent points, over
    draws of 40 speakers 1.4 and of 125 speakers 0.75.

    Attributes:
        speaker, own_speaker, training_speaker: of a target trial's speaker; with the system; with
            the training. A non-target trial has half of each from both of its speakers.
        trial, own_trial: of a trial, the same for all trainings, and with one.
        training: of a training, on the mean of the target scores.
    """

    speaker: float = 0.45
    own_speaker: float = 0.25
    training_speaker: float = 0.2
    trial: float = 0.6
    own_trial: float = 0.5
    training: float = 0.072

    @property
    def target(self) -> float:
        """Standard deviation of a training's target scores."""
        parts = self.speaker, self.own_speaker, self.training_speaker, self.trial, self.own_trial
        return float(np.linalg.norm(parts))

    @property
    def nontarget(self) -> float:
        """Standard deviation of a training's non-target scores."""
        speaker = np.linalg.norm([self.speaker, self.own_speaker, self.training_speaker])
        return float(np.linalg.norm([speaker / 2**0.5, self.trial, self.own_trial]))

    def mean_for(self, eer: float) -> float:
        """The system's mean target score at which its EER, averaged over trainings, is `eer`."""
        return -_NORMAL.inv_cdf(eer) * float(np.hypot(self.target + self.nontarget, self.training))

    def min_dcf_for(self, eer: float) -> float:
        """The system's minDCF, averaged over trainings, at which its mean EER is `eer`."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(21)
        means = self.mean_for(eer) + self.training * nodes
        thresholds = np.linspace(0.0, 6 * self.nontarget, 20_001)[:, None]
        misses = norm.cdf((thresholds - means) / self.target)
        alarms = norm.sf(thresholds / self.nontarget)
        costs = P_TARGET * misses + (1 - P_TARGET) * alarms
        return float(np.average(costs.min(axis=0), weights=weights)) / P_TARGET


def simulate_list(
    random: np.random.Generator, speakers: int, seeds: int, means: tuple[float, float]
) -> tuple[np.ndarray, SpeakerTrials]:
    """Draw one list: scores (2, seeds, trials) of A and B, and the trials.

    A speaker has 40 target trials and 120 non-target ones with speakers drawn at random.
    """
    effects = Effects()
    enrol = np.tile(np.arange(speakers), 160)
    is_target = np.arange(len(enrol)) < 40 * speakers
    others = (enrol + random.integers(1, speakers, len(enrol))) % speakers
    test = np.where(is_target, enrol, others)

    def speaker_effects(*shape: int) -> np.ndarray:
        """On each trial; on targets and non-targets independently."""
        of_target = random.normal(size=(*shape, speakers))[..., enrol]
        of_nontarget = random.normal(size=(*shape, speakers))
        both = (of_nontarget[..., enrol] + of_nontarget[..., test]) / 2
        return np.where(is_target, of_target, both)

    scores = effects.own_trial * random.normal(size=(2, seeds, len(enrol)))
    scores += effects.trial * random.normal(size=len(enrol))
    scores += effects.speaker * speaker_effects(1, 1)
    scores += effects.own_speaker * speaker_effects(2, 1)
    scores += effects.training_speaker * speaker_effects(2, seeds)
    of_training = effects.training * random.normal(size=(2, seeds, 1))
    scores += (np.reshape(means, (2, 1, 1)) + of_training) * is_target
    return scores, SpeakerTrials.of(is_target, enrol, test)


def differences(
    random: np.random.Generator, speakers: int, planted: float, draws: int
) -> dict[tuple[str, int], Difference]:
    """The estimated differences on one list, by measure and number of seeds."""
    effects, most = Effects(), max(SEEDS)
    means = effects.mean_for(EER_A), effects.mean_for(EER_A + planted)
    scores, trials = simulate_list(random, speakers, most, means)
    columns = scores.reshape(2 * most, -1)
    seen: Rates = observed_rates(columns, trials.is_target)
    moved: Rates = drawn_rates(columns, trials, draws, seed=int(random.integers(2**31)))
    found = {}
    for measure, unit in UNITS.items():
        rates, drawn = unit * getattr(seen, measure)[0], unit * getattr(moved, measure)
        for seeds in SEEDS:
            a, b = slice(seeds), slice(most, most + seeds)
            found[measure, seeds] = difference(
                rates[a], rates[b], drawn[:, a], drawn[:, b], speakers
            )
    return found


def simulate(lists: int, draws: int, seed: int, jobs: int = 1) -> list[dict]:
    """One row for each measure, number of speakers and of seeds; whatever the number of jobs."""
    kinds = [(speakers, planted) for speakers in SPEAKERS[::-1] for planted in (PLANTED, 0.0)]
    work = (delayed(_many)(*kind, lists, draws, seed) for kind in kinds)
    found = dict(zip(kinds, Parallel(n_jobs=jobs)(work), strict=True))
    effects, eers = Effects(), (EER_A, EER_A + PLANTED)
    truth = {
        "eer": -100 * PLANTED,
        "min_dcf": effects.min_dcf_for(eers[0]) - effects.min_dcf_for(eers[1]),
    }
    rows = []
    for measure, speakers, seeds in product(UNITS, SPEAKERS, SEEDS):
        planted, equal = (
            [each[measure, seeds] for each in found[speakers, kind]] for kind in (PLANTED, 0.0)
        )
        row = {"measure": measure, "speakers": speakers, "seeds": seeds, "lists": lists}
        rows.append(row | _row(planted, equal, truth[measure]))
    return rows


def _many(
    speakers: int, planted: float, lists: int, draws: int, seed: int
) -> list[dict[tuple[str, int], Difference]]:
    random = np.random.default_rng([seed, speakers, int(planted > 0.0)])
    return [differences(random, speakers, planted, draws) for _ in range(lists)]


def _row(planted: list[Difference], equal: list[Difference], truth: float) -> dict[str, str]:
    covered = np.mean([each.low <= truth <= each.high for each in planted])
    called = np.mean([each.p_value < 0.05 for each in equal])
    told = np.mean([each.p_value < 0.05 and each.value < 0 for each in planted])
    width = np.mean([each.high - each.low for each in planted])
    return {
        "covered_percent": f"{100 * covered:.1f}",
        "equal_called_different_percent": f"{100 * called:.1f}",
        "planted_told_percent": f"{100 * told:.1f}",
        "true_difference": f"{truth:.3f}",
        "mean_difference": f"{np.mean([each.value for each in planted]):.3f}",
        "sd_difference": f"{np.std([each.value for each in planted], ddof=1):.3f}",
        "mean_interval_width": f"{width:.3f}",
    }


def main(argv: list[str] | None = None) -> int:
    """Run the simulation and print its table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python experiments/comparison_simulation.py",
        description="How often the 95 % interval of a comparison covers a planted difference of "
        f"{100 * PLANTED:g} percent points, and how often equal systems are called different, on "
        "simulated lists of 40 and 125 speakers with 1, 3 and 5 seeds. With 500 lists it "
        "takes about ten minutes of one core.",
    )
    parser.add_argument("--lists", type=int, default=500, help="lists of each kind (500)")
    parser.add_argument("--draws", type=int, default=200, help="draws of the speakers (200)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes; four at most help (1)")
    parser.add_argument("--csv", type=Path, help="write the table to this file too")
    args = parser.parse_args(argv)
    if min(args.lists, args.draws) < 2:
        parser.error("--lists and --draws must be 2 or more")
    return run_tool(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    table = io.StringIO()
    rows = simulate(args.lists, args.draws, args.seed, args.jobs)
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    print(table.getvalue(), end="")
    if args.csv:
        with atomic_write(args.csv) as file:
            file.write(table.getvalue())


if __name__ == "__main__":
    raise SystemExit(main())
