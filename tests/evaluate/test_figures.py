"""The paper's Figure 1 and 2 through their command line."""

import keras
import numpy as np
import pytest

from speaker_bases.evaluate.figures import main, speaker_map
from speaker_bases.evaluate.speaker_space import impostor_cosines, load_bases
from speaker_bases.evaluate.training_set import TrainingSet, read_training_set
from speaker_bases.losses import SpeakerBases


@pytest.fixture
def trained(corpus, make_system):
    """A system whose training set is the corpus, every speaker in a direction of its own."""
    speakers = sorted(set(corpus.utt2spk.values()))
    system = make_system(speakers=speakers)
    rng = np.random.default_rng(0)
    system.vectors = {
        u: np.eye(5)[speakers.index(s)] + 0.1 * rng.normal(size=5)
        for u, s in corpus.utt2spk.items()
    }
    system.write_embeddings("test", system.vectors)
    embeddings = keras.Input((5,))
    layer = SpeakerBases(len(speakers), name="bases")
    model = keras.Model(embeddings, layer(embeddings))
    layer.bases.assign(np.eye(5)[:, : len(speakers)])
    model.save(system.model)
    system.data = corpus.test
    return system


def run(figure, *arguments):
    return main([figure, *(str(argument) for argument in arguments)])


def test_figure_1(trained, tmp_path):
    out = tmp_path / "docs" / "figure1.png"
    assert run("speakers", "--run", trained.path, "--data-dir", trained.data, "--out", out) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_figure_2_logs_the_means(trained, tmp_path, caplog):
    out = tmp_path / "figure2.png"
    caplog.set_level("INFO")
    code = run("impostors", "--runs", trained.path, "--data-dir", trained.data, "--out", out)
    assert code == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    cosines = impostor_cosines(read_training_set(trained, trained.data).means())
    assert f"L_S: mean {cosines.mean():.3f} of 6 impostor cosines" in caplog.text
    bases = load_bases(trained)
    unit = bases / np.linalg.norm(bases, axis=1, keepdims=True)
    mean = ((unit @ unit.T).sum() - len(unit)) / (len(unit) * (len(unit) - 1))
    assert f"L_S: mean {mean:.4f} of the bases' cosines" in caplog.text


def test_means_are_each_speakers(trained, corpus):
    space = read_training_set(trained, trained.data)
    for speaker, mean in zip(space.speakers, space.means(), strict=True):
        own = [v for u, v in trained.vectors.items() if corpus.utt2spk[u] == speaker]
        np.testing.assert_allclose(mean, np.mean(own, axis=0), atol=1e-6)


def test_bases_are_the_columns(trained):
    np.testing.assert_allclose(load_bases(trained), np.eye(5)[:4])


@pytest.mark.parametrize("count", [2, 5, 1024, 1025, 2100])
def test_impostor_cosines_are_those_of_every_pair_once(count):
    means = np.random.default_rng(0).normal(size=(count, 4))
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    expected = (unit @ unit.T)[np.triu_indices(count, 1)]
    np.testing.assert_allclose(np.sort(impostor_cosines(means)), np.sort(expected), atol=1e-6)


def test_the_map_keeps_speakers_apart_and_bases_with_their_speaker():
    rng = np.random.default_rng(0)
    centres = np.eye(8)[:3]
    labels = np.repeat(np.arange(3), 15)
    space = TrainingSet(
        ["a", "b", "c"],
        [f"utterance{row}" for row in range(45)],
        centres[labels] + 0.05 * rng.normal(size=(45, 8)),
        labels,
    )
    points, means, crosses = speaker_map(space, 7 * centres, [2, 0], seed=0)
    assert [len(own) for own in points] == [15, 15]
    for at in (0, 1):
        own, other = points[at].mean(axis=0), points[1 - at].mean(axis=0)
        for mark in (means[at], crosses[at]):
            assert np.linalg.norm(mark - own) < np.linalg.norm(mark - other) / 2


def fails(capsys, *arguments) -> str:
    assert run(*arguments) == 1
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_refuses_what_is_not_there(trained, tmp_path, capsys):
    figure1 = ["speakers", "--run", trained.path, "--data-dir", trained.data]
    figure1 += ["--out", tmp_path / "figure.png"]
    assert "nobody is not among" in fails(capsys, *figure1, "--speakers", "spk0", "nobody")
    trained.speakers.write_text("spk0\nspk1\nspk2\n")
    assert "spk3-u0 is of spk3, none of the speakers" in fails(capsys, *figure1)
    trained.speakers.write_text("spk0\nspk1\nspk2\nspk3\nspk4\n")
    assert "no embedding of training speaker spk4" in fails(capsys, *figure1)
    trained.embeddings("test").unlink()
    assert "speaker_bases.evaluate.embed" in fails(capsys, *figure1)
    assert not (tmp_path / "figure.png").exists()


def test_a_system_without_bases(trained, tmp_path, capsys):
    embeddings = keras.Input((5,))
    keras.Model(embeddings, keras.layers.Dense(2)(embeddings)).save(trained.model)
    arguments = ["--run", trained.path, "--data-dir", trained.data, "--out", tmp_path / "f.png"]
    assert "no layer 'bases'" in fails(capsys, "speakers", *arguments)
    trained.model.unlink()
    assert "model.keras: missing" in fails(capsys, "speakers", *arguments)


def test_det_curves_of_chosen_systems(corpus, make_system, tmp_path, capsys):
    systems = []
    for name, hit in (("softmax", 0.9), ("proposed2", 0.6)):
        system = make_system(name)
        target = {
            pair: corpus.utt2spk[pair[0]] == corpus.utt2spk[pair[1]] for pair in corpus.all_pairs()
        }
        system.write_scores("synthetic", [(*p, hit if same else 0.1) for p, same in target.items()])
        systems.append(system.path)
    out = tmp_path / "det.png"
    options = ["--data-dir", corpus.test, "--out", out, "--list"]
    assert run("det", "--runs", *systems, *options, "synthetic") == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    out.unlink()
    assert run("det", "--runs", *systems, *options, "other") == 1
    assert "no such trial list; there is synthetic" in capsys.readouterr().err
    assert run("det", "--runs", make_system("center").path, *options, "synthetic") == 1
    assert "center" in capsys.readouterr().err
    assert not out.exists()


def test_losses_of_chosen_systems(make_system, tmp_path, capsys):
    system = make_system("softmax")
    out = tmp_path / "losses.png"
    assert run("curves", "--runs", system.path, "--out", out) == 1
    assert "log.csv: missing" in capsys.readouterr().err and not out.exists()
    system.log.write_text("epoch,step,seconds,loss,softmax\n1,5,2.0,3.5,3.4\n2,10,4.0,3.0,2.9\n")
    assert run("curves", "--runs", system.path, "--out", out) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
