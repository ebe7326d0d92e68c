"""The feature statistics as a system of their own."""

import numpy as np
import pytest
import soundfile

from speaker_bases.evaluate.baseline import main
from speaker_bases.evaluate.report import report
from speaker_bases.evaluate.score import score
from speaker_bases.kaldi_feats.extract import main as extract
from speaker_bases.kaldi_feats.prepare import main as prepare
from speaker_bases.kaldi_feats.reader import read_vectors
from speaker_bases.run_dir import RunDir


@pytest.fixture
def baseline(corpus, tmp_path):
    corpus.write_features()

    def run():
        return main(["--exp", str(tmp_path / "exp"), "--data-dir", str(corpus.test)])

    run.corpus = corpus
    run.system = RunDir(tmp_path / "exp" / "baseline" / "seed0")
    return run


def test_mean_and_standard_deviation_centred(baseline):
    assert baseline() == 0
    utterances, vectors = read_vectors(baseline.system.embeddings("test"))
    expected = []
    for utterance in utterances:
        frames = baseline.corpus.features[utterance].astype(float)
        mean = sum(frames) / len(frames)
        deviation = np.sqrt(sum((frames - mean) ** 2) / len(frames))
        expected.append(np.concatenate([mean, deviation]))
    expected = np.array(expected) - sum(expected) / len(expected)
    assert utterances == baseline.corpus.utterances
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_is_scored_like_any_system_and_trained_on_nobody(baseline):
    assert baseline() == 0
    score(baseline.system, baseline.corpus.test)
    assert baseline.system.scores("synthetic").is_file()
    assert baseline.system.speakers.read_text() == ""


def test_redone_only_when_the_features_change(baseline):
    assert baseline() == 0
    ark = baseline.system.embeddings("test").with_suffix(".ark")
    before = ark.stat().st_mtime_ns
    assert baseline() == 0
    assert ark.stat().st_mtime_ns == before
    lengths = {u: 30 for u in baseline.corpus.utterances}
    baseline.corpus.write_features(lengths=lengths)
    assert baseline() == 0
    assert ark.stat().st_mtime_ns != before


def test_nan_in_the_features(baseline, capsys):
    bad = np.full((30, 8), np.nan, np.float32)
    baseline.corpus.write_features(**{"spk2-u1": bad})
    assert baseline() == 1
    assert "feats.scp:8: spk2-u1" in capsys.readouterr().err
    assert not baseline.system.embeddings("test").exists()


def test_21_percent_on_librispeech_mini(librispeech_mini, project_root, tmp_path):
    """Real speech, stages 0, 1, 4 and 5; the training part is a stub, as nothing is trained."""
    speech, folder = tmp_path / "LibriSpeech", librispeech_mini / "LibriSpeech"
    speech.mkdir()
    (speech / "test-other").symlink_to(folder / "test-other")
    stub = speech / "train-stub" / "1" / "1" / "1-1-0000.flac"
    stub.parent.mkdir(parents=True)
    soundfile.write(stub, np.zeros(16000), 16000)
    data, exp = tmp_path / "data", tmp_path / "exp"
    arguments = ["librispeech", "--data", str(data), "--corpus-dir", str(speech)]
    assert prepare([*arguments, "--trials", str(librispeech_mini / "trials/test-other.txt")]) == 0
    conf = project_root / "conf"
    extraction = ["--nj", "1", "--fbank-config", str(conf / "fbank.conf"), str(data / "test")]
    assert extract(extraction) == 0
    assert main(["--exp", str(exp), "--data-dir", str(data / "test")]) == 0
    score(RunDir(exp / "baseline" / "seed0"), data / "test", ["test-other"])
    corpus_conf = conf / "corpora" / "librispeech.yaml"
    found = report(exp, data, corpus_conf, command="the test")
    assert [round(result.row["eer_percent"], 1) for result in found.results] == [21.0]
    assert "| baseline | " in (exp / "RESULTS.md").read_text()
