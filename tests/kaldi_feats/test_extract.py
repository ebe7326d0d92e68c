"""The feature stage with the embedded extractor."""

import shlex
from pathlib import Path

import joblib
import numpy as np
import pytest
import soundfile
from joblib._parallel_backends import ThreadingBackend

from speaker_bases.kaldi_feats import extract
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.reader import FeatureReader, read_num_frames


def add_options(conf: Path, options: str) -> None:
    conf.write_text("\n".join([*conf.read_text().split(), *options.split(), ""]))


@pytest.mark.parametrize(
    "wav_scp, options, golden",
    [
        ("wav16k_1s.scp", "--sample-frequency=8000 --allow-downsample=true", "8k_downsample"),
        ("wav8k.scp", "--allow-upsample=true", "16k_upsample"),
    ],
)
def test_resampling_is_near_kaldis(golden_corpus, embedded, conf, wav_scp, options, golden):
    """Another resampler than Kaldi's: they differ where the one or the other cuts off."""
    data = golden_corpus(wav_scp)
    add_options(conf, f"--num-mel-bins=64 {options}")
    code, said = embedded(data, "--cmn-window", "1000000")
    assert code == 0, said
    ((name, made),) = data.features().items()
    expected = FeatureReader(f"fbank64_{golden}.scp")[name]
    expected = expected - expected.mean(axis=0)
    assert made.shape == expected.shape
    assert np.median(np.abs(made - expected)) < 0.02


def test_a_wrong_sample_rate_is_an_error(corpus, embedded):
    path = corpus.folder / "8k.wav"
    soundfile.write(path, np.ones(4000, np.int16), 8000)
    corpus.point_to(3, str(path))
    code, said = embedded(corpus)
    assert code == 1
    assert f"wav.scp:3: {path}: the sample rate is 8000 Hz and --sample-frequency 16000 Hz" in said
    assert "--allow-upsample=true" in said


def test_too_short_is_skipped_and_counted(corpus, embedded):
    path = corpus.folder / "short.wav"
    soundfile.write(path, np.ones(399, np.int16), 16000)
    corpus.point_to(3, str(path))
    code, said = embedded(corpus)
    assert code == 0 and "done 11 of 12, skipped 1" in said
    assert "wav.scp:3: s0-u08: skipped: too short" in said
    assert "s0-u08" not in corpus.features() and "s0-u08" not in read_num_frames(corpus)
    validate_data_dir(corpus, features=True)
    assert embedded(corpus)[0] == 0


def test_nothing_long_enough(corpus, embedded, conf):
    add_options(conf, "--min-duration=2")
    code, said = embedded(corpus)
    assert code == 1 and "wav.scp: no features came of any of the 12 recordings" in said
    assert not (corpus.path / "feats.scp").exists()


def test_channels(corpus, embedded, conf):
    left, right = np.random.default_rng(1).integers(-9000, 9000, (2, 4800)).astype(np.int16)
    paths = [str(corpus.folder / f"{name}.wav") for name in ("both", "left", "right")]
    for path, data in zip(paths, (np.stack([left, right], 1), left, right), strict=True):
        soundfile.write(path, data, 16000)
    for number, path in enumerate(paths, start=1):
        corpus.point_to(number, path)
    code, said = embedded(corpus)
    assert code == 0 and "wav.scp:1: s0-u00: 2 channels and no --channel" in said
    both, left_only, right_only = list(corpus.features().values())[:3]
    np.testing.assert_array_equal(both, left_only)
    add_options(conf, "--channel=1")
    code, said = embedded(corpus)
    assert code == 0 and "done 1 of 12, skipped 11" in said
    np.testing.assert_array_equal(corpus.features()["s0-u00"], right_only)


def test_pipes_and_other_formats(corpus, embedded):
    before = embedded(corpus), corpus.features()
    path = corpus.source("s0-u04")
    flac = corpus.folder / "a b.flac"
    soundfile.write(flac, *soundfile.read(path, dtype="int16"))
    corpus.point_to(1, str(flac))
    corpus.point_to(2, f"cat {shlex.quote(path)} |")
    assert embedded(corpus)[0] == 0
    after = corpus.features()
    np.testing.assert_array_equal(after["s0-u00"], before[1]["s0-u04"])
    np.testing.assert_array_equal(after["s0-u04"], before[1]["s0-u04"])


def broken_flac(path: Path) -> None:
    soundfile.write(path, np.random.default_rng(0).integers(-9, 9, 9000).astype(np.int16), 16000)
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    "name, make, message",
    [
        ("gone.wav", lambda path: None, "no such file"),
        ("empty.wav", lambda path: path.touch(), "empty"),
        ("cut.flac", broken_flac, "cannot be read"),
        ("text.wav", lambda path: path.write_text("not a recording"), "cannot be read"),
    ],
)
def test_a_bad_recording_leaves_earlier_features_alone(corpus, embedded, name, make, message):
    assert embedded(corpus)[0] == 0
    before, made = corpus.snapshot(), corpus.features()
    wav_scp = (corpus.path / "wav.scp").read_text()
    make(corpus.folder / name)
    corpus.point_to(11, str(corpus.folder / name))
    code, said = embedded(corpus)
    assert code == 1
    (line,) = [line for line in said.splitlines() if "error:" in line]
    assert f"{corpus.path / 'wav.scp'}:11: " in line and name in line and message in line
    after = corpus.snapshot()
    del after["wav.scp"], before["wav.scp"]
    assert {name: after[name] for name in before} == before
    for name, matrix in corpus.features().items():
        np.testing.assert_array_equal(matrix, made[name])
    (corpus.path / "wav.scp").write_text(wav_scp)
    code, said = embedded(corpus)
    assert code == 0 and "nothing to do" in said


def test_a_pipe_that_fails(corpus, embedded):
    corpus.point_to(11, "echo no luck >&2; exit 3 |")
    code, said = embedded(corpus)
    assert code == 1 and "wav.scp:11: echo no luck >&2; exit 3 |: the command exits" in said


def test_a_finished_stage_is_left_alone(corpus, embedded):
    assert embedded(corpus)[0] == 0
    before = corpus.snapshot()
    code, said = embedded(corpus, "--nj", "3")
    assert code == 0 and "nothing to do" in said
    assert corpus.snapshot() == before


@pytest.mark.parametrize("lost", ["feats.scp", "utt2num_frames", "fbank.conf", "ark"])
def test_what_was_lost_is_made_again(corpus, embedded, lost):
    assert embedded(corpus)[0] == 0
    path = next(corpus.path.glob("fbank/*.ark")) if lost == "ark" else corpus.path / lost
    path.unlink()
    assert embedded(corpus)[0] == 0
    assert path.is_file()
    validate_data_dir(corpus, features=True)


def test_a_stage_that_died_continues(corpus, embedded):
    """The second ark fails; the first is not made twice."""
    source = corpus.source("s3-u11")
    good, bad = Path(source), corpus.folder / "aside.wav"
    lines = [line.split()[0] for line in (corpus.path / "wav.scp").read_text().splitlines()]
    assert lines.index("s3-u11") == 11
    good.rename(bad)
    good.write_text("broken")
    assert embedded(corpus)[0] == 1
    first = corpus.dates(".scp")
    assert len(first) == 1 and not (corpus.path / "feats.scp").exists()
    bad.replace(good)
    code, said = embedded(corpus)
    assert code == 0 and "done 12 of 12" in said
    second = corpus.dates(".scp")
    assert len(second) == 2 and first.items() <= second.items()


def test_interrupted(corpus, embedded):
    """Ctrl-C while the second ark is made; the shell's parent is this process."""
    source = corpus.source("s3-u11")
    corpus.point_to(12, "kill -INT $PPID; exec sleep 60 |")
    code, said = embedded(corpus)
    assert code == 130 and "interrupted" in said and "Traceback" not in said
    first = corpus.dates(".scp")
    assert len(first) == 1 and not (corpus.path / "feats.scp").exists()
    corpus.point_to(12, source)
    assert embedded(corpus)[0] == 0
    assert first.items() <= corpus.dates(".scp").items()
    assert {path.suffix for path in (corpus.path / "fbank").glob("[!.]*")} == {
        ".ark",
        ".scp",
        ".num_frames",
    }


def change_conf(corpus) -> list[str]:
    add_options(corpus.folder.parent / "fbank.conf", "--low-freq=100")
    return []


def change_recording(corpus) -> list[str]:
    path = corpus.source("s0-u04")
    soundfile.write(path, np.full(9000, 7, np.int16), 16000)
    return []


@pytest.mark.parametrize(
    "name, command",
    [
        ("plain.wav", "cat {} |"),
        ("a b's (new) #1.wav", "cat {} |"),
        ("in.wav", "(cat <{}) 2>/dev/null |"),
        ("last.wav", "cat 'no such file' {} 2>/dev/null; true |"),
    ],
)
def test_a_recording_behind_a_pipe_that_changed_is_made_again(corpus, embedded, name, command):
    """Its line in wav.scp is as before, and so may be its size."""
    path = corpus.folder / name
    soundfile.write(path, np.full(4800, 7, np.int16), 16000)
    corpus.point_to(12, command.format(shlex.quote(str(path))))
    assert embedded(corpus)[0] == 0
    assert "nothing to do" in embedded(corpus)[1]
    before, arks = corpus.features(), corpus.dates(".ark")
    soundfile.write(path, (np.arange(4800) ** 2 % 999).astype(np.int16), 16000)
    code, said = embedded(corpus)
    assert code == 0 and "done 12 of 12" in said
    after = corpus.features()
    assert [n for n in before if not np.array_equal(before[n], after[n])] == ["s3-u11"]
    assert len(corpus.dates(".ark")) == 2
    assert len(corpus.dates(".ark").items() & arks.items()) == 1


@pytest.mark.parametrize(
    "change, kept",
    [
        (change_conf, 0),
        (lambda corpus: ["--cmn-window", "9"], 0),
        (lambda corpus: ["--compress", "true"], 0),
        (change_recording, 1),
    ],
)
def test_what_a_change_touches_is_made_again(corpus, embedded, change, kept):
    assert embedded(corpus)[0] == 0
    before, arks = corpus.features(), corpus.dates(".ark")
    options = change(corpus)
    code, said = embedded(corpus, *options)
    assert code == 0 and "done 12 of 12" in said
    after = corpus.features()
    assert not all(np.array_equal(after[name], before[name]) for name in before)
    assert len(corpus.dates(".ark")) == 2
    assert len(corpus.dates(".ark").items() & arks.items()) == kept
    assert "nothing to do" in embedded(corpus, *options)[1]


def test_a_moved_data_directory(corpus, embedded):
    assert embedded(corpus)[0] == 0
    arks = corpus.dates(".ark")
    moved = corpus.at(corpus.folder / "moved" / "train")
    moved.folder.mkdir()
    corpus.path.rename(moved.path)
    assert embedded(moved)[0] == 0
    validate_data_dir(moved, features=True)
    assert moved.dates(".ark") == arks


def test_arks_elsewhere_are_not_cleared_away(corpus, conf, tmp_path):
    """Another data directory of the same name may keep its arks in the same folder."""
    arguments = ["--nj", "1", "--fbank-config", str(conf), str(corpus.path), str(tmp_path / "log")]
    assert extract.main([*arguments, str(tmp_path / "arks")]) == 0
    arks = set((tmp_path / "arks").glob("[!.]*"))
    add_options(conf, "--low-freq=100")
    assert extract.main([*arguments, str(tmp_path / "arks")]) == 0
    assert len(arks) == 6 and arks < set((tmp_path / "arks").iterdir())
    assert not (corpus.path / "fbank").exists() and not (corpus.path / "log").exists()


@pytest.mark.parametrize("as_they_come", [True, False])
def test_joblibs_backend_can_be_chosen(corpus, conf, as_they_come):
    """Threads stand for a cluster; not every cluster can hand over results as they come."""

    class Cluster(ThreadingBackend):
        supports_return_generator = as_they_come

    joblib.register_parallel_backend("cluster", Cluster)
    with joblib.parallel_config("cluster"):
        assert extract.main(["--nj", "2", "--fbank-config", str(conf), str(corpus.path)]) == 0
    assert len(corpus.features()) == 12


@pytest.mark.parametrize(
    "options, message",
    [
        (["--nj", "0"], "--nj must be at least 1"),
        (["--cmn-window", "0"], "--cmn-window must be at least 1"),
        (["--fbank-config", "none.conf"], "none.conf: no such file"),
    ],
)
def test_bad_options(corpus, embedded, options, message):
    code, said = embedded(corpus, *options)
    assert code == 1 and message in said


def test_more_bands_than_the_spectrum_has(corpus, embedded, conf):
    conf.write_text("--num-mel-bins=500\n")
    code, said = embedded(corpus)
    assert code == 1 and "fbank.conf: " in said and "num_mel_bins" in said


@pytest.mark.parametrize("damage", ["truncated ark", "missing line", "swapped offsets"])
def test_damaged_features_are_made_again(corpus, embedded, damage):
    assert embedded(corpus)[0] == 0
    whole = {name: matrix.tobytes() for name, matrix in corpus.features().items()}
    ark, scp = next(corpus.path.glob("fbank/*.ark")), corpus.path / "feats.scp"
    lines = scp.read_text().splitlines()
    if damage == "truncated ark":
        ark.write_bytes(ark.read_bytes()[:-100])
    elif damage == "missing line":
        scp.write_text("\n".join(lines[:-1]) + "\n")
    else:
        (first, one), (second, two) = (line.split(" ", 1) for line in lines[:2])
        scp.write_text("\n".join([f"{first} {two}", f"{second} {one}", *lines[2:]]) + "\n")
    assert embedded(corpus)[0] == 0
    assert {name: matrix.tobytes() for name, matrix in corpus.features().items()} == whole
