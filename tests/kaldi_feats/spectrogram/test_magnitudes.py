"""Magnitude spectrograms against a float64 loop, and against Kaldi's frames and filter banks."""

import cmath

import kaldi_native_fbank as knf
import numpy as np
import pytest

from speaker_bases.kaldi_feats import extract
from speaker_bases.kaldi_feats.audio import read_recording
from speaker_bases.kaldi_feats.fbank.features import Fbank
from speaker_bases.kaldi_feats.fbank.options import DEFAULTS
from speaker_bases.kaldi_feats.kinds.record import feature_settings, parse_settings
from speaker_bases.kaldi_feats.reader import FeatureReader
from speaker_bases.kaldi_feats.spectrogram.magnitudes import (
    SPECTROGRAM_DEFAULTS,
    Spectrogram,
    normalize_bins,
)

OPTIONS = {**SPECTROGRAM_DEFAULTS, "window-type": "hamming"}


@pytest.fixture
def samples():
    return np.random.default_rng(0).normal(50, 1000, 600).astype(np.float32)


def magnitudes(samples, length=400, shift=160, fft_length=1024):
    """The definition, one sample and one bin at a time."""
    frames = []
    for start in range(0, len(samples) - length + 1, shift):
        frame = [float(value) for value in samples[start : start + length]]
        mean = sum(frame) / length
        frame = [value - mean for value in frame]
        emphasised = [frame[0] - 0.97 * frame[0]]
        emphasised += [frame[n] - 0.97 * frame[n - 1] for n in range(1, length)]
        windowed = [
            (0.54 - 0.46 * np.cos(2 * np.pi * n / (length - 1))) * value
            for n, value in enumerate(emphasised)
        ]
        turn = [cmath.exp(-2j * cmath.pi * n / fft_length) for n in range(fft_length)]
        frames.append(
            [
                abs(sum(value * turn[k * n % fft_length] for n, value in enumerate(windowed)))
                for k in range(1, fft_length // 2 + 1)
            ]
        )
    return np.array(frames)


def test_it_is_the_loop(samples):
    expected = magnitudes(samples)
    spectra = Spectrogram(OPTIONS)(samples)
    assert spectra.shape == expected.shape == (2, 512) and spectra.dtype == np.float32
    np.testing.assert_allclose(spectra, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("window", ["hamming", "povey"])
@pytest.mark.parametrize("mean", [True, False])
def test_frames_are_those_of_kaldis_filter_banks(samples, window, mean):
    """Their powers under kaldi-native-fbank's mel banks are its own filter banks."""
    options = {**OPTIONS, "window-type": window, "remove-dc-offset": mean, "fft-length": 512}
    spectra = Spectrogram(options)(samples)
    powers = np.concatenate([np.zeros((len(spectra), 1)), spectra.astype(np.float64) ** 2], axis=1)
    frame, mel = knf.FrameExtractionOptions(), knf.MelBanksOptions()
    mel.num_bins = 64
    banks = knf.MelBanks(mel, frame, 1.0)
    found = np.array([banks.compute(list(power)) for power in powers])
    of_fbank = {name: options[name] for name in options.keys() & DEFAULTS}
    fbank = Fbank({**DEFAULTS, **of_fbank, "dither": 0.0, "num-mel-bins": 64})
    np.testing.assert_allclose(np.log(found), fbank(samples), atol=1e-3)


def test_each_bin_has_mean_0_and_variance_1_over_the_utterance():
    spectra = np.random.default_rng(0).gamma(2, 100, (50, 6)).astype(np.float32)
    spectra[:, 2] = 7
    normalized = normalize_bins(spectra)
    assert normalized.dtype == np.float32
    for k, column in enumerate(spectra.astype(np.float64).T):
        mean = sum(column) / 50
        variance = sum((value - mean) ** 2 for value in column) / 50
        expected = [(value - mean) / variance**0.5 if variance else 0.0 for value in column]
        np.testing.assert_allclose(normalized[:, k], expected, rtol=1e-5, atol=1e-6)


def test_shorter_than_a_window():
    assert Spectrogram(OPTIONS)(np.zeros(399, np.float32)).shape == (0, 512)
    assert Spectrogram(OPTIONS)(np.zeros(400, np.float32)).shape == (1, 512)


@pytest.mark.parametrize("length", [398, 1023])
def test_an_fft_that_does_not_hold_a_frame(length):
    with pytest.raises(ValueError, match=f"no less than the 400 samples .* found {length}"):
        Spectrogram({**OPTIONS, "fft-length": length})


@pytest.fixture
def stage(corpus, project_root, capfd):
    """Make the spectrograms of `corpus`; returns their data directory, exit code, what was said."""

    def run(config=project_root / "conf" / "spectrogram.conf"):
        options = ["--kind", "spectrogram", "--nj", "1", "--spectrogram-config", str(config)]
        code = extract.main([*options, str(corpus.path)])
        return corpus.path.with_name("train_spectrogram"), code, capfd.readouterr().err

    return run


def test_the_stage_makes_them(corpus, stage):
    made, code, _ = stage()
    assert code == 0
    settings = feature_settings(made)
    assert settings["kind"] == "spectrogram" and settings["norm-vars"] == "true"
    assert parse_settings(settings).options == OPTIONS
    feats = FeatureReader(made / "feats.scp")
    for name in feats:
        samples = read_recording(corpus.source(name), "wav.scp:1").samples[:, 0]
        expected = normalize_bins(Spectrogram(OPTIONS)(samples))
        np.testing.assert_array_equal(feats[name], expected)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--fft-length=256", ": --fft-length must be even and no less than the 400 samples"),
        ("--fft-length=0", ":1: --fft-length must be greater than 0"),
        ("--fft-length=100000000", ":1: --fft-length is too large"),
        ("--num-mel-bins=64", ":1: --num-mel-bins is not an option that can be used here"),
    ],
)
def test_wrong_options(stage, tmp_path, line, message):
    path = tmp_path / "mine.conf"
    path.write_text(f"{line}\n")
    made, code, said = stage(path)
    assert code == 1 and f"mine.conf{message}" in said and not made.exists()
