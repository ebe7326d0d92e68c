"""Kaldi data directories that somebody has: what becomes of them, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats import extract
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.corpora.kaldi import find_kaldi
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.kaldi_feats.prepare import main
from speaker_bases.kaldi_feats.reader import FeatureReader, MatrixWriter

SPEAKERS = {"train": ("a", "b", "c"), "test": ("m", "n", "o", "p")}


@pytest.fixture
def dirs(tmp_path, make_audio, monkeypatch) -> Path:
    """own/train and own/test, unsorted, with relative paths and a pipe."""
    for name, speakers in SPEAKERS.items():
        folder = tmp_path / "own" / name
        folder.mkdir(parents=True)
        utterances = [f"{speaker}-{number}" for number in (2, 1) for speaker in speakers]
        for number, utterance in enumerate(utterances):
            make_audio(tmp_path / "wav" / f"{utterance}.wav", samples=4800, seed=number)
        sources = [f"{utterance} wav/{utterance}.wav\n" for utterance in utterances]
        sources[0] = sources[0].replace(" wav", " cat wav").replace("\n", " |\n")
        (folder / "wav.scp").write_text("".join(sources))
        (folder / "utt2spk").write_text("".join(f"{one} {one[0]}\n" for one in utterances))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own"


def find(dirs: Path, *lists, **options):
    return find_kaldi(dirs / "train", dirs / "test", lists, **options)


def refusal(dirs: Path, *lists, **options) -> str:
    with pytest.raises(InputError) as error:
        find(dirs, *lists, **options)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{dirs}/", "")


def prepare(dirs: Path, *options) -> int:
    folders = ["--train-data", dirs / "train", "--test-data", dirs / "test"]
    return main(["kaldi", *map(str, [*folders, "--data", dirs.parent / "data", *options])])


def make_features(data_dir: Path, conf: Path) -> int:
    return extract.main(["--nj", "1", "--fbank-config", str(conf), str(data_dir)])


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_stages_0_and_1(dirs, conf):
    data = dirs.parent / "data"
    assert prepare(dirs) == 0
    for name, speakers in SPEAKERS.items():
        assert validate_data_dir(data / name) == 2 * len(speakers)
        assert make_features(data / name, conf) == 0
        assert len(FeatureReader(data / name / "feats.scp")) == 2 * len(speakers)
    assert read_table(data / "train" / "wav.scp")["a-1"] == str(dirs.parent / "wav" / "a-1.wav")
    assert read_table(data / "train" / "wav.scp")["a-2"] == "cat wav/a-2.wav |"
    assert [path.name for path in (data / "test" / "trials").glob("[!.]*")] == ["drawn"]


def test_relative_paths_start_from_the_folder_that_is_given(dirs, conf, tmp_path, monkeypatch):
    (tmp_path / "else where").mkdir()
    monkeypatch.chdir(tmp_path / "else where")
    assert prepare(dirs, "--scp-root", tmp_path) == 0
    data = tmp_path / "data"
    assert read_table(data / "train" / "wav.scp")["a-1"] == str(tmp_path / "wav" / "a-1.wav")
    assert make_features(data / "train", conf) == 0
    assert "a-2" in FeatureReader(data / "train" / "feats.scp")


def test_a_recording_that_is_not_there(dirs, capsys):
    (dirs.parent / "wav" / "b-1.wav").unlink()
    assert prepare(dirs) == 1
    said = capsys.readouterr().err
    assert "no such file: " in said and "b-1.wav" in said and said.count("\n") == 1
    assert not (dirs.parent / "data" / "train").exists()


def test_trials_are_drawn_of_the_same_sex(dirs):
    (dirs / "test" / "spk2gender").write_text("o f\nm m\nn m\np f\n")
    trials = find(dirs).trials["drawn"]
    rows = zip(trials.enrol, trials.test, trials.is_target, strict=True)
    pairs = {frozenset((a[0], b[0])) for a, b, is_target in rows if not is_target}
    assert pairs == {frozenset("mn"), frozenset("op")}
    assert len(trials) == 4 + 4 + 4
    assert len(find(dirs, num_trials=6).trials["drawn"]) == 6


def test_lists_of_the_test_directory_are_taken(dirs):
    (dirs / "test" / "trials").write_text("m-1 m-2 target\nm-1 n-2 nontarget\n")
    assert list(find(dirs).trials) == ["trials"]
    (dirs.parent / "own.csv").write_text("m-1,m-2,1\nm-1,n-2,0\n")
    assert list(find(dirs, dirs.parent / "own.csv").trials) == ["own"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m-1 m-2 target\nm-1 x-2 nontarget\n", "list:2: no test utterance 'x-2'"),
        ("m-1 m-2 1\nn-1 n-2 1\n", "list: 2 target and 0 nontarget trials; error rates need both"),
        ("1 m-1 m-2\n0 m-1 a-2\n", "list:2: 'a-2' is an utterance of the training set"),
        ("1 m-1 m-2\n1 n-1 n-1\n0 m-1 n-1\n", "list:2: 'n-1' is compared with itself"),
        ("1 m-1 m-2\n1 m-1 n-2\n0 o-1 n-2\n", "list:2: the label says target, and the lines of "),
    ],
)
def test_lists_that_are_refused(dirs, text, message, capsys):
    path = dirs.parent / "list"
    path.write_text(text)
    assert refusal(dirs, path).removeprefix(f"{path.parent}/").startswith(message)
    assert prepare(dirs, "--trials", path) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (dirs.parent / "data").exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("test/utt2spk", "m-1 m", "a-9 a", "the speaker 'a' is both in train/utt2spk:1, for trai"),
        ("train/utt2spk", "b-1 b", "b-1 x", "train/utt2spk:5: the speaker 'x' does not prefix"),
        ("train/utt2spk", "b-1 b\n", "", "train/wav.scp:5: the utterance 'b-1' is not in utt2spk"),
        ("train/wav.scp", "b-1 ", "b-9 ", "train/utt2spk:5: the utterance 'b-1' is not in wav.s"),
        ("train/utt2spk", "b-1 b", "b-2 b", "train/utt2spk:5: 'b-2' comes twice; remove one of t"),
        ("train/wav.scp", "b-1 ", "b-2 ", "train/wav.scp:5: 'b-2' comes twice; remove one of the"),
        ("train/wav.scp", " wav/b-1.wav", "", "train/wav.scp:5: only one field, 'b-1'; every lin"),
    ],
)
def test_tables_that_are_refused(dirs, name, old, new, message):
    if name.startswith("test"):
        replace(dirs / "test" / "wav.scp", "m-1 ", "a-9 ")
    replace(dirs / name, old, new)
    assert refusal(dirs).startswith(message)


def test_one_speaker(dirs):
    for name in ("wav.scp", "utt2spk"):
        lines = (dirs / "test" / name).read_text().splitlines(keepends=True)
        (dirs / "test" / name).write_text("".join(line for line in lines if line[0] == "n"))
    assert refusal(dirs) == "test/utt2spk:1: one speaker only, 'n'; two or more are needed"


def test_no_directory_or_no_table(dirs):
    (dirs / "train" / "wav.scp").unlink()
    assert refusal(dirs).startswith("train/wav.scp: no such file")
    shutil.rmtree(dirs / "train")
    assert refusal(dirs).startswith("train: no such data directory; correct --train-data")


def test_a_directory_is_not_written_into_itself(dirs, capsys):
    assert prepare(dirs, "--data", dirs) == 1
    assert "choose another --data" in capsys.readouterr().err


def test_a_name_that_others_would_stumble_over(dirs, capsys):
    for name in ("wav.scp", "utt2spk"):
        replace(dirs / "train" / name, "b-1 ", "b-$(reboot) ")
    assert prepare(dirs) == 1
    assert "the name 'b-$(reboot)': speakers and" in capsys.readouterr().err
    assert not (dirs.parent / "data").exists()


def segment(dirs: Path) -> None:
    """Of the test set, two segments of each recording; their ids are those of the recordings."""
    rows = [line.split()[0] for line in (dirs / "test" / "utt2spk").read_text().splitlines()]
    parts = [(f"{one}-{part}", one, start) for part, start in ((2, 0.15), (1, 0)) for one in rows]
    segments = "".join(f"{name} {one} {start} -1\n" for name, one, start in parts)
    (dirs / "test" / "segments").write_text(segments.replace("m-1 0.15 -1", "m-1 0.05 0.3"))
    (dirs / "test" / "utt2spk").write_text("".join(f"{name} {name[0]}\n" for name, *_ in parts))


def test_segments(dirs, conf):
    segment(dirs)
    trials = find(dirs).trials["drawn"]
    rows = zip(trials.enrol, trials.test, trials.is_target, strict=True)
    assert all(a[:3] != b[:3] for a, b, is_target in rows if is_target)  # two recordings
    data = dirs.parent / "data" / "test"
    assert prepare(dirs) == 0
    assert validate_data_dir(data) == 16 and len(read_table(data / "wav.scp")) == 8
    assert make_features(data, conf) == 0
    frames = {name: len(matrix) for name, matrix in FeatureReader(data / "feats.scp").items()}
    assert (len(frames), frames["m-1-2"], frames["n-1-2"], frames["n-1-1"]) == (16, 23, 13, 28)
    before = (data / "segments").stat().st_mtime_ns
    assert prepare(dirs) == 0 and (data / "segments").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "n-1-2 n-1 0.15 -1",
            "n-1-2 n-1 0.15 0.1",
            "test/segments:6: from 0.15 to 0.1 s is no part",
        ),
        (
            "n-1-2 n-1 0.15 -1",
            "n-1-2 n-9 0.15 -1",
            "test/segments:6: the recording 'n-9' is not in",
        ),
        ("n-1-2 n-1 0.15 -1\n", "", "test/utt2spk:6: the utterance 'n-1-2' is not in segments"),
    ],
)
def test_segments_that_are_refused(dirs, old, new, message):
    segment(dirs)
    replace(dirs / "test" / "segments", old, new)
    assert refusal(dirs).startswith(message)


def give_features(dirs: Path, bands: int = 20, leave_out: str = "") -> dict[str, np.ndarray]:
    """Features of both directories, with relative paths, unsorted; the recordings go."""
    rng, given = np.random.default_rng(0), {}
    for name in SPEAKERS:
        with MatrixWriter(dirs / name / "raw.scp") as writer:
            for utterance in read_table(dirs / name / "utt2spk", in_order=False):
                if utterance != leave_out:
                    given[utterance] = rng.normal(size=(30, bands)).astype(np.float32)
                    writer.write(utterance, given[utterance])
        lines = (dirs / name / "raw.scp").read_text().replace(f"{dirs.parent}/", "").splitlines()
        (dirs / name / "feats.scp").write_text("".join(f"{line}\n" for line in reversed(lines)))
    shutil.rmtree(dirs.parent / "wav")
    return given


def test_features_that_are_there_are_used(dirs, conf):
    given = give_features(dirs)
    assert prepare(dirs) == 0
    for name in SPEAKERS:
        data = dirs.parent / "data" / name
        assert make_features(data, conf) == 0
        assert validate_data_dir(data, features=True) == 2 * len(SPEAKERS[name])
        for utterance, matrix in FeatureReader(data / "feats.scp").items():
            assert np.array_equal(matrix, given[utterance])
        assert (data / "utt2num_frames").read_text().endswith(" 30\n")
        before = {path: path.stat().st_mtime_ns for path in data.iterdir()}
        assert prepare(dirs) == 0 and make_features(data, conf) == 0
        after = {path: path.stat().st_mtime_ns for path in data.iterdir()}
        assert {path for path in before if after[path] != before[path]} <= {data / "log"}


def test_features_that_change_are_put_in_place_again(dirs, conf):
    give_features(dirs)
    data = dirs.parent / "data" / "test"
    assert prepare(dirs) == 0 and make_features(data, conf) == 0
    before = (data / ".fbank.done").read_text()
    with MatrixWriter(dirs / "test" / "raw.scp") as writer:
        for utterance in read_table(dirs / "test" / "utt2spk", in_order=False):
            writer.write(utterance, np.ones((30, 20)))
    assert make_features(data, conf) == 0
    assert (data / ".fbank.done").read_text() != before
    assert (FeatureReader(data / "feats.scp")["m-1"] == 1).all()


def test_features_of_another_dimension_are_refused(dirs, conf, capsys):
    give_features(dirs, bands=23)
    assert prepare(dirs) == 0
    capsys.readouterr()
    assert make_features(dirs.parent / "data" / "train", conf) == 1
    said = capsys.readouterr().err
    assert "given_feats.scp:1: a-1: its features have 23 values a frame, and the options" in said
    assert said.count("\n") == 1 and not (dirs.parent / "data" / "train" / "feats.scp").exists()


def test_an_utterance_without_features_may_not_be_in_a_trial(dirs, conf, capsys):
    give_features(dirs, leave_out="m-1")
    data = dirs.parent / "data" / "test"
    assert prepare(dirs) == 0
    assert make_features(data, conf) == 1
    assert "the utterance 'm-1' has no features" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("own/train/raw.ark", "gone.ark", "train/feats.scp:1: no such archive: "),
        ("c-2 ", "x-2 ", "train/feats.scp:1: the utterance 'x-2' is not in utt2spk"),
        ("c-2 own", "c-2 touch hacked; own", None),
    ],
)
def test_features_that_are_refused(dirs, old, new, message):
    give_features(dirs)
    replace(dirs / "train" / "feats.scp", old, new)
    if message is None:
        replace(dirs / "train" / "feats.scp", "raw.ark", "raw.ark |")
        message = "train/feats.scp:1: "
    assert refusal(dirs).startswith(message)
    assert not Path("hacked").exists()


def test_what_another_data_folder_of_this_project_has_is_taken(dirs, conf):
    assert prepare(dirs) == 0
    data = dirs.parent / "data"
    for name in SPEAKERS:
        assert make_features(data / name, conf) == 0
    corpus = find_kaldi(data / "train", data / "test")
    assert list(corpus.trials) == ["drawn"] and len(corpus.test.features) == 8
