"""Trials drawn from a test set that came without a list: balanced by speaker, by a seed.

Half of them at most are target trials. Of each kind every speaker gives the same number, or all
that it has. Pairs are drawn without replacement, and no two trials have the same two utterances.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..command_line import InputError
from .trials import Trials

log = logging.getLogger(__name__)

MOST_TRIALS = 20_000


@dataclass(frozen=True)
class _Pool:
    """The pairs that one speaker may give: so many, and the one of a number."""

    size: int
    pair: Callable[[int], tuple[str, str]]


def draw_trials(
    utt2spk: Mapping[str, str],
    sessions: Mapping[str, str] | None = None,
    sexes: Mapping[str, str] | None = None,
    most: int = MOST_TRIALS,
    seed: int = 0,
) -> Trials:
    """Draw trials.

    Target trials are across sessions, if at least half of the speakers with two utterances have
    two sessions: the others then give nontarget trials only. Nontarget trials are of speakers of
    the same sex, if any two are; speakers whose sex is not known are compared with each other.

    Args:
        utt2spk: the test set.
        sessions: utterance -> its session, a name that is the speaker's own; none are known if
            None.
        sexes: speaker -> its sex, where that is known.
        most: how many trials there may be in all.
        seed: of the draw; the same seed draws the same trials from the same ids.

    Returns:
        The trials, sorted by their utterances.

    Raises:
        InputError: no pair of one speaker's utterances, or none of two speakers'.
    """
    rng = np.random.default_rng(seed)
    by_speaker: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        by_speaker.setdefault(utt2spk[utterance], []).append(utterance)
    own_sessions = _sessions_to_cross(by_speaker, sessions)
    pools = [_target_pool(found, own_sessions) for found in by_speaker.values()]
    targets = _take(rng, pools, most // 2)
    pools = []
    for group in _groups(by_speaker, sexes or {}):
        order = rng.permutation(len(group))
        pools += _nontarget_pools([by_speaker[group[at]] for at in order])
    nontargets = _take(rng, pools, most // 2)
    if not targets or not nontargets:
        raise InputError(
            f"no trials can be drawn from the {len(utt2spk):,} test utterances of "
            f"{len(by_speaker):,} speakers: {len(targets):,} target and {len(nontargets):,} "
            "nontarget ones; at least two speakers, and two utterances of one, are needed"
        )
    rows = sorted([(*pair, True) for pair in targets] + [(*pair, False) for pair in nontargets])
    enrol, test, is_target = map(list, zip(*rows, strict=True))
    return Trials(enrol, test, np.array(is_target, dtype=bool))


def _sessions_to_cross(
    by_speaker: Mapping[str, list[str]], sessions: Mapping[str, str] | None
) -> Mapping[str, str]:
    """Utterance -> what its partner may not share: its session, or nothing but itself."""
    utterances = {name: name for found in by_speaker.values() for name in found}
    if sessions is None:
        return utterances
    several = [found for found in by_speaker.values() if len(found) > 1]
    crossing = sum(len({sessions[name] for name in found}) > 1 for found in several)
    if 2 * crossing < len(several) or not crossing:
        if crossing:
            log.info("trials within sessions: %d speakers have two, of %d", crossing, len(several))
        return utterances
    log.info("target trials across sessions, of %d speakers of %d", crossing, len(several))
    return sessions


def _groups(by_speaker: Mapping[str, list[str]], sexes: Mapping[str, str]) -> list[list[str]]:
    """The speakers that are compared with each other."""
    groups: dict[str, list[str]] = {}
    for speaker in by_speaker:
        groups.setdefault(sexes.get(speaker, ""), []).append(speaker)
    if all(len(group) < 2 for group in groups.values()):
        return [list(by_speaker)]
    return [groups[sex] for sex in sorted(groups)]


def _target_pool(utterances: list[str], sessions: Mapping[str, str]) -> _Pool:
    """The pairs of a speaker's utterances that differ in their session."""
    utterances = sorted(utterances, key=lambda name: (sessions[name], name))
    names = [sessions[name] for name in utterances]
    ends = np.searchsorted(np.array(names), names, side="right")  # of each one's session
    behind = np.cumsum(len(utterances) - ends)

    def pair(number: int) -> tuple[str, str]:
        first = int(np.searchsorted(behind, number, side="right"))
        second = len(utterances) - (int(behind[first]) - number)
        return tuple(sorted((utterances[first], utterances[second])))

    return _Pool(int(behind[-1]), pair)


def _nontarget_pools(group: list[list[str]]) -> list[_Pool]:
    """A pool for each speaker: its utterances with those of the next half of a circle of them.

    So each two speakers are in one pool only, and all are in as many.
    """
    speakers = len(group)
    circle = [name for _ in range(2) for utterances in group for name in utterances]
    starts = np.concatenate([[0], np.cumsum([len(utterances) for utterances in group * 2])])

    def pool(at: int) -> _Pool:
        opponents = (speakers - 1) // 2 + (speakers % 2 == 0 and at < speakers // 2)
        begin, end = int(starts[at + 1]), int(starts[at + 1 + opponents])

        def pair(number: int) -> tuple[str, str]:
            first, second = divmod(number, end - begin)
            return group[at][first], circle[begin + second]

        return _Pool(len(group[at]) * (end - begin), pair)

    return [pool(at) for at in range(speakers)]


def _take(rng: np.random.Generator, pools: list[_Pool], wanted: int) -> list[tuple[str, str]]:
    """The same number from each pool, or all that it has."""
    pools = [pool for pool in pools if pool.size]
    if not pools:
        return []
    each, left_over = divmod(wanted, len(pools))
    one_more = set(rng.permutation(len(pools))[:left_over].tolist())
    pairs = []
    for at, pool in enumerate(pools):
        share = min(each + (at in one_more), pool.size)
        pairs += [pool.pair(int(k)) for k in rng.choice(pool.size, share, replace=False)]
    return pairs
