"""Stage 0 as a user runs it: what it writes, what it redoes, what it leaves alone."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from speaker_bases.kaldi_feats import extract
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.data_dir import read_table
from speaker_bases.kaldi_feats.prepare import main
from speaker_bases.kaldi_feats.reader import FeatureReader
from speaker_bases.kaldi_feats.trials import read_trials


@pytest.fixture
def run(tiny_librispeech, tmp_path):
    """Prepare the tiny corpus into ``tmp_path/data``; returns the exit code."""

    def prepare(*options) -> int:
        folders = ["--corpus-dir", str(tiny_librispeech), "--data", str(tmp_path / "data")]
        return main(["librispeech", *folders, *map(str, options)])

    return prepare


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder, with the time it was written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, but for the locks of its stages."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def add_features(data: Path) -> None:
    for name in ("train", "test"):
        (data / name / "fbank").mkdir()
        (data / name / "fbank" / "an.ark").write_text(f"of {name}\n")
        (data / name / "feats.scp").write_text("made by the next stage\n")
        (data / name / ".fbank.done").write_text("{}\n")


# Of the tiny corpus, in VoxCeleb's form.
OWN_LIST = (
    "1 dev-clean-2/84/7/84-7-0000.flac dev-clean-2/84/7/84-7-0001.flac\n"
    "0 dev-clean-2/84/7/84-7-0000.flac dev-clean-2/9/7/9-7-0001.flac\n"
)


def refused(capsys) -> str:
    """The one line of the error."""
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_what_it_writes(run, tmp_path):
    data = tmp_path / "data"
    assert run() == 0
    for name in ("train", "test"):
        validate_data_dir(data / name)
    assert list(read_table(data / "train" / "spk2utt")) == ["118", "1182"]
    assert [path.name for path in (data / "test" / "trials").glob("[!.]*")] == ["all-pairs"]
    assert len(read_trials(data / "test" / "trials" / "all-pairs")) == 6
    assert names_in(data) == [".prepare.done", "test", "train"]


def test_a_rerun_writes_nothing(run, tmp_path):
    assert run() == 0
    add_features(tmp_path / "data")
    before = contents(tmp_path / "data")
    assert run("--nj", 2) == 0
    assert contents(tmp_path / "data") == before


def test_another_trial_list_replaces_the_list_alone(run, tmp_path):
    trials = tmp_path / "mine.txt"
    trials.write_text(OWN_LIST)
    data = tmp_path / "data"
    assert run() == 0
    add_features(data)
    before = contents(data)
    assert run("--trials", trials) == 0
    after = contents(data)
    text = (data / "test" / "trials" / "mine").read_text()
    assert text == "84-7-0000 84-7-0001 target\n84-7-0000 9-7-0001 nontarget\n"
    assert set(before) - set(after) == {"test/trials/all-pairs"}
    assert set(after) - set(before) == {"test/trials/mine"}
    changed = {name for name in set(before) & set(after) if before[name] != after[name]}
    assert changed == {".prepare.done", "test/trials/.prepare.done"}


@pytest.mark.parametrize(
    "names",
    [["../utt2spk", "../../outside", "/etc/absent", ".prepare.done", "folder", "", ".", ".."], 7],
)
def test_a_state_file_cannot_have_files_deleted_elsewhere(run, tmp_path, names):
    assert run() == 0
    data = tmp_path / "data"
    outside, folder = tmp_path / "outside", data / "test" / "trials" / "folder"
    outside.write_text("not ours\n")
    folder.mkdir()
    state = folder.with_name(".prepare.done")
    recorded = dict.fromkeys(names, "") if isinstance(names, list) else names
    state.write_text(json.dumps({"lists": recorded}))
    assert run() == 0
    assert outside.exists() and folder.exists() and (data / "test" / "utt2spk").exists()
    validate_data_dir(data / "test")
    assert list(json.loads(state.read_text())["lists"]) == ["all-pairs"]


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\0", "[1]", '{"all-pairs": 1e999}', "null"])
def test_a_damaged_state_file_is_written_anew(run, tmp_path, text):
    assert run() == 0
    state = tmp_path / "data" / "test" / "trials" / ".prepare.done"
    whole = state.read_text()
    state.write_text(text)
    assert run() == 0
    assert state.read_text() == whole


@pytest.mark.parametrize(
    "name", ["-easy.txt", "<b>x.txt", "a b.txt", "$(x).txt", "a|b", "x\ny", "`x`"]
)
def test_a_list_with_a_name_that_others_would_stumble_over(run, tmp_path, capsys, name):
    trials = tmp_path / name
    trials.write_text(OWN_LIST)
    assert run("--trials=" + str(trials)) == 1
    assert f"trial list {trials.stem!r}: a list's name is made of letters" in refused(capsys)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["<b>", "$(reboot)", "a;b", "a'b", "a&b", "a\\b"])
def test_a_speaker_with_a_name_that_others_would_stumble_over(
    run, tiny_librispeech, tmp_path, make_audio, capsys, name
):
    path = make_audio(tiny_librispeech / "train-clean-5" / name / "7" / f"{name}-7-0000.flac")
    assert run() == 1
    assert f"{path}: the name {name!r}: speakers and utterances" in refused(capsys)
    assert not (tmp_path / "data").exists()


def test_a_list_of_the_users_own_stays(run, tmp_path):
    trials = tmp_path / "mine.txt"
    trials.write_text(OWN_LIST)
    assert run() == 0
    own = tmp_path / "data" / "test" / "trials" / "own"
    own.write_text("84-7-0001 84-7-0000 target\n")
    assert run("--trials", trials) == 0
    assert sorted(path.name for path in own.parent.glob("[!.]*")) == ["mine", "own"]


def only_arks_stay(data_dir: Path) -> bool:
    """Nothing says any more that the features are complete, and what may still be used is there."""
    assert (data_dir / "fbank" / "an.ark").read_text() == f"of {data_dir.name}\n"
    return not any((data_dir / name).exists() for name in ("feats.scp", ".fbank.done"))


def test_a_changed_set_keeps_only_its_arks_and_the_other_all(
    run, tiny_librispeech, tmp_path, make_audio
):
    data = tmp_path / "data"
    assert run() == 0
    add_features(data)
    make_audio(tiny_librispeech / "train-clean-5" / "118" / "7" / "118-7-0002.flac")
    assert run() == 0
    assert "118-7-0002" in read_table(data / "train" / "wav.scp")
    assert only_arks_stay(data / "train")
    assert (data / "test" / "feats.scp").exists()


def test_audio_that_changed_under_its_name_is_noticed(run, tiny_librispeech, tmp_path, make_audio):
    data = tmp_path / "data"
    assert run() == 0
    add_features(data)
    path = tiny_librispeech / "dev-clean-2" / "84" / "7" / "84-7-0000.flac"
    make_audio(path, samples=3200)
    assert run() == 0
    assert only_arks_stay(data / "test")
    assert (data / "train" / "feats.scp").exists()
    assert len(read_trials(data / "test" / "trials" / "all-pairs")) == 6


def test_arks_of_nothing_but_other_recordings_go(run, tiny_librispeech, tmp_path):
    """The corpus lies elsewhere: not one ark would be used, and they may be 220 GB."""
    data = tmp_path / "data"
    assert run() == 0
    add_features(data)
    moved = shutil.move(tiny_librispeech, tmp_path / "elsewhere")
    assert main(["librispeech", "--corpus-dir", str(moved), "--data", str(data)]) == 0
    assert not (data / "train" / "fbank").exists() and not (data / "test" / "feats.scp").exists()
    assert names_in(data) == [".prepare.done", "test", "train"]


def test_arks_on_another_disk_stay_there(run, tiny_librispeech, tmp_path, make_audio):
    """fbank may be a link, and the disk may not even be there."""
    data, disk = tmp_path / "data", tmp_path / "disk"
    assert run() == 0
    add_features(data)
    (data / "train" / "fbank").rename(disk)
    (data / "train" / "fbank").symlink_to(disk)
    (data / "test" / "fbank" / "an.ark").unlink()
    (data / "test" / "fbank").rmdir()
    (data / "test" / "fbank").symlink_to(tmp_path / "not mounted")
    make_audio(tiny_librispeech / "train-clean-5" / "118" / "7" / "118-7-0002.flac")
    make_audio(tiny_librispeech / "dev-clean-2" / "84" / "7" / "84-7-0002.flac")
    assert run() == 0
    assert only_arks_stay(data / "train") and (disk / "an.ark").exists()
    assert os.readlink(data / "test" / "fbank") == str(tmp_path / "not mounted")


def features(data_dir: Path, conf: Path) -> dict[str, np.ndarray]:
    assert extract.main(["--nj", "1", "--fbank-config", str(conf), str(data_dir)]) == 0
    validate_data_dir(data_dir, features=True)
    reader = FeatureReader(data_dir / "feats.scp")
    return {name: np.array(matrix) for name, matrix in reader.items()}


def test_one_recording_fetched_again_costs_one_ark(
    run, tiny_librispeech, tmp_path, make_audio, conf
):
    speaker = tiny_librispeech / "train-clean-5" / "118" / "7"
    for number in range(2, 12):
        make_audio(speaker / f"118-7-{number:04d}.flac", seed=number)
    train = tmp_path / "data" / "train"
    assert run() == 0
    before = features(train, conf)
    arks = {path: path.stat().st_mtime_ns for path in train.glob("fbank/*.ark")}
    assert len(arks) == 2  # of 10 and of 4 utterances
    changed = speaker / "118-7-0003.flac"
    make_audio(changed, seed=99)
    assert run() == 0
    assert {path: path.stat().st_mtime_ns for path in train.glob("fbank/*.ark")} == arks
    after = features(train, conf)
    now = {path: path.stat().st_mtime_ns for path in train.glob("fbank/*.ark")}
    assert len(now) == 2 and len(now.items() & arks.items()) == 1
    assert [n for n in before if not np.array_equal(after[n], before[n])] == ["118-7-0003"]
    shutil.rmtree(tmp_path / "data")
    assert run() == 0
    afresh = features(train, conf)
    assert list(afresh) == list(after)
    assert all(np.array_equal(after[name], afresh[name]) for name in afresh)


@pytest.mark.parametrize("name", ["train/utt2spk", "test/wav.scp", "test/trials/all-pairs"])
def test_what_was_lost_or_damaged_is_made_again(run, tmp_path, name):
    data = tmp_path / "data"
    assert run() == 0
    add_features(data)
    whole = (data / name).read_bytes()
    (data / name).write_bytes(whole[: len(whole) // 2])
    assert run() == 0
    assert (data / name).read_bytes() == whole
    (data / name).unlink()
    assert run() == 0
    assert (data / name).read_bytes() == whole
    assert (data / "train" / "fbank" / "an.ark").exists()
    assert (data / "test" / "fbank" / "an.ark").exists()


@pytest.mark.parametrize("stop_at", range(1, 11))
def test_killed_between_any_two_steps_it_is_completed_by_a_rerun(
    run, tmp_path, tiny_librispeech, make_audio, monkeypatch, stop_at
):
    """Both sets change; the process dies before the stop_at-th of the renames and removals of
    folders, or in the middle of it, if it is a removal."""
    data = tmp_path / "data"
    assert run() == 0
    add_features(data)
    make_audio(tiny_librispeech / "train-clean-5" / "118" / "7" / "118-7-0002.flac")
    make_audio(tiny_librispeech / "dev-clean-2" / "84" / "7" / "84-7-0002.flac")
    steps = []
    rename, rmtree = Path.rename, shutil.rmtree

    def step(name: str) -> None:
        steps.append(name)
        if len(steps) == stop_at:
            raise RuntimeError("killed")

    def dying_rename(self, target):
        if self.is_dir():
            step("rename")
        return rename(self, target)

    def dying_rmtree(folder):
        step("rmtree")
        (folder / "wav.scp").unlink()
        step("rmtree goes on")
        rmtree(folder)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying_rename)
        patch.setattr(shutil, "rmtree", dying_rmtree)
        with pytest.raises(RuntimeError):
            run()
    assert steps == (2 * ["rename", "rename", "rename", "rmtree", "rmtree goes on"])[:stop_at]
    assert not (data / ".prepare.done").exists()
    assert run() == 0
    for name, utterance in (("train", "118-7-0002"), ("test", "84-7-0002")):
        validate_data_dir(data / name)
        assert utterance in read_table(data / name / "wav.scp")
        assert only_arks_stay(data / name)
    assert len(read_trials(data / "test" / "trials" / "all-pairs")) == 10
    assert names_in(data) == [".prepare.done", "test", "train"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root), "no such corpus folder"),
        (lambda root: shutil.rmtree(root / "train-clean-5"), "no training subset"),
        (lambda root: shutil.rmtree(root / "dev-clean-2"), "no test subset"),
        (
            lambda root: os.truncate(root / "dev-clean-2/84/7/84-7-0000.flac", 0),
            "84-7-0000.flac: an empty file",
        ),
    ],
)
def test_a_corpus_that_went_bad_leaves_earlier_results_alone(
    run, tmp_path, tiny_librispeech, capsys, damage, message
):
    assert run() == 0
    add_features(tmp_path / "data")
    before = contents(tmp_path / "data")
    damage(tiny_librispeech)
    assert run() == 1
    assert message in refused(capsys)
    assert contents(tmp_path / "data") == before


def test_a_bad_trial_list_leaves_earlier_results_alone(run, tmp_path, capsys):
    trials = tmp_path / "list.txt"
    trials.write_text(OWN_LIST)
    assert run("--trials", trials) == 0
    before = contents(tmp_path / "data")
    unknown = "0 dev-clean-2/84/7/84-7-0000.flac dev-clean-2/85/7/85-7-0000.flac\n"
    trials.write_text(OWN_LIST + unknown)
    assert run("--trials", trials) == 1
    assert f"{trials}:3: no test utterance 'dev-clean-2/85/7/85-7-0000.flac'" in refused(capsys)
    trials.write_text(OWN_LIST.splitlines()[1])
    assert run("--trials", trials) == 1
    assert f"{trials}: 0 target and 1 nontarget trials; error rates need both" in refused(capsys)
    trials.unlink()
    assert run("--trials", trials) == 1
    assert f"{trials}: no such trial list" in refused(capsys)
    assert contents(tmp_path / "data") == before


def test_a_data_directory_of_the_users_own_is_not_replaced(run, tmp_path, capsys):
    own = tmp_path / "data" / "train" / "wav.scp"
    own.parent.mkdir(parents=True)
    own.write_text("mine\n")
    assert run() == 1
    assert f"{own.parent}: was not made by this stage" in refused(capsys)
    assert own.read_text() == "mine\n"


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["voxforge"],
        ["librispeech", "--trails", "x"],
        ["synthetic", "--train-speakers", "0"],
        ["synthetic", "--test-speakers", "1"],
        ["synthetic", "--seed", "-1"],
        ["synthetic", "--nj", "two"],
    ],
)
def test_wrong_options(options, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(options)
    assert exit_.value.code == 2
    assert "error:" in capsys.readouterr().err
