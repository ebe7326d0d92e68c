"""Kaldi tables and data directories: what is written is valid, and what is broken is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.data_dir import (
    read_table,
    write_data_dir,
    write_table,
)
from speaker_bases.kaldi_feats.validate import main

UTT2SPK = {"a-1": "a", "a-2": "a", "b-1": "b"}


@pytest.fixture
def data(tmp_path, make_audio) -> Path:
    """A valid data directory with features."""
    folder = tmp_path / "data"
    audio = {u: str(make_audio(tmp_path / "wav" / f"{u}.wav")) for u in UTT2SPK}
    write_data_dir(folder, audio, UTT2SPK)
    ark = folder / "fbank" / "raw.1.ark"
    ark.parent.mkdir()
    ark.write_bytes(b"not read")
    write_table(folder / "feats.scp", {u: f"{ark}:{17 + i}" for i, u in enumerate(UTT2SPK)})
    write_table(folder / "utt2num_frames", {u: "298" for u in UTT2SPK})
    return folder


def edit(path: Path, number: int, line: str | None) -> None:
    """Replace a line (numbered from 1), or remove it."""
    lines = path.read_text().splitlines()
    lines[number - 1 : number] = [] if line is None else [line]
    path.write_text("".join(f"{text}\n" for text in lines))


def test_written_directory_is_valid_sorted_and_complete(data, capsys):
    assert (data / "utt2spk").read_text() == "a-1 a\na-2 a\nb-1 b\n"
    assert (data / "spk2utt").read_text() == "a a-1 a-2\nb b-1\n"
    assert main([str(data), "--features"]) == 0
    assert capsys.readouterr().err == ""


def test_features_may_lack_short_utterances(data):
    edit(data / "feats.scp", 3, None)
    edit(data / "utt2num_frames", 3, None)
    validate_data_dir(data, features=True)


def test_a_blank_at_the_end_of_a_line_is_how_kaldi_itself_writes_some_tables(tmp_path):
    (tmp_path / "utt2num_frames").write_text("a-1 120 \nb-1 87 \n")
    assert read_table(tmp_path / "utt2num_frames") == {"a-1": "120", "b-1": "87"}


def test_pipes_are_valid_sources_and_paths_may_have_blanks(data, tmp_path, make_audio):
    spaced = make_audio(tmp_path / "a folder" / "b.wav")
    edit(data / "wav.scp", 1, "a-1 flac -c -d -s nowhere.flac |")
    edit(data / "wav.scp", 3, f"b-1 {spaced}")
    validate_data_dir(data)


@pytest.mark.parametrize(
    ("name", "number", "line", "where", "what"),
    [
        ("wav.scp", 2, "a-2 /no/such.wav", "wav.scp:2:", "no such file: /no/such.wav"),
        ("wav.scp", 2, None, "utt2spk:2:", "'a-2' is not in wav.scp"),
        ("utt2spk", 2, None, "wav.scp:2:", "'a-2' is not in utt2spk"),
        ("utt2spk", 3, "b-1", "utt2spk:3:", "only one field, 'b-1'"),
        ("utt2spk", 3, "b-1 b c", "utt2spk:3:", "has blanks"),
        ("utt2spk", 3, "b-1 c", "utt2spk:3:", "'c' does not prefix the utterance 'b-1'"),
        ("utt2spk", 2, "", "utt2spk:2:", "an empty line"),
        ("utt2spk", 2, "a-1 a", "utt2spk:2:", "'a-1' comes twice"),
        ("utt2spk", 1, "a-3 a", "utt2spk:2:", "'a-2' is out of order after 'a-3'"),
        ("utt2spk", 1, "a-1 a\r", "utt2spk:1:", "DOS line ends"),
        ("spk2utt", 1, "a a-1", "spk2utt:1:", "not the utterances that utt2spk gives 'a'"),
        ("spk2utt", 2, "c b-1", "spk2utt:2:", "'c' has no line in utt2spk"),
        ("spk2utt", 2, None, "spk2utt:", "the speaker 'b' of utt2spk is missing"),
        ("feats.scp", 1, "a-1 /no/such.ark:12", "feats.scp:1:", "no such archive: /no/such.ark"),
        ("feats.scp", 3, "c-1 x.ark:12", "feats.scp:3:", "'c-1' is not in utt2spk"),
        ("feats.scp", 3, None, "utt2num_frames:3:", "'b-1' is not in feats.scp"),
        ("utt2num_frames", 3, None, "feats.scp:3:", "'b-1' is not in utt2num_frames"),
        ("utt2num_frames", 3, "b-1 0", "utt2num_frames:3:", "'0' is not a number of frames"),
        ("utt2num_frames", 3, "b-1 2.5", "utt2num_frames:3:", "'2.5' is not a number of frames"),
    ],
)
def test_a_broken_line_is_named(data, capsys, name, number, line, where, what):
    edit(data / name, number, line)
    assert main(["--features", str(data)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{data}/{where}" in error
    assert what in error


@pytest.mark.parametrize("name", ["wav.scp", "utt2spk", "spk2utt", "feats.scp", "utt2num_frames"])
def test_missing_and_empty_files_are_named(data, capsys, name):
    (data / name).write_text("")
    assert main(["--features", str(data)]) == 1
    assert f"{data / name}: the file is empty" in capsys.readouterr().err
    (data / name).unlink()
    assert main(["--features", str(data)]) == 1
    assert f"{data / name}: no such file" in capsys.readouterr().err


def test_missing_directory(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 1
    assert "nowhere: no such data directory" in capsys.readouterr().err


def test_empty_audio_file_is_named(data, tmp_path, capsys):
    (tmp_path / "wav" / "a-2.wav").write_bytes(b"")
    assert main([str(data)]) == 1
    assert f"{data}/wav.scp:2: an empty file: {tmp_path}/wav/a-2.wav" in capsys.readouterr().err


def test_speakers_out_of_order_though_utterances_are_sorted(tmp_path, make_audio, capsys):
    """Without a separator 'a1' + '2' sorts before 'a' + '3': Kaldi refuses this, too."""
    audio = str(make_audio(tmp_path / "x.wav"))
    data = tmp_path / "data"
    write_data_dir(data, {"a12": audio, "a3": audio}, {"a12": "a1", "a3": "a"})
    assert main([str(data)]) == 1
    assert f"{data}/utt2spk:2: the speaker 'a' is out of order" in capsys.readouterr().err


def test_trial_lists_in_the_directory_are_checked(data, capsys):
    trials = data / "trials" / "mine"
    trials.parent.mkdir()
    trials.write_text("a-1 a-2 target\na-1 c-9 nontarget\n")
    assert main([str(data)]) == 1
    assert f"{trials}:2: the utterance 'c-9' is not in {data}/utt2spk" in capsys.readouterr().err


def test_text_that_is_not_utf8(data, capsys):
    (data / "utt2spk").write_bytes(b"a-1 a\na-2 \xff\n")
    assert main([str(data)]) == 1
    assert f"{data}/utt2spk:2: not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value"),
    [("", "x"), ("a b", "x"), ("a", ""), ("a", " x"), ("a", "x\ny"), ("a", "\udcff")],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, key, value):
    write_table(tmp_path / "table", {"old": "1"})
    with pytest.raises(InputError, match=r"Kaldi table|not UTF-8"):
        write_table(tmp_path / "table", {key: value})
    assert read_table(tmp_path / "table") == {"old": "1"}


ids = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1)


@given(table=st.dictionaries(ids, ids, min_size=1))
def test_tables_come_back_in_byte_order(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("table") / "table"
    write_table(path, table)
    assert read_table(path) == table
    keys = [line.split(b" ")[0] for line in path.read_bytes().split(b"\n")[:-1]]
    assert keys == sorted(keys)
