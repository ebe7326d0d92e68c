"""Folders of speech of one's own: what becomes of them, and what is refused."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats import extract
from speaker_bases.kaldi_feats.audio import READ, read_recording
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.corpora.folders import find_folders
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.kaldi_feats.prepare import main
from speaker_bases.kaldi_feats.reader import FeatureReader
from speaker_bases.kaldi_feats.trials import read_trials


@pytest.fixture
def speech(tmp_path, make_audio) -> Path:
    """A and B train, C tests; s1 is in A and in B; in C two sessions, or none."""
    for folder, names in {
        "A": ("s1/x.wav", "s1/y.wav", "s2/x.flac"),
        "B": ("s1/x.wav", "s1/z.wav", "s3/mon/x.aiff", "s3/tue/x.aiff"),
        "C/t1": ("mon/x.wav", "mon/y.wav", "tue/x.wav"),
        "C": ("t2/mon/x.wav", "t2/wed/x.wav", "t3/x.wav"),
    }.items():
        for name in names:
            make_audio(tmp_path / "speech" / folder / name)
    (tmp_path / "speech" / "A" / "s1" / "notes.txt").write_text("not audio\n")
    return tmp_path / "speech"


def find(speech: Path, *lists, train=("A", "B"), test=("C",), **options):
    train, test = ([speech / name for name in names] for names in (train, test))
    return find_folders(train, test, lists, **options)


def refusal(speech: Path, *lists, **options) -> str:
    with pytest.raises(InputError) as error:
        find(speech, *lists, **options)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{speech}/", "")


def test_ids_carry_the_folder_where_they_would_collide(speech):
    corpus = find(speech)
    assert corpus.train.utt2spk == {
        "s1-A-x": "s1",
        "s1-B-x": "s1",
        "s1-y": "s1",
        "s1-z": "s1",
        "s2-x": "s2",
        "s3-mon-x": "s3",
        "s3-tue-x": "s3",
    }
    assert corpus.train.wav_scp["s1-B-x"] == str(speech / "B/s1/x.wav")
    assert set(corpus.test.utt2spk.values()) == {"t1", "t2", "t3"}


def test_a_speaker_in_two_training_folders_is_warned_of(speech, caplog):
    find(speech)
    assert (
        f"the speaker 's1' is in {speech}/A and {speech}/B, and taken for one speaker"
        in caplog.text
    )


def test_without_a_list_trials_across_sessions_are_drawn(speech):
    trials = find(speech).trials["drawn"]
    rows = zip(trials.enrol, trials.test, trials.is_target, strict=True)
    targets = {(enrol, test) for enrol, test, is_target in rows if is_target}
    assert targets == {
        ("t1-mon-x", "t1-tue-x"),
        ("t1-mon-y", "t1-tue-x"),
        ("t2-mon-x", "t2-wed-x"),
    }
    assert len(trials) == 3 + 3 * 2 + 3 * 1 + 2 * 1
    assert len(find(speech, num_trials=4).trials["drawn"]) == 4
    assert find(speech, num_trials=6).trials["drawn"].digest == (
        find(speech, num_trials=6).trials["drawn"].digest
    )
    seeds = {find(speech, num_trials=6, seed=seed).trials["drawn"].digest for seed in range(9)}
    assert len(seeds) > 1


@pytest.mark.parametrize(
    "names",
    [
        ("t1-mon-x", "t1-tue-x", "t2-mon-x"),
        ("t1/mon/x.wav", "t1/tue/x.wav", "t2/mon/x.wav"),
        ("t1/mon/x", "t1/tue/x.flac", "./t2/mon/x.wav"),
        ("C/t1/mon/x.wav", "C/t1/tue/x", "C/t2/mon/x.wav"),
        ("{}/C/t1/mon/x.wav", "{}/C/t1/tue/x.wav", "{}/C/t2/mon/x"),
    ],
)
def test_lists_with_ids_or_paths(speech, tmp_path, names):
    first, same, other = (name.format(speech) for name in names)
    (tmp_path / "mine.csv").write_text(f"enrol,test,label\n{first},{same},1\n{first},{other},0\n")
    trials = find(speech, tmp_path / "mine.csv").trials["mine"]
    assert (trials.enrol, trials.test) == (["t1-mon-x"] * 2, ["t1-tue-x", "t2-mon-x"])


def test_several_lists(speech, tmp_path):
    for name, utterance in (("one.txt", "t1/mon/y"), ("more/two.txt", "t1/tue/x")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"1 t1/mon/x {utterance}\n0 t1/mon/x t3/x.wav\n")
    trials = find(speech, tmp_path / "one.txt", tmp_path / "more").trials
    assert {name: one.test for name, one in trials.items()} == {
        "one": ["t1-mon-y", "t3-x"],
        "two": ["t1-tue-x", "t3-x"],
    }
    shutil.copy(tmp_path / "one.txt", tmp_path / "more" / "one.txt")
    said = refusal(speech, tmp_path / "one.txt", tmp_path / "more")
    assert f"more/one.txt: the list would be called one, as {tmp_path}/one.txt would" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 t1/mon/x t1/mon/y\n0 t1/mon/x t9/x\n", "list:2: no test utterance 't9/x'"),
        ("1 t1/mon/x t1/mon/y\n1 t2/mon/x t2/wed/x\n", "list: 2 target and 0 nontarget trials"),
        (
            "1 t1/mon/x t1/mon/y\n0 t1/mon/x s2/x.flac\n",
            "list:2: 's2/x.flac' is an utterance of the training set: error rates on speakers seen",
        ),
        ("1 t1/mon/x t1/mon/x\n0 t1/mon/x t3/x\n", "list:1: 't1-mon-x' is compared with itself"),
        ("1 t1/mon/x C/t1/mon/x.wav\n0 t3/x t1/mon/x\n", "list:1: 't1-mon-x' is compared with i"),
        ("\n1 t1/mon/x t2/mon/x\n0 t1/mon/x t3/x\n", "list:2: the label says target, and the spe"),
        ("1 t1/mon/x t1/mon/y\n0 t1/mon/x\n", "list:2: expected '1|0 enrol test', "),
    ],
)
def test_lists_that_are_refused(speech, tmp_path, text, message):
    (tmp_path / "list").write_text(text)
    assert refusal(speech, tmp_path / "list").removeprefix(f"{tmp_path}/").startswith(message)


def test_a_path_that_may_be_several_utterances(speech, tmp_path, make_audio):
    for path in ("D/t1/mon/x.wav", "D/t4/x.wav"):
        make_audio(speech / path)
    (tmp_path / "list").write_text("1 t1/mon/x.wav t1/mon/y.wav\n0 t2/mon/x t1/mon/y\n")
    said = refusal(speech, tmp_path / "list", test=("C", "D"))
    assert "list:1: 't1/mon/x.wav' may be any of t1-C-mon-x, t1-D-mon-x; write the id" in said
    (tmp_path / "list").write_text("1 D/t1/mon/x.wav t1/mon/y.wav\n0 t2/mon/x t1/mon/y\n")
    assert find(speech, tmp_path / "list", test=("C", "D")).trials["list"].enrol[0] == "t1-D-mon-x"


def test_a_speaker_in_train_and_test_is_refused(speech, make_audio):
    make_audio(speech / "C" / "s2" / "x.wav")
    assert refusal(speech).startswith(
        "the speaker 's2' is both in A, for training, and in C, for test; a test needs speakers"
    )


def test_a_folder_with_one_speaker_is_refused(speech):
    shutil.rmtree(speech / "A" / "s2")
    assert refusal(speech).startswith("A: one speaker only, 's1'; give the folder that holds a")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({"train": ("A", "A")}, "A: is the same as A, or one is in the other"),
        ({"train": ("A", "A/../A/s1")}, "A/../A/s1: is the same as A, or one is in the other"),
        ({"test": (".",)}, ": is the same as A, or one is in the other"),
        ({"test": ("nowhere",)}, "nowhere: no such folder; correct --train-dirs or --test-dirs"),
    ],
)
def test_folders_that_are_refused(speech, folders, message):
    assert message in refusal(speech, **folders)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("A/x.wav", "A/x.wav: not in a speaker's folder or a session's in it: A/<speaker>/[<sess"),
        ("A/s1/mon/more/x.wav", "A/s1/mon/more/x.wav: not in a speaker's folder"),
        ("A/s1/B/x.wav", "B/s1/x.wav: would be called 's1-B-x', as A/s1/B/x.wav is; rename one"),
        ("A/s3/mon-x.wav", "B/s3/mon/x.aiff: would be called"),
        ("A/s2/mon/x.wav", None),
        ("A/s1+/x.wav", "B/s1: the utterances of 's1' and of 's1+' are sorted among each other"),
    ],
)
def test_recordings_out_of_place_or_with_colliding_names(speech, make_audio, path, message):
    make_audio(speech / path)
    if message is None:
        assert "s2-mon-x" in find(speech).train.utt2spk
    elif path == "A/s3/mon-x.wav":  # the folder's name tells them apart
        assert {"s3-A-mon-x", "s3-B-mon-x"} < set(find(speech).train.utt2spk)
    else:
        assert refusal(speech).startswith(message)


def test_a_folder_without_recordings_says_what_is_in_it(speech):
    (speech / "empty" / "s1").mkdir(parents=True)
    (speech / "empty" / "s1" / "x.txt").write_text("words\n")
    said = refusal(speech, train=("A", "empty"))
    assert said.startswith("empty: no recordings in it of the form <speaker>/[<session>/]<utter")
    assert said.endswith("there are: 1 *.txt")


def test_an_empty_recording_is_refused(speech):
    (speech / "A" / "s1" / "x.wav").write_bytes(b"")
    assert refusal(speech).startswith("A/s1/x.wav: an empty file")


def test_a_name_that_is_not_utf8(speech, make_audio):
    path = make_audio(speech / "A" / "s1" / "w.wav")
    os.rename(path, os.fsencode(path.parent) + b"/\xff.wav")
    assert refusal(speech).startswith("A/s1/\\xff.wav: its name is not UTF-8")


@pytest.mark.parametrize("name", ["a b", "<b>", "$(reboot)", "a;b", "a|"])
@pytest.mark.parametrize("what", ["A/{}/x.wav", "A/s1/{}/x.wav", "A/s1/{}.wav"])
def test_names_that_others_would_stumble_over(speech, tmp_path, make_audio, capsys, what, name):
    make_audio(speech / what.format(name))
    assert prepare(speech, tmp_path) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "speakers and utterances are made of letters" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("suffix", READ)
def test_every_suffix_that_is_taken_is_read(tmp_path, suffix):
    names = {".wave": "WAV", ".oga": "OGG", ".opus": "OGG", ".sph": "NIST", ".snd": "AU"}
    names |= {".aif": "AIFF", ".aifc": "AIFF"}
    path = tmp_path / f"x{suffix}"
    subtype = {".opus": "OPUS", ".mp3": "MPEG_LAYER_III", ".ogg": "VORBIS", ".oga": "VORBIS"}
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 16000)
    form = names.get(suffix, suffix[1:].upper())
    soundfile.write(path, noise, 16000, subtype.get(suffix, "PCM_16"), format=form)
    assert len(read_recording(str(path), "wav.scp:1").samples) >= 16000


def prepare(speech: Path, tmp_path: Path, *options) -> int:
    folders = ["--train-dirs", speech / "A", speech / "B", "--test-dirs", speech / "C"]
    return main(["folders", *map(str, [*folders, "--data", tmp_path / "data", *options])])


def dates(folder: Path) -> dict[Path, int]:
    paths = [path for path in folder.rglob("*") if not path.name.endswith(".lock")]
    return {path: path.stat().st_mtime_ns for path in paths}


def test_stages_0_and_1(speech, tmp_path, conf):
    data = tmp_path / "data"
    assert prepare(speech, tmp_path) == 0
    for name in ("train", "test"):
        assert extract.main(["--nj", "1", "--fbank-config", str(conf), str(data / name)]) == 0
        assert validate_data_dir(data / name, features=True) == {"train": 7, "test": 6}[name]
        assert set(FeatureReader(data / name / "feats.scp")) == set(
            read_table(data / name / "utt2spk")
        )
    before = dates(data)
    assert prepare(speech, tmp_path) == 0
    assert dates(data) == before
    assert len(read_trials(data / "test" / "trials" / "drawn")) == 14


def test_a_refused_list_leaves_earlier_results_alone(speech, tmp_path, capsys):
    (tmp_path / "list").write_text("1 t1/mon/x t1/mon/y\n0 t1/mon/x s2/x.flac\n")
    assert prepare(speech, tmp_path, "--trials", tmp_path / "list") == 1
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "data").exists()
    assert prepare(speech, tmp_path) == 0
    before = dates(tmp_path / "data")
    assert prepare(speech, tmp_path, "--trials", tmp_path / "list") == 1
    assert dates(tmp_path / "data") == before


def test_real_speech(open_sv, tmp_path):
    root = open_sv / "corpus"
    tests = [root / "test-so762", root / "test-libri"]
    corpus = find_folders([root / "train-so762", root / "train-asc"], tests)
    assert (len(corpus.train.utt2spk), len(corpus.test.utt2spk)) == (3_220, 2_938)
    drawn = corpus.trials["drawn"]
    assert len(drawn) <= 20_000 and np.count_nonzero(drawn.is_target) > 5_000
    lists = [root / "trials" / name for name in ("so762.txt", "libri.txt")]
    trials = find_folders([root / "train-so762"], tests, lists).trials
    assert {name: len(one) for name, one in trials.items()} == {"so762": 25_000, "libri": 6_991}
