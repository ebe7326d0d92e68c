"""The table in docs/reliability.md: what was killed, damaged and made to do harm, and what came.

It runs the tests that do so, for as long as is asked, and counts what they report.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

from speaker_bases.command_line import InputError, run_tool, whole_number
from speaker_bases.files import atomic_write

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- begin kills: made by experiments/reliability.py -->\n"
END = "<!-- end kills -->"
KILLS = ["tests/train/test_kills.py", "tests/test_kills.py"]
FUZZING = ["tests/kaldi_feats/test_fuzzing.py", "tests/evaluate/test_fuzzing.py"]


def main(argv: list[str] | None = None) -> int:
    """Run the tests and write the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python experiments/reliability.py", description=__doc__)
    parser.add_argument("--kills", type=whole_number(1), default=20, help="of each kind (20)")
    parser.add_argument("--fuzz", type=whole_number(1), default=4000, help="inputs a test (4000)")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="of both (0)")
    args = parser.parse_args(argv)
    return run_tool(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    seeds = {"KILLS_SEED": str(args.seed), "FUZZ_SEED": str(args.seed), "FUZZ": str(args.fuzz)}
    killed = _tests([*KILLS, "--kills", str(args.kills)], seeds)
    damaged = _tests(FUZZING, seeds)
    hostile = _tests(["-m", "hostile"], seeds)
    rows = [*_kills(killed), *_mutations(damaged), _hostile(hostile)]
    command = "python experiments/reliability.py"
    for name in ("kills", "fuzz", "seed"):
        command += f" --{name} {getattr(args, name)}"
    text = (
        f"`{command}`, {date.today()}:\n\n| what | how many | what came |\n| --- | ---: | --- |\n"
    )
    text += "".join(f"| {' | '.join(row)} |\n" for row in rows)
    page = PAGE.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{PAGE}: has no place for the table, '{BEGIN.strip()}' and '{END}'")
    with atomic_write(PAGE) as file:
        file.write(f"{before}{BEGIN}\n{text}\n{END}{after}")


def _tests(arguments: list[str], environment: dict[str, str]) -> list[ET.Element]:
    """Run tests; what the report of each says, skipped ones left out.

    Raises:
        InputError: if one fails, whose table would not be true.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "--timeout=7200"]
        done = subprocess.run([*command, *arguments], cwd=ROOT, env=os.environ | environment)
        if done.returncode:
            raise InputError(f"{' '.join(arguments)}: a test failed; there is nothing to report")
        cases = ET.parse(report).getroot().iter("testcase")
        return [case for case in cases if case.find("skipped") is None]


def _property(case: ET.Element, name: str) -> str | None:
    found = case.find(f"properties/property[@name='{name}']")
    return None if found is None else found.get("value")


def _kills(cases: list[ET.Element]) -> list[list[str]]:
    rows = []
    for case in cases:
        kind = re.search(r"\[(.*)\]", case.get("name"))[1]
        is_training = "train.test_kills" in case.get("classname")
        what = f"training of {kind}" if is_training else f"stage {kind}"
        came = "the same weights, slots and log" if is_training else "the same files"
        rows.append([f"{what}, killed", _property(case, "kills"), f"{came} as without kills"])
    return rows


def _mutations(cases: list[ET.Element]) -> list[list[str]]:
    rows = []
    for case in cases:
        tally = _property(case, "mutations")
        if tally is not None:
            counts = {"refused": 0, "read": 0} | json.loads(tally)
            what = case.get("name").removeprefix("test_").replace("_", " ")
            came = (
                f"{counts['refused']:,} refused in one line, {counts['read']:,} read; no traceback"
            )
            rows.append([f"damaged: {what}", f"{sum(counts.values()):,}", came])
    return rows


def _hostile(cases: list[ET.Element]) -> list[str]:
    what = (
        "made to do harm: pickles, commands, archives that lead out, endless pipes, HTML in names"
    )
    return [what, f"{len(cases):,}", "nothing of it is run, written outside or shown as markup"]


if __name__ == "__main__":
    raise SystemExit(main())
