"""Runs of i-vector systems, trained here or by Kaldi: embeddings, scores, files, refusals."""

import gzip
import shutil

import kaldiio
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.evaluate import audit, copy_model, embed, score
from speaker_bases.evaluate.embedder import load_embedder
from speaker_bases.evaluate.training_set import training_inputs
from speaker_bases.ivector import import_system
from speaker_bases.ivector.files import (
    read_diagonal,
    read_extractor,
    read_full,
    write_extractor,
    write_full,
)
from speaker_bases.ivector.initialisation import initial_extractor
from speaker_bases.ivector.mixtures import DiagonalMixture, FullMixture
from speaker_bases.kaldi_feats.data_dir import read_table, spk2utt_of, write_table
from speaker_bases.kaldi_feats.reader import read_vectors
from speaker_bases.run_dir import RunDir


@pytest.fixture
def kaldis_data(kaldi_golden_ivector, tmp_path):
    """The data directories of Kaldi's small system; the test set's list is in data/test."""
    for name in ("train", "test"):
        folder = tmp_path / "data" / f"{name}_mfcc"
        for ours, theirs in (("feats", "mfcc"), ("vad", "vad")):
            table = read_table(kaldi_golden_ivector / f"{theirs}_{name}.scp")
            places = {u: f"{kaldi_golden_ivector}/{place}" for u, place in table.items()}
            write_table(folder / f"{ours}.scp", places)
        cepstra = kaldiio.load_scp(str(folder / "feats.scp"))
        write_table(folder / "utt2num_frames", {u: str(len(cepstra[u])) for u in cepstra})
        utt2spk = read_table(kaldi_golden_ivector / f"{name}.utt2spk")
        for place in (folder, tmp_path / "data" / name):
            write_table(place / "utt2spk", utt2spk)
            write_table(place / "spk2utt", spk2utt_of(utt2spk))
        (folder / "mfcc.conf").write_text("--num-ceps=20\n# compute-vad --vad-energy-threshold=5\n")
    trials = tmp_path / "data" / "test" / "trials"
    trials.mkdir()
    shutil.copy(kaldi_golden_ivector / "trials", trials / "all")
    return tmp_path / "data"


def as_text(kaldi_golden_ivector, name, folder):
    path = folder / name
    path.write_bytes(gzip.decompress((kaldi_golden_ivector / f"{name}.gz").read_bytes()))
    return path


@pytest.mark.parametrize("form", ["binary", "text"])
def test_kaldis_system_scores_here(kaldi_golden_ivector, kaldis_data, tmp_path, form):
    """Its i-vectors and its scores, from its model files alone."""
    run, golden = RunDir(tmp_path / "exp" / "kaldi" / "seed0"), kaldi_golden_ivector
    ubm, ie, plda = golden / "final.ubm", golden / "final.ie", golden / "plda"
    if form == "text":
        ubm, ie = (as_text(golden, f"final.{which}.txt", tmp_path) for which in ("ubm", "ie"))
        plda = golden / "plda.txt"
    command = ["--run", str(run.path), "--ubm", str(ubm), "--ie", str(ie)]
    command += ["--data-dir", str(kaldis_data / "train_mfcc")]
    assert import_system.main([*command, "--train-dir", str(kaldis_data / "train")]) == 0
    folder = ["--run", str(run.path), "--data-dir"]
    test_set = [*folder, str(kaldis_data / "test_mfcc"), "--name", "test", "--nj", "2"]
    assert embed.main(test_set) == 0
    utterances, ivectors = read_vectors(run.embeddings("test"))
    kaldis = dict(kaldiio.load_ark(str(golden / "ivector_test.ark")))
    np.testing.assert_allclose(ivectors, [kaldis[u] for u in utterances], atol=1e-4)
    model = [f"plda_file={plda}", f"lda_file={golden / 'lda.mat'}", f"mean_file={golden}/mean.vec"]
    settings = [word for text in model for word in ("--set", text)]
    assert score.main([*folder, str(kaldis_data / "test"), *settings]) == 0
    ours, theirs = (scores_of(path) for path in (run.scores("all", "plda"), golden / "scores.txt"))
    assert ours.keys() == theirs.keys() and len(ours) == 1128
    for pair, score_of_pair in theirs.items():
        assert ours[pair] == pytest.approx(score_of_pair, abs=3e-4)


def scores_of(path):
    rows = (line.split() for line in path.read_text().splitlines())
    return {(enrol, test): float(value) for enrol, test, value in rows}


@pytest.fixture
def system(make_cepstra, tmp_path):
    """A run of a system of four components for the features of `make_cepstra`, and these."""
    rng, data = np.random.default_rng(0), make_cepstra(name="test")
    mixture = DiagonalMixture(np.full(4, 0.25), rng.normal(size=(4, 6)), np.ones((4, 6)))
    full = FullMixture.of(mixture)
    write_full(tmp_path / "final.ubm", full)
    write_extractor(tmp_path / "final.ie", initial_extractor(full, 5, rng), binary=False)
    run = RunDir(tmp_path / "exp" / "theirs" / "seed0")
    command = ["--run", str(run.path), "--data-dir", str(data)]
    command += ["--ubm", str(tmp_path / "final.ubm"), "--ie", str(tmp_path / "final.ie")]
    assert import_system.main(command) == 0
    return run, data


def test_i_vectors_are_made_again_when_the_model_changes(system, caplog):
    run, data = system
    caplog.set_level("INFO")
    scp = embed.embed(run, data, "test", num_jobs=2)
    before = read_vectors(scp)[1]
    embed.embed(run, data, "test")
    assert "already complete" in caplog.text
    extractor = run.extractor.read_bytes()
    run.extractor.write_bytes(run.mixture.read_bytes())
    with pytest.raises(InputError, match=r"final\.ie: .* <IvectorExtractor>"):
        embed.embed(run, data, "test")
    np.testing.assert_array_equal(read_vectors(scp)[1], before)  # nothing half-written
    run.extractor.write_bytes(extractor)
    other = data.with_name("test")
    other.mkdir()
    shutil.copy(data / "utt2spk", other)
    assert training_inputs(run, other)["embedder"] == run.embedder_digest()
    copy_model.copy_model(run.mixture, run.mixture, binary=False)
    with pytest.raises(InputError, match="embedded by an earlier network"):
        training_inputs(run, other)


def test_a_recording_without_voice_has_no_i_vector(system, make_cepstra, caplog):
    run, _ = system
    scp = embed.embed(run, make_cepstra(name="test", silent=["spk01-02"]), "test")
    assert len(read_vectors(scp)[0]) == 23 and "spk01-02" not in read_vectors(scp)[0]
    assert "no voiced frame in 1 recordings, which have no i-vector: spk01-02" in caplog.text


def test_what_is_of_a_network_refuses_it(system):
    with pytest.raises(InputError, match="an i-vector system, and this takes a network"):
        load_embedder(system[0])


def test_other_features_are_refused(system, tmp_path, capsys):
    """By their settings; and where nobody knows these, by how many numbers a frame has."""
    run, data = system
    (data / "mfcc.conf").write_text(
        (data / "mfcc.conf").read_text().replace("threshold=5.5", "threshold=6")
    )
    with pytest.raises(InputError, match=r"vad-energy-threshold=6, but .*threshold=5\.5"):
        embed.embed(run, data, "test")
    command = ["--run", str(tmp_path / "other"), "--data-dir", str(data), "--delta-order", "1"]
    command += ["--ubm", str(tmp_path / "final.ubm"), "--ie", str(tmp_path / "final.ie")]
    assert import_system.main(command) == 1
    said = capsys.readouterr().err
    assert "final.ubm: of 6 numbers a frame, and the features of" in said and "have 4" in said
    assert not (tmp_path / "other").exists()


def test_the_audit_reads_the_models(system):
    run, data = system
    found = audit.Audit()
    audit.audit_run(found, run, data)
    assert found.problems == []
    run.extractor.write_bytes(run.extractor.read_bytes()[:-100])
    audit.audit_run(found, run, data)
    assert len(found.problems) == 1 and "final.ie" in found.problems[0]


@pytest.mark.parametrize("name", ["final.dubm", "final.ubm", "final.ie", "plda", "lda.mat"])
def test_models_are_copied_to_text_and_back(kaldi_golden_ivector, tmp_path, name):
    source, text, back = kaldi_golden_ivector / name, tmp_path / "text", tmp_path / "back"
    assert copy_model.main([str(source), str(text), "--text"]) == 0
    assert copy_model.main([str(text), str(back)]) == 0
    assert b"\0B" not in text.read_bytes()[:2] and back.read_bytes()[:2] == b"\0B"
    read = {"final.dubm": read_diagonal, "final.ubm": read_full, "final.ie": read_extractor}
    if name in read:
        one, other = read[name](source), read[name](back)
        np.testing.assert_allclose(one.weights, other.weights)
    assert copy_model.main([str(back), str(text)]) == 0
    assert len(text.read_bytes()) == len(back.read_bytes())


def test_what_is_no_model_is_refused(tmp_path, capsys):
    (tmp_path / "x").write_text("nothing of Kaldi's\n")
    assert copy_model.main([str(tmp_path / "x"), str(tmp_path / "y")]) == 1
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "y").exists()
