"""What README.md and docs/*.md show is true: Python runs, files and options exist."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from speaker_bases import losses
from speaker_bases.train.config import load_config

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
RUN_ELSEWHERE = "docs/adding.md"  # its blocks are one module, which adds to the registries
FOLDERS = "speaker_bases|kaldi_feats|models|losses|train|evaluate|conf|experiments|benchmarks"
MOST_BYTES = 10_000  # of the README
SHOWN = ("eer_percent", "eer_low", "eer_high", "min_dcf_0.01", "min_dcf_0.05")


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def python_blocks(page):
    return re.findall(r"^```python\n(.*?)^```", read(page), flags=re.DOTALL | re.MULTILINE)


def commands(page):
    """The lines that call run.sh, continued ones joined."""
    return re.findall(r"^.*\./run\.sh .*$", read(page).replace("\\\n", ""), flags=re.MULTILINE)


def test_the_readme_is_short_and_links_every_page():
    assert len(read("README.md").encode()) < MOST_BYTES
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", read("README.md")))
    assert linked == set(PAGES) - {"README.md"}


@pytest.mark.parametrize("page", [page for page in PAGES if page != RUN_ELSEWHERE])
def test_the_python_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    blocks = python_blocks(page)
    assert blocks or page not in ("README.md", "docs/losses.md")
    monkeypatch.chdir(tmp_path)
    names = {"np": np}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_every_loss_is_shown():
    text = "\n".join(python_blocks("docs/losses.md"))
    for name in losses.__all__:
        if isinstance(getattr(losses, name), type):
            assert f"{name}(" in text, f"docs/losses.md does not show {name}"


@pytest.mark.parametrize("page", PAGES)
def test_the_files_it_names_are_there(page):
    for name in re.findall(rf"`((?:{FOLDERS}|notebooks|docs|tests)/[\w./-]*)`", read(page)):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_the_files_it_links_are_there(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", read(page)):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_the_options_of_run_sh_it_shows_exist(page):
    recipe = read("run.sh")
    for line in commands(page):
        for option in re.findall(r"--([a-z][a-z-]+)", re.sub(r'"[^"]*"', "", line)):
            name = option.replace("-", "_")
            assert option == "help" or re.search(rf"^{name}=", recipe, re.MULTILINE), option


@pytest.mark.parametrize("page", PAGES)
def test_the_modules_it_calls_are_there(page):
    for module in re.findall(r"python -m speaker_bases\.([\w.]+)", read(page)):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_error_rates_are_those_of_the_committed_results():
    text = read("docs/results.md")
    for path in sorted((ROOT / "docs").glob("*/results.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        cosine = {row["system"]: row for row in rows if row["backend"] == "cosine"}
        for row in cosine.values():
            eer, low, high, dcf_1, dcf_5 = (float(row[name]) for name in SHOWN)
            line = f"| {row['system']} | {row['loss']} | {eer:.2f} | {low:.2f} to {high:.2f} "
            assert f"{line}| {dcf_1:.3f} | {dcf_5:.3f} |" in text, path
        for row in rows:
            if row["backend"] != "cosine":
                pair = [float(each["eer_percent"]) for each in (cosine[row["system"]], row)]
                assert f"| {row['system']} | {pair[0]:.2f} | {pair[1]:.2f}, " in text, path


def test_the_settings_shown_fit_the_systems_they_are_shown_with():
    default = re.search(r"^systems: *([\w ]+?) *(#|$)", read("conf/corpora/synthetic.yaml"), re.M)
    conf = ROOT / "conf"
    shown = 0
    for line in (line for page in PAGES for line in commands(page)):
        settings = re.findall(r"--train-opts \"--set (\S+?)\"", line)
        named = re.search(r'--systems "?([a-z0-9_ ]+?)[" ]*( -|$|\s*#)', line)
        for system in (named[1] if named else default[1]).split() if settings else []:
            config = conf / "systems" / f"{system}.yaml", conf / "corpora" / "synthetic.yaml"
            assert load_config(*config, settings)["overrides"] == settings
            shown += 1
    assert shown
