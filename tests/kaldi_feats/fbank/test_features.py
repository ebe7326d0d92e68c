"""The embedded fbank against Kaldi's own output, and Kaldi's option files."""

from pathlib import Path

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.audio import read_recording
from speaker_bases.kaldi_feats.fbank.features import Fbank
from speaker_bases.kaldi_feats.fbank.options import DEFAULTS, read_options
from speaker_bases.kaldi_feats.kinds.fbank import with_window
from speaker_bases.kaldi_feats.kinds.record import feature_settings, write_record
from speaker_bases.kaldi_feats.reader import FeatureReader

GOLDEN = """--dither=0 --window-type=hamming --num-mel-bins=64 --frame-length=25 --frame-shift=10
--sample-frequency=16000"""


@pytest.fixture
def conf(tmp_path):
    """Write an option file from words, and return its path."""

    def write(text: str, name: str = "fbank.conf") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(text.split()) + "\n")
        return path

    return write


@pytest.mark.parametrize(
    "name, wav_scp, options",
    [
        ("fbank64", "wav.scp", ""),
        ("fbank64_8k", "wav8k.scp", "--sample-frequency=8000"),
        ("fbank64_nosnip", "wav.scp", "--snip-edges=false"),
        ("fbank64_energy", "wav.scp", "--use-energy=true"),
    ],
)
def test_agrees_with_kaldi(kaldi_golden, monkeypatch, conf, name, wav_scp, options):
    monkeypatch.chdir(kaldi_golden)
    fbank = Fbank(read_options(conf(f"{GOLDEN} {options}")))
    golden = FeatureReader(f"{name}.scp")
    lines = [line.split() for line in Path(wav_scp).read_text().splitlines()]
    assert [utterance for utterance, _ in lines] == golden.utterances
    for utterance, path in lines:
        features = fbank(read_recording(path, "wav.scp:1").samples[:, 0])
        assert features.shape == golden[utterance].shape
        assert features.dtype == np.float32 and features.shape[1] == fbank.dim
        np.testing.assert_allclose(features, golden[utterance], rtol=0, atol=1e-3)


def test_the_recipes_options_are_those_of_the_golden_features(project_root, conf):
    assert read_options(project_root / "conf" / "fbank.conf") == read_options(conf(GOLDEN))


def test_shorter_than_a_window():
    assert Fbank(DEFAULTS)(np.zeros(399, np.float32)).shape == (0, 23)
    assert Fbank(DEFAULTS)(np.zeros(400, np.float32)).shape == (1, 23)


def test_energy_comes_last_with_htk_compat():
    samples = np.random.default_rng(0).normal(0, 1000, 4000).astype(np.float32)
    options = {**DEFAULTS, "dither": 0.0, "use-energy": True}
    first = Fbank(options)(samples)
    last = Fbank({**options, "htk-compat": True})(samples)
    np.testing.assert_array_equal(np.roll(first, -1, axis=1), last)


def test_option_files_are_read_as_kaldi_reads_them(tmp_path):
    path = tmp_path / "fbank.conf"
    path.write_text(
        "# comment\n\n  --Num_Mel_Bins=40  # more\n--snip-edges\n--use-energy=t\n"
        "--raw-energy=0\n--dither=1\n--dither=0\n--high-freq=-400\n--window-type= hanning \n"
    )
    changed = {"num-mel-bins": 40, "snip-edges": True, "use-energy": True, "raw-energy": False}
    changed |= {"dither": 0.0, "high-freq": -400.0, "window-type": "hanning"}
    assert read_options(path) == {**DEFAULTS, **changed}


@pytest.mark.parametrize(
    "line, message",
    [
        ("--num-mel-bin=64", ":2: --num-mel-bin is not an option"),
        ("--vtln-warp=0.9", ":2: --vtln-warp is not an option"),
        ("num-mel-bins=64", ":2: expected --name=value"),
        ("--num-mel-bins", ":2: --num-mel-bins needs a whole number, found ''"),
        ("--num-mel-bins=64.5", ":2: --num-mel-bins needs a whole number"),
        ("--num-mel-bins=1", ":2: --num-mel-bins must be at least 3"),
        ("--snip-edges=no", ":2: --snip-edges is true or false"),
        ("--snip-edges=", ":2: --snip-edges is true or false"),
        ("--window-type=hann", ":2: --window-type is one of hamming"),
        ("--frame-shift=0", ":2: --frame-shift must be greater than 0"),
        ("--sample-frequency=nan", ":2: --sample-frequency needs a number"),
        ("--frame-shift = 10", ":2: --frame-shift  is not an option"),
        ("--dither=-1", ":2: --dither must not be negative"),
        ("--preemphasis-coefficient=2", ":2: --preemphasis-coefficient must lie between"),
        ("--channel=-2", ":2: --channel is -1"),
        ("--frame-shift=0.01", ": --frame-shift 0.01 .* less than 1 sample"),
        ("--high-freq=9000", ": --low-freq 20 and --high-freq 9000 must be"),
        ("--high-freq=-7990", ": --low-freq 20 and --high-freq 10 must be"),
    ],
)
def test_a_bad_option_is_named(tmp_path, line, message):
    path = tmp_path / "fbank.conf"
    path.write_text(f"--dither=0\n{line}\n")
    with pytest.raises(InputError, match=f"fbank.conf{message}"):
        read_options(path)


def test_no_option_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.conf: no such file"):
        read_options(tmp_path / "none.conf")


def test_settings_compare_by_what_they_mean(tmp_path, conf):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, text in ((one, GOLDEN), (other, GOLDEN + " --snip_edges=T --low-freq=2e1")):
        write_record(folder, with_window(read_options(conf(text))), compress=False)
    settings = feature_settings(one)
    assert settings == feature_settings(other)
    assert settings["num-mel-bins"] == "64" and settings["frame-shift"] == "10"
    assert settings["preemphasis-coefficient"] == "0.97" and settings["snip-edges"] == "true"
    assert settings["cmn-window"] == "300" and settings["norm-vars"] == "false"
    assert all(isinstance(value, str) for value in settings.values())


def test_settings_do_not_depend_on_storage_or_on_what_was_let_in(tmp_path, conf):
    options = read_options(conf(GOLDEN))
    write_record(tmp_path / "a", with_window(options), compress=False)
    options |= {"allow-downsample": True, "channel": 1}
    write_record(tmp_path / "b", with_window(options), compress=True)
    assert feature_settings(tmp_path / "a") == feature_settings(tmp_path / "b")


@pytest.mark.parametrize("option, window", [("--low-freq=30", 300), ("", 299)])
def test_other_settings_differ(tmp_path, conf, option, window):
    write_record(tmp_path / "a", with_window(read_options(conf(GOLDEN))), False)
    options = read_options(conf(f"{GOLDEN} {option}"))
    write_record(tmp_path / "b", with_window(options, window), False)
    assert feature_settings(tmp_path / "a") != feature_settings(tmp_path / "b")


def test_settings_without_a_record(tmp_path, conf):
    with pytest.raises(InputError, match=r"fbank\.conf: no such file; make the features"):
        feature_settings(tmp_path)
    conf(GOLDEN)
    with pytest.raises(InputError, match=r"fbank\.conf: no line '# apply-cmvn-sliding"):
        feature_settings(tmp_path)
