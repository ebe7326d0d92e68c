"""Olivetti's faces: used where scikit-learn has them, never fetched unasked."""

import joblib
import numpy as np
import pytest

PEOPLE, IMAGES_EACH, SIDE = 40, 10, 64


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a download that nobody asked for")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("urllib.request.urlretrieve", refuse)


@pytest.fixture
def data_home(tmp_path, monkeypatch, no_network):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def drawn_faces(data_home):
    """A file as scikit-learn keeps it: images that are brighter for each person in turn."""
    random = np.random.default_rng(0)
    person = random.random((PEOPLE, 1, SIDE**2))
    images = person + 0.1 * random.random((PEOPLE, IMAGES_EACH, SIDE**2))
    joblib.dump(images.reshape(-1, SIDE**2).astype("float32"), data_home / "olivetti_py3.pkz")


def faces_of(course):
    import course.faces as faces

    return faces


def test_without_the_file_there_are_no_faces_and_no_download(course, data_home):
    assert faces_of(course).olivetti() is None


def test_the_faces_are_read_from_the_disk(course, drawn_faces):
    images, people = faces_of(course).olivetti()
    assert images.shape == (400, 32, 32) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    assert np.array_equal(people, np.repeat(np.arange(PEOPLE), IMAGES_EACH))


def test_the_chapter_trains_on_faces_if_they_are_there(
    build, course, project_root, drawn_faces, monkeypatch
):
    """Only the cells that it takes: imports, models, training, and the faces."""
    source = next((project_root / "notebooks").glob("6_*.py"))
    wanted = ("import keras\n", "class Split(", "class Arm(", "def unit(", "def train(", "DOWNLOAD")
    names, said = {}, []
    monkeypatch.setattr(course, "SEEDS", (0,))
    monkeypatch.setattr(course, "say", said.append)
    for cell in build.read_source(source, solved=False).cells:
        if cell.cell_type == "code" and any(mark in cell.source for mark in wanted):
            exec(cell.source, names)
    assert set(names["on_faces"]) == {"pixels", *names["FACE_ARMS"]}
    assert all(0 <= rate < 50 for rates in names["on_faces"].values() for rate in rates)
    assert "EER on 10 new people" in said[-1]
