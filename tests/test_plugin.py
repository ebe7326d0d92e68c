"""docs/adding.md by running it: a plugin outside the repository, through stages 0 to 5."""

import csv
import re
import subprocess
import sys

import pytest

from speaker_bases.command_line import InputError
from speaker_bases.registry import Registry, load_plugins
from speaker_bases.run_dir import RunDir


@pytest.fixture
def page(project_root):
    return (project_root / "docs" / "adding.md").read_text(encoding="utf-8")


@pytest.fixture
def plugin(page, tmp_path):
    """The page's module and configuration files, in a folder of their own."""
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "my_plugin.py").write_text("\n\n".join(blocks))
    for name, text in re.findall(
        r"^```yaml\n# (my_conf/\S+)\n(.*?)^```", page, re.DOTALL | re.MULTILINE
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_one_of_each_runs_through_all_stages(project_root, plugin):
    command = [project_root / "run.sh", "--plugin", plugin / "my_plugin.py"]
    command += ["--conf", plugin / "my_conf", "--corpus", "tones", "--use-active-env", "true"]
    command += ["--data", plugin / "data", "--exp", plugin / "exp"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with open(plugin / "exp" / "results.csv", newline="") as file:
        rows = {row["system"]: row for row in csv.DictReader(file)}
    assert (rows["mine"]["loss"], rows["mine"]["backend"]) == ("L_1", "manhattan")
    assert rows["mine"]["trial_list"] == "tones"
    config = RunDir(plugin / "exp" / "mine" / "seed0").read_config()
    assert (config["network"], config["similarity"]) == ("frames", "cosine")
    assert "plugin" not in str(config)  # a saved configuration names no code
    assert "not run" in done.stdout


def test_the_files_that_an_addition_touches_are_there(page, project_root):
    table = page[: page.index("## The same from a module")]
    for name in re.findall(r"`((?:losses|models|train|kaldi_feats|evaluate|conf)/[\w/.]*)`", table):
        assert (project_root / name).exists(), name


def test_an_unknown_name_says_which_there_are():
    registry = Registry("colour")
    registry.add("red", 1)
    assert (registry["red"], list(registry), len(registry)) == (1, ["red"], 1)
    with pytest.raises(InputError, match="no such colour 'blue'; there are red"):
        registry.find("blue")
    with pytest.raises(InputError, match="there is a colour 'red' already"):
        registry.add("red", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"--plugin .*my\.py: cannot be imported: FileNotFoundError"),
        ("import nowhere_at_all\n", "cannot be imported: ModuleNotFoundError: No module named"),
        ("def f(:\n", "cannot be imported: SyntaxError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_one_line(tmp_path, text, message):
    path = tmp_path / "my.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_plugins(["--plugin", str(path)])


def test_an_installed_plugin_is_found_by_its_entry_point(tmp_path, monkeypatch):
    (tmp_path / "installed_plugin.py").write_text("LOADED = True\n")
    info = tmp_path / "installed_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[speaker_bases.plugins]\nmine = installed_plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    load_plugins([])
    assert sys.modules.pop("installed_plugin").LOADED
