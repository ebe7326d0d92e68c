"""What the README shows is true: its Python runs, its files are there, its YAML is known."""

import csv
import re

import numpy as np
import pytest

from speaker_bases import losses
from speaker_bases.train.config import load_config

SHOWN = ("eer_percent", "eer_low", "eer_high", "min_dcf_0.01", "min_dcf_0.05")


@pytest.fixture(scope="module")
def readme(project_root):
    return (project_root / "README.md").read_text(encoding="utf-8")


def test_the_python_runs_from_top_to_bottom(readme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
    assert blocks
    names = {"np": np}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    text = "\n".join(blocks)
    for name in losses.__all__:
        assert f"{name}(" in text, f"the README does not show {name}"


def test_the_files_it_names_are_there(readme, project_root):
    named = re.findall(
        r"`((?:kaldi_feats|models|losses|train|evaluate|conf|benchmarks|notebooks|examples|tests)"
        r"/[\w./-]*)`",
        readme,
    )
    assert len(named) > 5
    for name in named:
        assert (project_root / name).exists(), name


def test_the_options_of_run_sh_it_shows_exist(readme, project_root):
    recipe = (project_root / "run.sh").read_text(encoding="utf-8")
    for line in re.findall(r"^.*\./run\.sh .*$", readme.replace("\\\n", ""), flags=re.MULTILINE):
        for option in re.findall(r"--([a-z][a-z-]+)", re.sub(r'"[^"]*"', "", line)):
            name = option.replace("-", "_")
            assert option == "help" or re.search(rf"^{name}=", recipe, re.MULTILINE), option


def test_its_error_rates_are_those_of_the_committed_results(readme, project_root):
    for path in sorted((project_root / "docs").glob("*/results.csv")):
        if path.parent.name == "real-speech":  # tests/test_real_speech.py
            continue
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        cosine = {row["system"]: row for row in rows if row["backend"] == "cosine"}
        for row in cosine.values():
            eer, low, high, dcf_1, dcf_5 = (float(row[name]) for name in SHOWN)
            line = f"| {row['system']} | {row['loss']} | {eer:.2f} | {low:.2f} to {high:.2f} "
            assert f"{line}| {dcf_1:.3f} | {dcf_5:.3f} |" in readme, path
        for row in rows:
            if row["backend"] != "cosine":
                pair = [float(each["eer_percent"]) for each in (cosine[row["system"]], row)]
                assert f"| {row['system']} | {pair[0]:.2f} | {pair[1]:.2f}, " in readme, path


def test_the_settings_it_shows_fit_the_systems_they_are_shown_with(readme, project_root):
    recipe = (project_root / "run.sh").read_text(encoding="utf-8")
    default = re.search(r'default_systems="([^"]*)"', recipe)[1]
    conf = project_root / "conf"
    shown = 0
    for line in re.findall(r"^.*\./run\.sh .*$", readme.replace("\\\n", ""), flags=re.MULTILINE):
        settings = re.findall(r"--set (\S+?)[\s\"`]", line)
        named = re.search(r'--systems "?([a-z0-9_ ]+?)[" ]*( -|$|\s*#)', line)
        for system in (named[1] if named else default).split() if settings else []:
            config = conf / "systems" / f"{system}.yaml", conf / "corpora" / "synthetic.yaml"
            assert load_config(*config, settings)["overrides"] == settings
            shown += 1
    assert shown
