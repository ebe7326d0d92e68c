"""The synthetic corpus: the same seed gives the same samples, and speakers differ."""

import importlib.metadata
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.corpora import espeak, synthetic
from speaker_bases.kaldi_feats.corpora.synthetic import Plan, Utterance, make_corpus, voice_file
from speaker_bases.kaldi_feats.prepare import main
from speaker_bases.kaldi_feats.trials import read_trials


@pytest.fixture(scope="module")
def voices():
    """An espeak-ng data folder with a few speakers' voices."""
    pytest.importorskip("espeakng_loader", reason="the extra 'synthetic' is not installed")
    speakers = [("train", 0), ("train", 1), ("test", 0)]
    texts = {f"{s}{n:05d}": voice_file(0, s, n) for s, n in speakers}
    with espeak.voice_folder(texts) as folder:
        yield folder


def plan(train=2, test=2, train_utterances=2, test_utterances=2, seed=0) -> Plan:
    return Plan(
        seed,
        {"train": train, "test": test},
        {"train": train_utterances, "test": test_utterances},
    )


def say(folder: str, voice: str, text: str = "Twelve small ships", seed: int = 1) -> np.ndarray:
    return espeak.speak(folder, voice, text, rate=170, pitch=50, pitch_range=50, seed=seed)


def audio_of(corpus) -> dict[str, bytes]:
    tables = corpus.train.wav_scp | corpus.test.wav_scp
    return {utterance: Path(path).read_bytes() for utterance, path in tables.items()}


def test_speech_does_not_depend_on_what_was_said_before(voices):
    """espeak-ng itself goes on where the flutter and noise of the last text ended."""
    first = say(voices, "en-us+train00000")
    say(voices, "en-us+train00001", "Something else altogether, and much longer.")
    assert np.array_equal(say(voices, "en-us+train00000"), first)
    utterance = Utterance(0, "train", 0, 3)
    alone = synthetic.synthesise(voices, utterance)
    synthetic.synthesise(voices, Utterance(0, "test", 0, 1))
    assert np.array_equal(synthetic.synthesise(voices, utterance), alone)


def test_the_noise_follows_from_the_seed(voices):
    """Left alone espeak-ng seeds it from the clock, in whole seconds."""
    assert not np.array_equal(
        say(voices, "en-us+train00000", seed=1), say(voices, "en-us+train00000", seed=2)
    )


def test_every_speaker_is_another_voice(voices):
    """A variant that espeak-ng does not find or understand would sound as the default."""
    spoken = [say(voices, f"en-us+{v}") for v in ("train00000", "train00001", "test00000")]
    spoken.append(say(voices, "en-us"))
    for i, one in enumerate(spoken):
        for other in spoken[:i]:
            assert not np.array_equal(one, other)


def test_voice_files_follow_from_the_seed_and_are_all_different():
    files = [
        voice_file(seed, s, n).split("\n", 2)[2]
        for seed in (0, 1)
        for s in ("train", "test")
        for n in range(200)
    ]
    assert len(set(files)) == len(files)
    assert voice_file(0, "train", 7) == voice_file(0, "train", 7)


def test_every_utterance_has_another_text_rate_and_level(monkeypatch):
    said = []

    def speak(folder, voice, text, rate, pitch, pitch_range, seed):
        said.append((text, rate, pitch))
        return np.random.default_rng(0).integers(-9000, 9000, 30000).astype(np.int16)

    monkeypatch.setattr(espeak, "speak", speak)
    speech = [synthetic.synthesise("", Utterance(0, "train", s, n)) for s in (0, 1) for n in (0, 1)]
    speech += [synthetic.synthesise("", Utterance(1, "train", 0, 0))]
    assert len({text for text, _, _ in said}) == len(said)
    assert len({rate for _, rate, _ in said}) > 1
    levels = [20 * np.log10(np.sqrt(np.mean(s**2))) for s in speech]
    assert np.ptp(levels) > 3
    assert all(-35 < level < -17 for level in levels)


def test_stage_0_writes_a_valid_corpus(voices, tmp_path, caplog):
    counts = ["--train-speakers", "3", "--train-utterances", "1", "--test-speakers", "2"]
    command = ["synthetic", "--data", str(tmp_path), *counts, "--test-utterances", "2", "--nj", "1"]
    assert main(command) == 0
    for name, utterances, speakers in (("train", 3, 3), ("test", 4, 2)):
        validate_data_dir(tmp_path / name)
        assert len((tmp_path / name / "utt2spk").read_text().splitlines()) == utterances
        assert len((tmp_path / name / "spk2utt").read_text().splitlines()) == speakers
    assert [path.name for path in (tmp_path / "test" / "trials").glob("[!.]*")] == ["synthetic"]
    trials = read_trials(tmp_path / "test" / "trials" / "synthetic")
    assert (len(trials), trials.is_target.sum()) == (6, 2)
    wavs = sorted((tmp_path / "wav").rglob("*.wav"))
    assert len(wavs) == 7
    for path in wavs:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        samples, _ = soundfile.read(path)
        assert 2 < info.duration < 8
        assert np.mean(np.abs(samples) > 0.99) < 1e-3
    before = {
        path: path.stat().st_mtime_ns
        for path in tmp_path.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }
    assert main(command) == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_samples_do_not_depend_on_processes_counts_or_what_is_there(voices, tmp_path):
    alone = audio_of(make_corpus(plan(), tmp_path / "alone", nj=1))
    parallel = audio_of(make_corpus(plan(), tmp_path / "parallel", nj=2))
    assert parallel == alone
    corpus = make_corpus(plan(train=3, train_utterances=3), tmp_path / "more")
    more = audio_of(corpus)
    assert len(more) == 13
    assert {name: more[name] for name in alone} == alone
    path = Path(corpus.train.wav_scp["train00001-0001"])
    path.unlink()
    assert audio_of(make_corpus(plan(), tmp_path / "more")) == alone
    assert path.read_bytes() == alone["train00001-0001"]


def test_another_seed_gives_other_speech_and_the_old_one_goes(voices, tmp_path):
    counts = ["--train-speakers", "1", "--train-utterances", "1", "--test-utterances", "2"]
    command = ["synthetic", "--data", str(tmp_path), *counts, "--test-speakers", "2", "--nj", "1"]
    assert main(command) == 0
    first = next((tmp_path / "wav").rglob("train00000-0000.wav")).read_bytes()
    (tmp_path / "train" / "feats.scp").write_text("made by the next stage\n")
    assert main([*command, "--seed", "1"]) == 0
    (folder,) = (tmp_path / "wav").iterdir()
    assert folder.name.endswith("-seed1")
    assert next(folder.rglob("train00000-0000.wav")).read_bytes() != first
    assert not (tmp_path / "train" / "feats.scp").exists()
    validate_data_dir(tmp_path / "train")


def test_the_installed_voices_are_not_written_to(tmp_path):
    loader = pytest.importorskip("espeakng_loader", reason="the extra 'synthetic' is missing")
    variants = Path(loader.get_data_path()) / "voices" / "!v"
    before = sorted(os.listdir(variants))
    with espeak.voice_folder({"train00000": "language variant\n"}) as folder:
        assert os.listdir(Path(folder) / "voices" / "!v") == ["train00000"]
    assert not Path(folder).exists()
    assert sorted(os.listdir(variants)) == before


def test_without_espeak_the_extra_is_named(tmp_path, monkeypatch, capsys):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert main(["synthetic", "--data", str(tmp_path / "data")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "pip install -e '.[synthetic]'" in error
    assert not (tmp_path / "data").exists()


def test_a_temporary_folder_too_long_for_espeak(voices, tmp_path, monkeypatch):
    """espeak-ng cuts paths off at some 160 characters, and would end the process."""
    deep = tmp_path / ("x" * 200)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with (
        espeak.voice_folder({"train00000": "language variant\n"}) as folder,
        pytest.raises(InputError, match="set TMPDIR to a short path"),
    ):
        say(folder, "en-us+train00000")
