"""Settings that train on the tiny set of `make_data` in seconds."""

from functools import partial

import pytest

from speaker_bases.models import NETWORKS, ResNetTable, resnet34


@pytest.fixture
def conf_files(project_root, tmp_path):
    """Paths of a system's file and of a corpus file for the tiny set."""
    corpus = tmp_path / "tiny.yaml"
    corpus.write_text("crop_frames: 16\nepochs: 2\nbn_momentum: 0.5\n")

    def files(system):
        return project_root / "conf" / "systems" / f"{system}.yaml", corpus

    return files


@pytest.fixture
def small_network(monkeypatch):
    """A shallow network in the place of Table 1's, which keeps compiling short."""
    tiny = ResNetTable(4, (1, 2), (4, 8), (1, 1), ((1, 1), (2, 2)), None)
    monkeypatch.setitem(NETWORKS._entries, "table1", partial(resnet34, tiny))
    four_stages = ResNetTable(4, (1, 2), (4, 4, 4, 8), (1, 1, 1, 1), (*[(2, 2)] * 4,), 8)
    monkeypatch.setitem(NETWORKS._entries, "table3", partial(resnet34, four_stages))
