"""Finding a corpus in LibriSpeech's layout, and refusing what is not one."""

import itertools
import logging
import shutil

import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.corpora import librispeech
from speaker_bases.kaldi_feats.corpora.librispeech import find_corpus
from speaker_bases.kaldi_feats.data_dir import write_data_dir


def test_train_subsets_train_and_all_others_test(tiny_librispeech, tmp_path, make_audio):
    make_audio(tiny_librispeech / "train-other-500" / "5" / "6" / "5-6-0000.flac")
    make_audio(tiny_librispeech / "test-other" / "7" / "6" / "7-6-0000.flac")
    corpus = find_corpus(tiny_librispeech)
    assert set(corpus.train.utt2spk.values()) == {"118", "1182", "5"}
    assert set(corpus.test.utt2spk.values()) == {"84", "9", "7"}
    path = tiny_librispeech / "train-clean-5" / "118" / "7" / "118-7-0001.flac"
    assert corpus.train.wav_scp["118-7-0001"] == str(path)
    write_data_dir(tmp_path / "train", corpus.train.wav_scp, corpus.train.utt2spk)
    validate_data_dir(tmp_path / "train")


def test_without_a_list_all_pairs_are_trials(tiny_librispeech):
    trials = find_corpus(tiny_librispeech).trials["all-pairs"]
    pairs = list(zip(trials.enrol, trials.test, trials.is_target.tolist(), strict=True))
    assert len(pairs) == 6
    assert pairs[0] == ("84-7-0000", "84-7-0001", True)
    assert pairs[1] == ("84-7-0000", "9-7-0000", False)
    assert trials.is_target.sum() == 2


def test_more_pairs_than_memory_holds_are_refused_before_they_are_made(
    tiny_librispeech, monkeypatch
):
    monkeypatch.setattr(librispeech, "MOST_PAIRS", 5)

    def made(*_):
        raise AssertionError("the pairs were made")

    with monkeypatch.context() as patch:
        patch.setattr(itertools, "combinations", made)
        with pytest.raises(
            InputError, match=r"its 4 test utterances would be 6 trials, .* are 5; .* --trials"
        ):
            find_corpus(tiny_librispeech)
    monkeypatch.setattr(librispeech, "MOST_PAIRS", 6)
    assert len(find_corpus(tiny_librispeech).trials["all-pairs"]) == 6


def test_the_test_subsets_of_the_full_librispeech_are_too_many_for_all_pairs(tmp_path):
    with pytest.raises(InputError, match="11,126 test utterances would be 61,888,375 trials"):
        librispeech._refuse_too_many_pairs(tmp_path, 11_126)


def test_a_list_in_voxceleb_form(tiny_librispeech, tmp_path):
    (tmp_path / "my-list.txt").write_text(
        "1 dev-clean-2/84/7/84-7-0000.flac ./dev-clean-2/84/7/84-7-0001.flac\n"
        "0 dev-clean-2/84/7/84-7-0000.flac dev-clean-2/9/7/9-7-0001.flac\n"
    )
    trials = find_corpus(tiny_librispeech, tmp_path / "my-list.txt").trials
    assert list(trials) == ["my-list"]
    assert trials["my-list"].enrol == ["84-7-0000", "84-7-0000"]
    assert trials["my-list"].test == ["84-7-0001", "9-7-0001"]
    assert trials["my-list"].is_target.tolist() == [True, False]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("dev-clean-2/84/7/84-7-0009.flac", "list:1: no test utterance '{}'"),
        ("train-clean-5/118/7/118-7-0000.flac", "list:1: '{}' is an utterance of the training"),
    ],
)
def test_a_trial_of_an_unknown_or_a_training_utterance(tiny_librispeech, tmp_path, path, message):
    (tmp_path / "list").write_text(f"1 {path} {path}\n")
    with pytest.raises(InputError, match=message.format(path)):
        find_corpus(tiny_librispeech, tmp_path / "list")


def test_a_label_against_the_speakers_is_refused(tiny_librispeech, tmp_path):
    """As stage 4 would, after the training."""
    (tmp_path / "list").write_text(
        "1 dev-clean-2/84/7/84-7-0000.flac dev-clean-2/84/7/84-7-0001.flac\n"
        "1 dev-clean-2/84/7/84-7-0000.flac dev-clean-2/9/7/9-7-0001.flac\n"
        "0 dev-clean-2/84/7/84-7-0000.flac dev-clean-2/9/7/9-7-0000.flac\n"
    )
    with pytest.raises(InputError, match=r"list:2: the label says target, .* 1 of 3 lines"):
        find_corpus(tiny_librispeech, tmp_path / "list")


def test_wav_beside_flac(tiny_librispeech, make_audio):
    """Either will do; an utterance that is there as both is one utterance, the flac."""
    chapter = tiny_librispeech / "train-clean-5" / "118" / "7"
    make_audio(chapter / "118-7-0000.wav")
    wav = make_audio(chapter / "118-7-0002.wav")
    train = find_corpus(tiny_librispeech).train
    assert train.wav_scp["118-7-0000"] == str(chapter / "118-7-0000.flac")
    assert train.wav_scp["118-7-0002"] == str(wav)


def test_hidden_and_foreign_files_are_passed_over(tiny_librispeech):
    chapter = tiny_librispeech / "train-clean-5" / "118" / "7"
    (chapter / "118-7.trans.txt").write_text("118-7-0000 WORDS\n")
    (chapter / "._118-7-0000.flac").write_bytes(b"left by another system")
    (tiny_librispeech / "notes").mkdir()
    (tiny_librispeech / ".unpack-1" / "1" / "1").mkdir(parents=True)
    assert len(find_corpus(tiny_librispeech).train.wav_scp) == 4


def test_a_speaker_in_both_sets_is_refused(tiny_librispeech, make_audio):
    make_audio(tiny_librispeech / "dev-clean-2" / "118" / "8" / "118-8-0000.flac")
    with pytest.raises(
        InputError,
        match="the speaker '118' is both in train-clean-5, for training, and in dev-clean-2",
    ):
        find_corpus(tiny_librispeech)


def test_an_utterance_in_two_subsets_is_refused(tiny_librispeech):
    """The mini subset train-clean-5 is cut from train-clean-100."""
    root = tiny_librispeech
    shutil.copytree(root / "train-clean-5", root / "train-clean-100")
    with pytest.raises(InputError, match="the utterance '118-7-0000' is also in train-clean-100"):
        find_corpus(root)


def test_no_corpus_folder(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such corpus folder; give --corpus-dir"):
        find_corpus(tmp_path / "nowhere")


def test_empty_corpus_folder(tmp_path):
    with pytest.raises(InputError, match="no audio in it"):
        find_corpus(tmp_path)


def test_the_folder_above_is_given(tiny_librispeech):
    with pytest.raises(InputError, match=f"is {tiny_librispeech} meant"):
        find_corpus(tiny_librispeech.parent)


def test_no_training_subset(tiny_librispeech):
    shutil.rmtree(tiny_librispeech / "train-clean-5")
    with pytest.raises(InputError, match=r"no training subset \(train-\*\) in it"):
        find_corpus(tiny_librispeech)


def test_no_test_subset(tiny_librispeech):
    shutil.rmtree(tiny_librispeech / "dev-clean-2")
    with pytest.raises(InputError, match="no test subset in it, only train-clean-5"):
        find_corpus(tiny_librispeech)


def test_a_file_that_breaks_the_layout_is_named(tiny_librispeech, make_audio):
    path = make_audio(tiny_librispeech / "train-clean-5" / "118" / "7" / "119-7-0000.flac")
    with pytest.raises(InputError, match=f"{path}: not named 118-7-<utterance>.flac"):
        find_corpus(tiny_librispeech)


def test_an_empty_audio_file_is_named(tiny_librispeech):
    path = tiny_librispeech / "dev-clean-2" / "9" / "7" / "9-7-0001.flac"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=f"{path}: an empty file"):
        find_corpus(tiny_librispeech)


def test_real_speech(librispeech_mini):
    corpus = find_corpus(
        librispeech_mini / "LibriSpeech", librispeech_mini / "trials" / "test-other.txt"
    )
    assert len(corpus.train.wav_scp) == len(set(corpus.train.utt2spk.values())) == 251
    assert len(corpus.test.wav_scp) == 100
    assert len(set(corpus.test.utt2spk.values())) == 10
    trials = corpus.trials["test-other"]
    assert (len(trials), trials.is_target.sum()) == (4950, 450)


def test_a_folder_of_lists_is_a_list_each(tiny_librispeech, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    for name, order in (("a.txt", "1 {0} {1}\n0 {0} {2}\n"), ("b.txt", "1 {1} {0}\n0 {1} {2}\n")):
        files = [
            "dev-clean-2/84/7/84-7-0000.flac",
            "dev-clean-2/84/7/84-7-0001.flac",
            "dev-clean-2/9/7/9-7-0001.flac",
        ]
        (lists / name).write_text(order.format(*files))
    trials = find_corpus(tiny_librispeech, lists).trials
    assert {name: found.enrol[0] for name, found in trials.items()} == {
        "a": "84-7-0000",
        "b": "84-7-0001",
    }
    (lists / "a.lst").write_text((lists / "a.txt").read_text())
    with pytest.raises(InputError, match=r"a\.txt: the list would be called a, as a\.lst would"):
        find_corpus(tiny_librispeech, lists)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no trial list in this folder"):
        find_corpus(tiny_librispeech, tmp_path / "none")


def test_a_suffix_in_upper_case_is_the_same_suffix(tiny_librispeech, make_audio):
    path = make_audio(tiny_librispeech / "train-clean-5" / "5" / "6" / "5-6-0000.flac")
    path.rename(path.with_suffix(".FLAC"))
    assert "5-6-0000" in find_corpus(tiny_librispeech).train.utt2spk


@pytest.mark.parametrize(
    "name, kind",
    [
        ("118/7/.118-7-0009.flac", "1 hidden"),
        ("118/7/118-7-0009.mp3", "1 *.mp3"),
        ("118/7/118-7.trans.txt", "1 *.txt"),
        (".118/7/118-7-0009.flac", "1 hidden folders"),
    ],
)
def test_what_is_not_taken_is_counted(tiny_librispeech, name, kind, caplog):
    path = tiny_librispeech / "train-clean-5" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("something")
    (tiny_librispeech / "train-clean-5").rename(tiny_librispeech / "train-clean-100")
    with caplog.at_level(logging.INFO):
        find_corpus(tiny_librispeech)
    assert (
        "train-clean-100: 4 utterances of 2 speakers found (LibriSpeech's has 28,539 of 251); "
        f"not taken: {kind}\n"
    ) in caplog.text


def test_empty_folders_are_counted(tiny_librispeech, caplog):
    (tiny_librispeech / "train-clean-5" / "5" / "6").mkdir(parents=True)
    (tiny_librispeech / "train-other").mkdir()
    with caplog.at_level(logging.INFO):
        find_corpus(tiny_librispeech)
    assert "not taken: 1 empty folders" in caplog.text
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1 and "train-other: 0 utterances of 0 speakers found" in warnings[0]


@pytest.mark.parametrize("place", ["", "118", "118/7/part", "118/7/a/b"])
def test_a_recording_at_another_depth_is_refused(tiny_librispeech, make_audio, place):
    path = make_audio(tiny_librispeech / "train-clean-5" / place / "118-7-0009.flac")
    with pytest.raises(InputError, match=f"{path}: not in the folder of a chapter"):
        find_corpus(tiny_librispeech)
