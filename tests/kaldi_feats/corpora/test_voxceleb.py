"""VoxCeleb's folders as stage 0 takes them, and every reason to refuse them."""

import logging
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.audio import read_recording
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.corpora import voxceleb, voxceleb_counts
from speaker_bases.kaldi_feats.corpora.left_out import LeftOut
from speaker_bases.kaldi_feats.corpora.voxceleb_tree import scan
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.kaldi_feats.fbank.stage import FeatureStage
from speaker_bases.kaldi_feats.kinds.fbank import with_window
from speaker_bases.kaldi_feats.prepare import main
from speaker_bases.kaldi_feats.trials import read_trials


def find_voxceleb1(*arguments):
    """Of a miniature."""
    return voxceleb.find_voxceleb1(*arguments, allow_missing=True)


def find_voxceleb2(*arguments):
    return voxceleb.find_voxceleb2(*arguments, allow_missing=True)


def speakers(data_set) -> set[str]:
    return set(data_set.utt2spk.values())


def merged(source: Path, target: Path) -> Path:
    """All speakers' folders of a tree in one."""
    for speaker in source.glob("*/wav/id*"):
        shutil.copytree(speaker, target / speaker.name)
    return target


# ---- folders


@pytest.mark.parametrize("layout", ["as unpacked", "dev and test", "merged", "merged in wav"])
def test_layouts_of_voxceleb1(layout, vox1, own_list, tmp_path):
    root = vox1
    if layout == "dev and test":
        (vox1 / "vox1_dev_wav").rename(vox1 / "dev")
        (vox1 / "vox1_test_wav").rename(vox1 / "test")
    elif layout.startswith("merged"):
        root = tmp_path / "one"
        merged(vox1, root / "wav" if layout == "merged in wav" else root)
    corpus = find_voxceleb1(root, [own_list])
    assert speakers(corpus.train) == {"id10001", "id11251"}
    assert speakers(corpus.test) == {"id10270", "id10309"}
    assert len(corpus.train.wav_scp) == len(corpus.test.wav_scp) == 16


def test_utterance_ids_come_from_speaker_video_and_segment(vox1, own_list):
    corpus = find_voxceleb1(vox1, [own_list])
    for utterance, path in (corpus.train.wav_scp | corpus.test.wav_scp).items():
        assert utterance == "-".join(Path(path).with_suffix("").parts[-3:])
        assert os.path.isabs(path) and os.path.isfile(path)
    assert corpus.test.wav_scp["id10270--KE3_8zGXaw-00012"].endswith(
        "id10270/-KE3_8zGXaw/00012.wav"
    )
    trials = corpus.trials["mine"]
    assert trials.enrol == ["id10270--KE3_8zGXaw-00001", "id10270-_x6uYqmx31--00001"]
    assert trials.test == ["id10270-a-b-c-d-e-f-00012", "id10309-x6uYqmx31kE-00001"]
    assert trials.is_target.tolist() == [True, False]


def test_what_is_not_voxceleb_audio_is_left_alone(vox1, own_list, make_audio):
    before = find_voxceleb1(vox1, [own_list])
    video = vox1 / "vox1_dev_wav/wav/id10001/-KE3_8zGXaw"
    (video / "._00001.wav").write_text("a Mac was here")
    (video / "00001.txt").write_text("a face track")
    txt = vox1 / "txt/id10001/-KE3_8zGXaw/00001.txt"
    txt.parent.mkdir(parents=True)
    txt.write_text("a face track")
    make_audio(vox1 / "noise" / "free" / "x.wav")
    after = find_voxceleb1(vox1, [own_list])
    assert (after.train, after.test) == (before.train, before.test)


def test_the_listed_speakers_are_not_trained_on_whoever_they_are(vox1, tmp_path):
    own = tmp_path / "other.txt"
    own.write_text(
        "1 id10001/x6uYqmx31kE/00001.wav id10001/x6uYqmx31kE/00012.wav\n"
        "0 id10001/x6uYqmx31kE/00001.wav id10270/x6uYqmx31kE/00012.wav\n"
    )
    corpus = find_voxceleb1(vox1, [own])
    assert speakers(corpus.train) == {"id11251"}
    assert speakers(corpus.test) == {"id10001", "id10270", "id10309"}


def test_a_list_of_everybody_leaves_nobody_to_train_on(vox1, own_list):
    with own_list.open("a") as file:
        file.write("0 id10001/x6uYqmx31kE/00001.wav id11251/x6uYqmx31kE/00012.wav\n")
    with pytest.raises(
        InputError, match=r"mine\.txt: its 4 speakers are for test, 2 of .*seen in training"
    ):
        find_voxceleb1(vox1, [own_list])


def test_voxceleb2_trains_on_dev_and_test_and_tests_on_all_of_voxceleb1(vox1, vox2, own_list):
    corpus = find_voxceleb2(vox2, vox1, [own_list])
    assert speakers(corpus.train) == {"id00012", "id00017", "id09272"}
    assert speakers(corpus.test) == {"id10001", "id11251", "id10270", "id10309"}
    source = corpus.train.wav_scp["id00012--1-_bcdefgh-00001"]
    assert source.startswith("ffmpeg ") and source.endswith(" |")
    assert "id00012/-1-_bcdefgh/00001.m4a" in source


def test_converted_files_are_taken_before_m4a(vox1, vox2, own_list, make_audio):
    make_audio(vox2 / "dev/wav/id00012/-1-_bcdefgh/00001.wav")
    make_audio(vox2 / "dev/aac/id00012/-1-_bcdefgh/00002.flac")
    sources = find_voxceleb2(vox2, vox1, [own_list]).train.wav_scp
    assert sources["id00012--1-_bcdefgh-00001"].endswith("wav/id00012/-1-_bcdefgh/00001.wav")
    assert sources["id00012--1-_bcdefgh-00002"].endswith("aac/id00012/-1-_bcdefgh/00002.flac")
    assert sources["id09272--1-_bcdefgh-00001"].endswith("|")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_real_m4a_is_read_through_the_pipe(vox1, vox2, own_list, make_audio, tmp_path):
    m4a = vox2 / "dev/aac/id00012/-1-_bcdefgh/00001.m4a"
    wav = make_audio(tmp_path / "one.wav", samples=16000)
    command = ["ffmpeg", "-v", "error", "-y", "-i", wav, "-c:a", "aac", m4a]
    subprocess.run(command, check=True)
    source = find_voxceleb2(vox2, vox1, [own_list]).train.wav_scp["id00012--1-_bcdefgh-00001"]
    recording = read_recording(source, "wav.scp:1")
    assert recording.rate == 16000
    assert 15000 < len(recording.samples) < 18000


def test_missing_ffmpeg_and_an_incomplete_corpus_are_warned_of(
    vox1, vox2, own_list, monkeypatch, caplog
):
    monkeypatch.setenv("PATH", "")
    with caplog.at_level(logging.WARNING):
        find_voxceleb2(vox2, vox1, [own_list])
    assert "ffmpeg, which is not installed" in caplog.text
    assert (
        "VoxCeleb2 dev and test: 6 utterances of 3 speakers found, complete it has 1,128,246 of "
        "6,112"
    ) in caplog.text


@pytest.mark.parametrize(
    "name", ["Eartha_Kitt/x6uYqmx31kE/0000001.wav", "Zo_/x6uYqmx31kE_0000001.wav"]
)
@pytest.mark.parametrize("place", ["", "voxceleb1_wav", "vox1/dev/wav"])
def test_the_first_release_is_refused(place, name, vox1, own_list, make_audio, tmp_path):
    made = make_audio(tmp_path / "old" / place / name)
    with pytest.raises(InputError, match=f"{made}.*first release.*vox1_meta.csv"):
        find_voxceleb1(tmp_path / "old", [own_list])
    make_audio(vox1 / "vox1_dev_wav" / "wav" / name)
    with pytest.raises(InputError, match="first release"):
        find_voxceleb1(vox1, [own_list])


@pytest.mark.parametrize(
    "name, reason",
    [
        ("id10001/00001.wav", "no folder of a video around it"),
        ("id10001/x6uYqmx31kE/00001_noisy.wav", "'00001_noisy' is not a segment's number"),
        ("id10001/my video/00001.wav", "not the id of a video"),
    ],
)
def test_other_files_among_the_speakers_are_refused(name, reason, vox1, make_audio):
    path = make_audio(vox1 / "vox1_dev_wav" / "wav" / name)
    with pytest.raises(InputError, match=reason) as error:
        list(scan(vox1))
    assert str(path.parent if "my video" in name else path) in str(error.value)


def test_an_empty_file_a_doubled_one_and_an_empty_folder_are_refused(vox1, make_audio, tmp_path):
    copy = make_audio(vox1 / "copy/id10001/x6uYqmx31kE/00001.wav")
    with pytest.raises(InputError, match=r"the same utterance as .*x6uYqmx31kE/00001\.wav"):
        list(scan(vox1))
    copy.unlink()
    copy.with_name("00099.wav").touch()
    with pytest.raises(InputError, match=r"00099\.wav: an empty file"):
        list(scan(vox1))
    with pytest.raises(InputError, match="no such corpus folder"):
        list(scan(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no folders of speakers"):
        list(scan(tmp_path / "empty"))


def test_a_corpus_in_the_place_of_the_other_is_refused(vox1, vox2, own_list):
    with pytest.raises(InputError, match="id00012 is a speaker of VoxCeleb2"):
        find_voxceleb1(vox2, [own_list])
    with pytest.raises(InputError, match=r"id00012 is a speaker of VoxCeleb2.*--test-corpus-dir"):
        find_voxceleb2(vox1, vox2, [own_list])


@pytest.mark.parametrize(
    "part, what", [("vox1_dev_wav", "no training"), ("vox1_test_wav", "no test")]
)
def test_half_a_voxceleb1_is_refused(part, what, vox1, own_list):
    shutil.rmtree(vox1 / part)
    with pytest.raises(InputError, match=f"{what} speakers in it; unpack"):
        find_voxceleb1(vox1, [own_list])


# ---- nothing is lost unseen


@pytest.mark.parametrize("suffix", [".WAV", ".Wav", ".FLAC", ".M4A"])
def test_a_suffix_in_upper_case_is_the_same_suffix(vox1, own_list, make_audio, suffix):
    folder = vox1 / "vox1_dev_wav/wav/id10002/x6uYqmx31kE"
    wav = make_audio(folder / "00001.wav")
    wav.rename(wav.with_suffix(suffix))
    train = find_voxceleb1(vox1, [own_list]).train
    assert "id10002" in speakers(train)
    assert f"id10002/x6uYqmx31kE/00001{suffix}" in train.wav_scp["id10002-x6uYqmx31kE-00001"]


@pytest.mark.parametrize(
    "name, kind",
    [
        ("id10001/x6uYqmx31kE/.00001.wav", "1 hidden"),
        ("id10001/x6uYqmx31kE/00001.mp3", "1 *.mp3"),
        ("id10001/x6uYqmx31kE/00001", "1 *"),
        ("id10001/00001.mp3", "1 *.mp3"),
        ("id10001/.hidden/00001.wav", "1 hidden folders"),
        (".hidden/id10001/x6uYqmx31kE/00001.wav", "1 hidden folders"),
        ("id1000/x6uYqmx31kE/00001.FLAC", "1 recordings outside of speakers' folders"),
        ("1/2/3/4/5/6/id10002/x6uYqmx31kE/00001.wav", "1 folders further down"),
        ("id10001/x6uYqmx31kE/faces/1.jpg", "1 folders in videos' folders"),
    ],
)
def test_what_is_not_taken_is_counted(vox1, own_list, name, kind, caplog):
    path = vox1 / "vox1_dev_wav/wav" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("something")
    left_out = LeftOut()
    list(scan(vox1, left_out))
    assert str(left_out) == kind
    find_voxceleb1(vox1, [own_list])
    assert f"not taken: {kind}" in caplog.text


def test_empty_folders_are_counted(vox1):
    (vox1 / "vox1_dev_wav/wav/id10002").mkdir()
    (vox1 / "vox1_dev_wav/wav/id10003/x6uYqmx31kE").mkdir(parents=True)
    left_out = LeftOut()
    list(scan(vox1, left_out))
    assert str(left_out) == "2 speakers without a recording, 1 empty folders of videos"


def test_a_recording_too_deep_is_refused(vox1, make_audio):
    path = make_audio(vox1 / "vox1_dev_wav/wav/id10001/x6uYqmx31kE/part/00001.wav")
    with pytest.raises(InputError, match=f"{path}: a folder too deep"):
        list(scan(vox1))


@pytest.mark.parametrize("place", ["", "wav", "id10001", "id10001/x6uYqmx31kE"])
def test_a_name_that_is_not_utf8_is_refused(make_audio, tmp_path, place):
    folder = os.fsdecode(os.fsencode(tmp_path / "vox") + b"/\xe9/")
    path = Path(folder, "wav/id10001/x6uYqmx31kE/00001.wav")
    if place:
        odd = os.fsdecode(b"\xe9") + ("1" if "x6u" not in place else ".wav")
        path = tmp_path / "vox/wav" / place / odd / "00001.wav"
        if place == "wav":
            path = tmp_path / "vox" / odd / "id10001/x6uYqmx31kE/00001.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    if "x6u" in place:
        with pytest.raises(InputError, match=r"a folder too deep") as error:
            list(scan(tmp_path / "vox"))
    else:
        with pytest.raises(InputError, match=r"not UTF-8|not the id of a video") as error:
            list(scan(tmp_path / "vox"))
    assert "\\xe9" in str(error.value)
    str(error.value).encode()


def test_a_corpus_that_is_not_complete_is_refused_unless_that_is_allowed(
    vox1, own_list, tmp_path, capsys, caplog
):
    (vox1 / "vox1_dev_wav/wav/id10001/x6uYqmx31kE/00099.mp3").touch()
    command = ["voxceleb1", "--corpus-dir", str(vox1), "--trials", str(own_list)]
    command += ["--data", str(tmp_path / "data")]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "VoxCeleb1 dev: 16 utterances of 2 speakers found, complete it has 148,642 of" in error
    assert "VoxCeleb1 test: 16 utterances of 2 speakers found, complete it has 4,874 of 40" in error
    assert "not taken: 1 *.mp3" in error and "--allow-missing" in error
    assert not (tmp_path / "data").exists()
    assert main([*command, "--allow-missing"]) == 0
    assert "complete it has 148,642 of 1,211" in caplog.text


def test_a_complete_corpus_is_taken_whoever_is_for_test(vox1, tmp_path, monkeypatch, caplog):
    own = tmp_path / "other.txt"
    own.write_text(
        "1 id10001/x6uYqmx31kE/00001.wav id10001/x6uYqmx31kE/00012.wav\n"
        "0 id10001/x6uYqmx31kE/00001.wav id10270/x6uYqmx31kE/00012.wav\n"
    )
    complete = {voxceleb_counts.DEV: (16, 2), voxceleb_counts.TEST: (16, 2)}
    monkeypatch.setattr(voxceleb_counts, "COMPLETE", complete)
    with caplog.at_level(logging.INFO):
        corpus = voxceleb.find_voxceleb1(vox1, [own])
    assert speakers(corpus.train) == {"id11251"}
    assert "VoxCeleb1 dev: 16 utterances of 2 speakers found" in caplog.text


# ---- the command


def test_prepare_writes_data_directories_and_a_rerun_nothing(vox1, vox2, own_list, tmp_path):
    data = tmp_path / "data"
    command = ["voxceleb2", "--corpus-dir", str(vox2), "--test-corpus-dir", str(vox1)]
    command += ["--trials", str(own_list), "--data", str(data), "--allow-missing"]
    assert main(command) == 0
    for name in ("train", "test"):
        validate_data_dir(data / name)
    assert list(read_table(data / "train" / "spk2utt")) == ["id00012", "id00017", "id09272"]
    assert len(read_trials(data / "test" / "trials" / "mine")) == 2
    dates = {p: p.stat().st_mtime_ns for p in data.rglob("*") if not p.name.endswith(".lock")}
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in dates} == dates


def test_a_changed_m4a_is_noticed_though_it_is_behind_a_pipe(vox1, vox2, own_list, tmp_path):
    data = tmp_path / "data"
    command = ["voxceleb2", "--corpus-dir", str(vox2), "--test-corpus-dir", str(vox1)]
    command += ["--trials", str(own_list), "--data", str(data), "--allow-missing"]
    assert main(command) == 0
    (data / "train" / "feats.scp").write_text("of the old recording\n")
    stage = FeatureStage(data / "train", None, with_window({}))
    before = [chunk.path for chunk in stage.chunks]
    (data / "test" / "feats.scp").write_text("of unchanged recordings\n")
    m4a = vox2 / "dev/aac/id00012/-1-_bcdefgh/00001.m4a"
    m4a.write_bytes(m4a.read_bytes() + b"more")
    assert main(command) == 0
    assert not (data / "train" / "feats.scp").exists()
    assert (data / "test" / "feats.scp").exists()
    # Its ark is another, too: the one that stage 0 leaves there is not taken for it.
    after = [chunk.path for chunk in FeatureStage(data / "train", None, with_window({})).chunks]
    assert len(before) == len(after) == 1 and before != after


def test_lists_lie_in_voxceleb1s_folder_by_default(vox1, own_list, tmp_path, capsys):
    command = ["voxceleb1", "--corpus-dir", str(vox1), "--data", str(tmp_path / "data")]
    command += ["--allow-missing"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "none of the official trial lists" in error
    assert not (tmp_path / "data").exists()
    shutil.copy(own_list, vox1 / "veri_test.txt")
    assert main(command) == 1
    assert "2 trials, and vox1-o has 37,720" in capsys.readouterr().err
