"""What is found, in words."""

import math

from .decision import Decision, Rate

SYNTHETIC = "this system was trained on synthetic voices: it says nothing of real ones"


def decision_lines(decision: Decision) -> list[str]:
    """A decision for people; the first line says it."""
    lines = [
        "the same speaker" if decision.same else "different speakers",
        f"{decision.backend} {decision.score:.4f}, threshold {decision.threshold:.4f}: "
        f"{decision.threshold_from}",
    ]
    if decision.llr is not None:
        lines.append(
            f"log-likelihood ratio {decision.llr:+.2f}; probability of one speaker "
            f"{decision.probability:.4f} if it was {decision.prior:g} before"
        )
        lines.append(
            f"at this threshold, on {decision.rates_on}: false accepts "
            f"{_percent(decision.false_accept)}, false rejects {_percent(decision.false_reject)} "
            "(95 % over other speakers)"
        )
    if decision.synthetic:
        lines.append(SYNTHETIC)
    return lines + warning_lines(decision.warnings)


def warning_lines(warnings: list[str]) -> list[str]:
    """Warnings for people."""
    return [f"warning: {text}" for text in warnings]


def _percent(rate: Rate) -> str:
    return f"{100 * rate.rate:.2f} % [{100 * rate.low:.2f}, {100 * rate.high:.2f}]"


def card_lines(card: dict) -> list[str]:
    """A model card for people."""
    lines = [
        f"{card['system']} ({card['loss']}), seed {card['seed']}, trained on {card['corpus']}: "
        f"{card['training_speakers']} speakers, {card['training_utterances']} utterances",
        f"embeddings of {card['dim']} values, compared by {card['backend']['name']}; network "
        f"{card['fingerprint']}",
    ]
    if (calibration := card["calibration"]) is None:
        lines.append("not calibrated: a score says nothing by itself")
    else:
        learnt, judged = calibration["learnt_from"], calibration["judged_on"]
        lines.append(f"calibrated on {learnt['list']}: {learnt['trials']:,} trials")
        found = [judged.get(key) for key in ("eer", "eer_low", "eer_high")]
        rate = Rate(*(math.nan if end is None else end for end in found))
        lines.append(
            f"on {judged['list']}: EER {_percent(rate)} (95 % over other speakers); C_llr "
            f"{judged['cllr']:.3f} where {judged['min_cllr']:.3f} is the least, for speakers that "
            "the calibration does not know"
        )
    if card["synthetic"]:
        lines.append(SYNTHETIC)
    return [*lines, f"licences: {card['licences']}", card["must_not_be_used_for"]]
