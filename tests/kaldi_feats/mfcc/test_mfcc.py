"""Cepstra, deltas and voiced frames against what Kaldi's programs compute."""

import kaldiio
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.audio import read_recording
from speaker_bases.kaldi_feats.fbank.features import Fbank
from speaker_bases.kaldi_feats.fbank.options import DEFAULTS
from speaker_bases.kaldi_feats.mfcc.cepstra import Mfcc, read_mfcc_options
from speaker_bases.kaldi_feats.mfcc.frames import (
    VadOptions,
    ivector_features,
    voiced_frames,
    with_deltas,
)


@pytest.fixture(params=["train", "test"])
def golden(request, kaldi_golden_ivector):
    """The set's name, and of each utterance cepstra and whether a frame is voiced."""
    arks = (kaldi_golden_ivector / f"{what}_{request.param}.ark" for what in ("mfcc", "vad"))
    cepstra, voiced = (dict(kaldiio.load_ark(str(ark))) for ark in arks)
    assert cepstra.keys() == voiced.keys()
    return request.param, {name: (cepstra[name], voiced[name]) for name in cepstra}


BINS, CEPSTRA = 30, 20


@pytest.fixture(scope="module")
def options(project_root):
    return read_mfcc_options(project_root / "conf" / "mfcc.conf")


def cosines():
    """From log mel energies to cepstra, without the lifter: (cepstra, bins)."""
    n, k = np.arange(CEPSTRA)[:, None], np.arange(BINS)[None]
    matrix = np.sqrt(2 / BINS) * np.cos(np.pi * n * (k + 0.5) / BINS)
    matrix[0] = np.sqrt(1 / BINS)
    return matrix


LIFTER = 1 + 11 * np.sin(np.pi * np.arange(CEPSTRA) / 22)


def test_cepstra_are_cosines_of_the_log_mel_energies(options):
    """Of those that `Fbank` gives, which its own tests hold to Kaldi's."""
    samples = 3000 * np.random.default_rng(0).normal(size=16000).astype(np.float32)
    common = {name: value for name, value in options.items() if name in DEFAULTS}
    log_mel = Fbank(DEFAULTS | common | {"use-energy": False})(samples)
    mfcc, energy = Mfcc({**options, "use-energy": False}), Mfcc(options)
    assert mfcc.dim == CEPSTRA
    np.testing.assert_allclose(mfcc(samples), log_mel @ cosines().T * LIFTER, atol=1e-3)
    np.testing.assert_array_equal(energy(samples)[:, 1:], mfcc(samples)[:, 1:])
    frame = samples[15 * 160 - 120 :][:400].astype(np.float64)  # the 16th, centred on its shift
    expected = np.log(((frame - frame.mean()) ** 2).sum())
    assert energy(samples)[15, 0] == pytest.approx(expected, abs=1e-4)


def test_kaldis_cepstra(golden, open_sv, options):
    """But above 7 kHz, where another decoder of Opus gives other samples."""
    _, utterances = golden
    recordings = {path.stem: path for path in (open_sv / "corpus").rglob("*.ogg")}
    for utterance, (kaldis, _) in list(utterances.items())[::5]:
        recording = read_recording(str(recordings[utterance]), "wav.scp:1")
        ours = Mfcc(options)(recording.samples[:, 0])
        assert ours.shape == kaldis.shape
        difference = np.abs(ours - kaldis)
        assert np.median(difference[:, 0]) < 0.02  # the log energy
        difference = (ours - kaldis)[:, 1:] / LIFTER[1:] @ cosines()[1:]
        assert np.median(np.abs(difference[:, :26])) < 0.04


def test_kaldis_voiced_frames(golden):
    for cepstra, voiced in golden[1].values():
        np.testing.assert_array_equal(voiced_frames(cepstra), voiced == 1.0)


def test_kaldis_features_of_i_vectors(kaldi_golden_ivector):
    cepstra = dict(kaldiio.load_ark(str(kaldi_golden_ivector / "mfcc_train.ark")))
    cepstra |= dict(kaldiio.load_ark(str(kaldi_golden_ivector / "mfcc_test.ark")))
    kaldis = dict(kaldiio.load_ark(str(kaldi_golden_ivector / "ubm_features_three.ark")))
    for utterance, features in kaldis.items():
        matrix = cepstra[utterance]
        ours = ivector_features(matrix, voiced_frames(matrix))
        assert ours.shape == features.shape
        np.testing.assert_allclose(ours, features, atol=1e-4)


def test_a_delta_is_the_slope_of_the_line_through_the_frames():
    frames = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    deltas = with_deltas(frames, window=2, order=1)
    for t in range(2, 28):
        for column in range(2):
            slope = np.polyfit(np.arange(-2, 3), frames[t - 2 : t + 3, column], 1)[0]
            assert deltas[t, 2 + column] == pytest.approx(slope, abs=1e-5)
    straight = with_deltas(np.arange(40.0)[:, None])
    np.testing.assert_allclose(straight[9:-9, 1], 1.0, atol=1e-6)
    np.testing.assert_allclose(straight[9:-9, 2], 0.0, atol=1e-6)


def test_a_frame_is_voiced_if_enough_around_it_are_loud():
    energy = np.array([0.0] * 10 + [9.0] + [0.0] * 10)[:, None]
    around = VadOptions(energy_threshold=5.0, energy_mean_scale=0.0, frames_context=3)
    assert np.flatnonzero(voiced_frames(energy, around)).tolist() == list(range(7, 14))
    alone = VadOptions(energy_threshold=5.0, energy_mean_scale=0.0, frames_context=0)
    assert np.flatnonzero(voiced_frames(energy, alone)).tolist() == [10]
    assert not voiced_frames(energy, VadOptions(energy_threshold=10.0)).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--num-ceps=24\n", r"mfcc\.conf: --num-ceps 24 must not be above --num-mel-bins 23"),
        ("--num-ceps=0\n", r"mfcc\.conf:1: --num-ceps must be greater than 0"),
        ("--use-power=true\n", r"mfcc\.conf:1: --use-power is not an option that can be used here"),
    ],
)
def test_wrong_options_are_refused(tmp_path, text, message):
    path = tmp_path / "mfcc.conf"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_mfcc_options(path)
