"""A second kind of features through the feature stage: cepstra, and which frames are voiced."""

import shutil

import numpy as np
import pytest

from speaker_bases.audit import Audit
from speaker_bases.kaldi_feats import extract
from speaker_bases.kaldi_feats.audio import read_recording
from speaker_bases.kaldi_feats.audit import audit_data_dir
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.kaldi_feats.kinds.record import feature_settings, parse_settings
from speaker_bases.kaldi_feats.mfcc.cepstra import Mfcc, read_mfcc_options
from speaker_bases.kaldi_feats.mfcc.frames import VadOptions, voiced_frames
from speaker_bases.kaldi_feats.reader import FeatureReader, VectorReader


@pytest.fixture
def mfcc(corpus, project_root, capfd, caplog):
    """Make the cepstra of `corpus`; returns their data directory, exit code and what was said."""
    conf = project_root / "conf"
    files = ["--mfcc-config", str(conf / "mfcc.conf"), "--vad-config", str(conf / "vad.conf")]
    files += ["--fbank-config", str(conf / "fbank.conf")]

    def run(*options: str, kind: str = "mfcc"):
        caplog.clear()
        caplog.set_level("INFO")
        code = extract.main(["--kind", kind, "--nj", "1", *files, *options, str(corpus.path)])
        made = corpus.at(corpus.path.with_name("train_mfcc"))
        return made, code, capfd.readouterr().err + caplog.text

    return run


def test_a_kind_has_a_data_directory_of_its_own(corpus, mfcc, project_root):
    before = corpus.snapshot()
    made, code, said = mfcc()
    assert code == 0 and "done 12 of 12, skipped 0" in said
    assert corpus.snapshot() == before
    for name in ("wav.scp", "utt2spk", "spk2utt"):
        assert (made.path / name).read_bytes() == (corpus.path / name).read_bytes()
    validate_data_dir(made, features=True)
    extractor = Mfcc(read_mfcc_options(project_root / "conf" / "mfcc.conf"))
    feats, vad = FeatureReader(made.path / "feats.scp"), VectorReader(made.path / "vad.scp")
    assert feats.utterances == vad.utterances == list(read_table(corpus.path / "wav.scp"))
    for name in feats:
        recording = read_recording(corpus.source(name), "wav.scp:1")
        np.testing.assert_array_equal(feats[name], extractor(recording.samples[:, 0]))
        np.testing.assert_array_equal(vad[name], voiced_frames(feats[name], VadOptions()))
    settings = feature_settings(made)
    assert settings["kind"] == "mfcc" and settings["num-ceps"] == "20"
    assert settings["vad-proportion-threshold"] == "0.12"
    parsed = parse_settings(settings)
    assert parsed.options["num-mel-bins"] == 30 and parsed.kind.name == "mfcc"
    assert parsed.steps["compute-vad"]["vad-frames-context"] == 2
    after = made.snapshot()
    assert "nothing to do" in mfcc()[2] and made.snapshot() == after
    assert mfcc(kind="fbank")[1] == 0 and made.snapshot() == after


def test_what_is_damaged_or_changed_is_made_again(corpus, mfcc):
    made = mfcc()[0]
    whole, first = made.features(), sorted(made.path.glob("mfcc/*.vad.ark"))[0]
    contents = first.read_bytes()
    first.write_bytes(contents[:-9])
    audit = Audit()
    audit_data_dir(audit, corpus.path)
    assert any(str(first) in problem for problem in audit.problems)
    assert mfcc()[1] == 0 and first.read_bytes() == contents
    audit = Audit()
    audit_data_dir(audit, corpus.path)
    assert audit.problems == []
    shutil.copy(corpus.source("s1-u01"), corpus.folder / "other.wav")
    corpus.point_to(1, str(corpus.folder / "other.wav"))
    made, code, _ = mfcc()
    assert code == 0
    changed = [name for name, matrix in made.features().items() if (matrix != whole[name]).any()]
    assert changed == ["s0-u00"]
    assert len(list(made.path.glob("mfcc/*.vad.ark"))) == 2  # none of other recordings is left


def test_stale_features_go_with_the_tables_that_they_are_of(corpus, mfcc):
    made = mfcc()[0]
    corpus.point_to(1, str(corpus.folder / "is not there.wav"))
    assert mfcc()[1] == 1
    assert not (made.path / "feats.scp").exists()


def test_a_recording_without_voice_is_left_out(corpus, mfcc, make_audio):
    silent = corpus.folder / "silent.wav"
    make_audio(silent)
    silent.write_bytes(silent.read_bytes()[:44] + bytes(3200))
    corpus.point_to(3, str(silent))
    (corpus.path / "trials").mkdir()
    rows = "s0-u00 s0-u08 target\ns0-u00 s1-u01 nontarget\ns0-u04 s0-u08 target\n"
    (corpus.path / "trials" / "all").write_text(rows)
    made, code, said = mfcc()
    assert code == 1 and "s0-u08: skipped: no frame is voiced" in said
    assert "trials/all:1: the utterance 's0-u08' has no features" in said
    (corpus.path / "trials" / "all").write_text(rows + "s0-u00 s0-u04 target\n")
    made, code, said = mfcc("--allow-missing", "true")
    assert code == 0 and "2 of its 4 trials are dropped" in said
    assert "s0-u08" not in made.features()


def test_skipped_recordings_are_recorded(corpus, mfcc):
    corpus.point_to(2, "echo no audio |")
    made, code, said = mfcc()
    assert code == 1 and "wav.scp:2" in said and not (made.path / "vad.scp").exists()
    made, code, said = mfcc("--skip-broken", "true")
    assert code == 0 and list(read_table(made.path / "broken_recordings")) == ["s0-u04"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--vad-frames-context=-1", ":1: --vad-frames-context must not be negative"),
        ("--vad-proportion-threshold=2", ":1: --vad-proportion-threshold must lie between"),
        ("--energy=2", ":1: --energy is not an option that can be used here"),
    ],
)
def test_wrong_options_of_vad(corpus, mfcc, tmp_path, line, message):
    (tmp_path / "vad.conf").write_text(f"{line}\n")
    made, code, said = mfcc("--vad-config", str(tmp_path / "vad.conf"))
    assert code == 1 and f"vad.conf{message}" in said and not made.path.exists()
