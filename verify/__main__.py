"""`speaker-bases`: compare recordings, enrol and identify voices, export a model."""

import argparse
import json
import sys
from pathlib import Path

from ..command_line import InputError, run_tool
from ..evaluate.operating_points import NAMED
from ..registry import add_plugin_option, load_plugins
from . import scorers
from .lines import card_lines, decision_lines, warning_lines
from .models import fingerprint
from .store import VoiceStore
from .verifier import Verifier
from .voices import EnrolledVoices

SAME, DIFFERENT, ERROR = 0, 1, 2
"""Exit codes."""


def main(argv: list[str] | None = None) -> int:
    """Run one of the subcommands; returns the exit code."""
    parser = _parser()
    args = parser.parse_args(argv)

    def body() -> int:
        if args.run is not None:
            load_plugins(argv)  # it may be of a plugin's network
        return args.body(args)

    return run_tool(body, failure=ERROR)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="speaker-bases",
        description="A trained system as a tool. Exit codes: 0 the same speaker (or: found, done), "
        "1 another one (nobody enrolled), 2 an error.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    verify = _command(commands, "verify", _verify, "whether two recordings are of one speaker")
    verify.add_argument("first", metavar="A", help="a recording")
    verify.add_argument("second", metavar="B", help="another")
    _add_decision(verify)

    enrol = _command(commands, "enrol", _enrol, "remember a speaker's voice")
    enrol.add_argument("--speaker", required=True, metavar="NAME")
    enrol.add_argument("recordings", nargs="+", metavar="RECORDING")

    identify = _command(commands, "identify", _identify, "which enrolled speaker it is, if any")
    identify.add_argument("recording", metavar="RECORDING")
    _add_decision(identify)

    _command(commands, "list", _list, "who is enrolled")
    remove = _command(commands, "remove", _remove, "forget a speaker")
    remove.add_argument("--speaker", required=True, metavar="NAME")
    for name in ("enrol", "identify", "list", "remove"):
        commands.choices[name].add_argument(
            "--store", type=Path, required=True, help="file of enrolled voices (SQLite)"
        )

    card = _command(commands, "card", _card, "what a model is, and what it is not to be used for")
    card.add_argument("--list", help="of a run: the list whose calibration is taken")
    _add_backend(card)

    export = commands.add_parser("export", help="write the network for use without Keras")
    export.set_defaults(body=_export)
    export.add_argument("--run", type=Path, required=True, help="a trained run's folder")
    export.add_argument("--output", type=Path, required=True, help="file, or SavedModel's folder")
    export.add_argument("--format", choices=("onnx", "litert", "saved_model"), default="onnx")
    export.add_argument("--list", help="the list whose calibration goes along")
    _add_backend(export)
    export.add_argument(
        "--data-dir", type=Path, help="with features: compare on utterances instead of on noise"
    )
    add_plugin_option(export)
    return parser


def _command(commands, name: str, body, what: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    parser.set_defaults(body=body)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, help="a trained run's folder")
    source.add_argument("--model", type=Path, help="an exported .onnx file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plugin_option(parser)
    return parser


def _add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        help=f"of a run: what compares its embeddings, {', '.join(scorers.NAMES)} (default: as its "
        "config.yaml says, or cosine)",
    )


def _add_decision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", help="of a run: the list whose calibration is taken")
    _add_backend(parser)
    parser.add_argument("--threshold", type=float, help="of the score, instead of the list's")
    parser.add_argument(
        "--point", choices=NAMED, default="eer", help="which of the list's (%(default)s)"
    )
    parser.add_argument(
        "--prior",
        type=float,
        default=0.5,
        help="probability of one speaker before the recordings are heard (%(default)s)",
    )


def _verifier(args: argparse.Namespace) -> Verifier:
    return Verifier.load(args.run or args.model, args.list, args.backend)


def _verify(args: argparse.Namespace) -> int:
    verifier = _verifier(args)
    decision = verifier.verify(args.first, args.second, args.threshold, args.point, args.prior)
    _say(args, decision.as_dict(), decision_lines(decision))
    return SAME if decision.same else DIFFERENT


def _enrol(args: argparse.Namespace) -> int:
    if args.model:
        verifier = Verifier.load(args.model)
    else:  # what compares embeddings later does not matter now
        verifier = Verifier.load(args.run, backend="cosine", calibrated=False)
    embeddings, warnings = [], []
    for path in args.recordings:  # all of them before any is stored
        embedding, odd = verifier.embed_one(path)
        embeddings.append(embedding)
        warnings += odd
    store = VoiceStore(args.store, verifier.card["fingerprint"], verifier.card["dim"], create=True)
    count = store.enrol(args.speaker, embeddings)
    found = {"speaker": args.speaker, "utterances": count, "warnings": warnings}
    _say(args, found, [f"{args.speaker}: {count} utterances", *warning_lines(warnings)])
    return SAME


def _identify(args: argparse.Namespace) -> int:
    verifier = _verifier(args)
    threshold, source = verifier.threshold(args.threshold, args.point)
    store = VoiceStore(args.store, verifier.card["fingerprint"], verifier.card["dim"])
    voices = EnrolledVoices(store, verifier.scorer)
    embedding, warnings = verifier.embed_one(args.recording)
    nearest, enrolled = voices.nearest(embedding), len(voices)
    if not nearest:
        raise InputError(f"{args.store}: nobody is enrolled")
    name, best = nearest[0]
    warnings += verifier.unlike_the_list(name, store.speakers()[name])
    decision = verifier.decide(best, threshold, source, args.prior, warnings)
    found = {
        "speaker": name if decision.same else None,
        "nearest": [{"speaker": who, "score": score} for who, score in nearest],
        "enrolled": enrolled,
        "decision": decision.as_dict(),
    }
    lines = [name if decision.same else "nobody who is enrolled"]
    lines += [f"  {score:+.4f} {who}" for who, score in nearest]
    if decision.false_accept is not None:
        anybody = 1 - (1 - decision.false_accept.rate) ** enrolled
        found["false_accept_by_anybody"] = anybody
        lines.append(
            f"somebody who is not enrolled is taken for one of the {enrolled:,} in about "
            f"{100 * anybody:.2g} % of cases"
        )
    _say(args, found, [*lines, *decision_lines(decision)[1:]])
    return SAME if decision.same else DIFFERENT


def _list(args: argparse.Namespace) -> int:
    speakers = _open_store(args).speakers()
    _say(args, speakers, [f"{count:4d} {name}" for name, count in speakers.items()])
    return SAME


def _remove(args: argparse.Namespace) -> int:
    count = _open_store(args).remove(args.speaker)
    _say(args, {"speaker": args.speaker, "removed": count}, [f"{args.speaker}: removed"])
    return SAME


def _open_store(args: argparse.Namespace) -> VoiceStore:
    return VoiceStore(args.store, fingerprint(args.run or args.model), None)


def _card(args: argparse.Namespace) -> int:
    card = _verifier(args).card
    arrays = card["backend"].get("arrays", {})
    shapes = {name: array["shape"] for name, array in arrays.items()}
    backend = card["backend"] | ({"arrays": shapes} if shapes else {})
    _say(args, card | {"backend": backend}, card_lines(card))
    return SAME


def _export(args: argparse.Namespace) -> int:
    from ..backend import load_keras
    from ..run_dir import RunDir

    load_keras()
    from .export import export

    differences = export(
        RunDir(args.run), args.output, args.format, args.list, args.data_dir, args.backend
    )
    for frames, difference in differences.items():
        sys.stdout.write(
            f"{frames:6d} frames: differs from the run's network by {difference:.1e}\n"
        )
    sys.stdout.write(f"{args.output}\n")
    return SAME


def _say(args: argparse.Namespace, found: dict, lines: list[str]) -> None:
    text = json.dumps(found, indent=1, ensure_ascii=False) if args.json else "\n".join(lines)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
