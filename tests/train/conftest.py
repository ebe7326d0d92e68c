"""Settings that train on the tiny set of `make_data` in seconds."""

import pytest


@pytest.fixture
def conf_files(project_root, tmp_path):
    """Paths of a system's file and of a corpus file for the tiny set."""
    corpus = tmp_path / "tiny.yaml"
    corpus.write_text("crop_frames: 16\nepochs: 2\nbn_momentum: 0.5\n")

    def files(system):
        return project_root / "conf" / "systems" / f"{system}.yaml", corpus

    return files
