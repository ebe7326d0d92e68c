"""VoxCeleb's official trial lists and lists of one's own, and every reason to refuse them."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.corpora import voxceleb, voxceleb_lists
from speaker_bases.kaldi_feats.corpora.voxceleb_lists import (
    OFFICIAL,
    find_lists,
    read_list,
)
from speaker_bases.kaldi_feats.prepare import main
from speaker_bases.kaldi_feats.prepared import read_prepared
from speaker_bases.kaldi_feats.trials import PUBLISHED_SIZES, write_trials


def test_the_official_lists_are_recognised(voxceleb_trials):
    lists = {one.name: read_list(one) for one in find_lists([voxceleb_trials])}
    assert {name: len(trials) for name, trials in lists.items()} == {
        "vox1-o": 37_720,
        "vox1-o-cleaned": 37_611,
    }
    assert lists["vox1-o"].is_target.sum() == 18_860
    utterances = {*lists["vox1-o"].enrol, *lists["vox1-o"].test}
    assert len(utterances) == 4_715
    # A video's id may begin with "-"; 11 characters it always has.
    assert all(len(name) == 25 for name in utterances)


def test_an_official_list_is_recognised_under_any_name(voxceleb_trials, tmp_path):
    shutil.copy(voxceleb_trials / "veri_test2.txt", tmp_path / "voxceleb1_test_v2.txt")
    (found,) = find_lists([tmp_path / "voxceleb1_test_v2.txt"])
    assert found.name == "vox1-o-cleaned" and len(read_list(found)) == 37_611


def test_every_utterance_of_the_official_list_leads_back_to_its_file(voxceleb_trials):
    (found,) = find_lists([voxceleb_trials / "veri_test.txt"])
    trials = read_list(found)
    lines = (voxceleb_trials / "veri_test.txt").read_text().split("\n")
    for line, enrol, test in zip(lines, trials.enrol, trials.test, strict=False):
        assert line.split()[1:] == [f"{u[:7]}/{u[8:19]}/{u[20:]}.wav" for u in (enrol, test)]


def test_a_list_that_is_not_the_official_one_is_refused(voxceleb_trials, tmp_path):
    original = (voxceleb_trials / "veri_test.txt").read_text().splitlines(keepends=True)
    path = tmp_path / "veri_test.txt"

    def refusal(lines) -> str:
        path.write_text("".join(lines))
        with pytest.raises(InputError) as error:
            read_list(*find_lists([path]))
        return str(error.value)

    assert "30,000 trials, and vox1-o has 37,720: it is cut off" in refusal(original[:30_000])
    more = "0 id10270/x6uYqmx31kE/00001.wav id10309/x6uYqmx31kE/00001.wav\n"
    assert "37,721 trials, and vox1-o has 37,720: it is another list" in refusal([*original, more])
    swapped = [*original[1:], original[0]]
    assert "37,720 trials of vox1-o, but its md5 is not 29fc7cc1" in refusal(swapped)
    cleaned = (voxceleb_trials / "veri_test2.txt").read_text().splitlines(keepends=True)
    assert "37,611 trials, and vox1-o has 37,720" in refusal(cleaned)
    said = refusal([*original[:30_000], original[30_000][:20]])  # in the middle of a line
    assert "veri_test.txt:30001: " in said
    assert "the file has 30,001 lines, and vox1-o 37,720 trials: it is cut off" in said
    said = refusal([f"3 id10003/na8-QEFmj44/{n:05d}.wav\n" for n in range(1, 1001)])
    assert "veri_test.txt:1: expected '1|0 path path'" in said
    assert "1,000 lines, and vox1-o 37,720 trials: it is another file" in said
    old = "1 Eartha_Kitt/x6uYqmx31kE_0000001.wav Eartha_Kitt/8jEAjG6SegY_0000008.wav\n"
    assert "veri_test.txt:1: 'Eartha_Kitt" in (said := refusal([old])) and "first release" in said
    assert "is not of the form" in refusal(["1 wav/a.wav wav/b.wav\n"])
    assert "empty" in (said := refusal([])) and "has 0 lines" in said


def test_every_official_list_is_known_by_its_md5():
    sums = {one.md5 for one in OFFICIAL.values()}
    assert len(sums) == 6 and all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in sums)


def test_a_list_of_one_kind_of_trials_is_refused_by_stage_0(vox1, own_list, tmp_path, capsys):
    own_list.write_text(own_list.read_text().splitlines(keepends=True)[0])
    command = ["voxceleb1", "--corpus-dir", str(vox1), "--trials", str(own_list)]
    assert main([*command, "--data", str(tmp_path / "data")]) == 1
    said = f"{own_list}: 1 target and 0 nontarget trials; error rates need both\n"
    assert capsys.readouterr().err.endswith(said)
    assert not (tmp_path / "data").exists()


def test_an_official_list_may_have_a_pair_twice(own_list, monkeypatch, tmp_path):
    """It would have its md5 and its number of trials only with both lines."""
    lines = own_list.read_text().splitlines(keepends=True)
    published = tmp_path / "list_test_hard.txt"
    published.write_text("".join([*lines, lines[0]]))
    md5 = hashlib.md5(published.read_bytes()).hexdigest()
    small = voxceleb_lists.OfficialList("vox1-h", md5, whole=True)
    monkeypatch.setitem(PUBLISHED_SIZES, "vox1-h", 3)
    monkeypatch.setitem(OFFICIAL, published.name, small)
    trials = read_list(*find_lists([published]))
    assert trials.enrol[0] == trials.enrol[2] and trials.test[0] == trials.test[2]
    prepared = tmp_path / "vox1-h"
    write_trials(prepared, trials)
    assert read_prepared(prepared).enrol == trials.enrol
    published.write_text("".join([*lines, lines[1]]))
    with pytest.raises(InputError, match="its md5 is not"):
        read_list(*find_lists([published]))
    own_list.write_text("".join([*lines, lines[1]]))
    with pytest.raises(InputError, match=r"mine\.txt:3: the same trial as on line 2; remove one"):
        read_list(*find_lists([own_list]))


def test_labels_that_contradict_the_ids_are_refused(own_list):
    other = "0 id10270/a-b-c-d-e-f/00001.wav id10309/a-b-c-d-e-f/00001.wav\n"
    own_list.write_text(own_list.read_text().replace("\n0 ", "\n1 ") + other)
    with pytest.raises(InputError, match=r"mine\.txt:2: the label says target, .* 1 of 3 lines"):
        read_list(*find_lists([own_list]))


def test_missing_utterances_are_counted(vox1, voxceleb_trials, own_list):
    # One of the official list's utterances happens to be in the small tree.
    with pytest.raises(
        InputError, match=r"veri_test\.txt:1: .* 4,714 of the list's 4,715 .*37,720 "
    ):
        voxceleb.find_voxceleb1(vox1, [voxceleb_trials], allow_missing=True)
    (vox1 / "vox1_test_wav/wav/id10309/x6uYqmx31kE/00001.wav").unlink()
    reason = (
        r"mine\.txt:2: the utterance 'id10309-x6uYqmx31kE-00001' is not in .*: 1 of the list's 4 "
        "utterances are missing, which are in 1 of its 2 trials"
    )
    with pytest.raises(InputError, match=reason):
        voxceleb.find_voxceleb1(vox1, [own_list], allow_missing=True)


def test_lists_that_cannot_be_found_or_told_apart_are_refused(own_list, tmp_path):
    with pytest.raises(InputError, match="no such trial list"):
        find_lists([tmp_path / "no.txt"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"none of the official .*list_test_hard2\.txt"):
        find_lists([tmp_path / "empty"])
    with pytest.raises(InputError, match="would be called mine, as"):
        find_lists([own_list, own_list])
    own_list.rename(tmp_path / "vox1-h.txt")
    with pytest.raises(
        InputError, match=r"kept for the official list; call it list_test_hard\.txt"
    ):
        find_lists([tmp_path / "vox1-h.txt"])


@pytest.fixture
def small_whole_list(own_list, monkeypatch, tmp_path):
    """A list under the name of Vox1-E, which for this test has two trials."""
    monkeypatch.setitem(PUBLISHED_SIZES, "vox1-e", 2)
    monkeypatch.setitem(
        OFFICIAL, "list_test_all.txt", voxceleb_lists.OfficialList("vox1-e", whole=True)
    )
    return shutil.copy(own_list, tmp_path / "list_test_all.txt")


def test_lists_about_all_speakers_are_no_test_of_a_voxceleb1_system(
    small_whole_list, vox1, vox2, own_list, caplog
):
    with pytest.raises(InputError, match=r"vox1-e is about all 1,251 speakers.*corpus voxceleb2"):
        voxceleb.find_voxceleb1(vox1, [own_list, small_whole_list], allow_missing=True)
    folder = Path(small_whole_list).parent
    with pytest.raises(InputError, match="no list for a VoxCeleb1 system"):
        voxceleb.find_voxceleb1(vox1, [folder], allow_missing=True)
    corpus = voxceleb.find_voxceleb1(vox1, [folder, own_list], allow_missing=True)
    assert list(corpus.trials) == ["mine"]
    assert "is left out: vox1-e is about all" in caplog.text
    assert list(voxceleb.find_voxceleb2(vox2, vox1, [folder], allow_missing=True).trials) == [
        "vox1-e"
    ]


def test_sizes_of_the_official_lists():
    assert {one.name: one.trials for one in OFFICIAL.values()} == {
        "vox1-o": 37_720,
        "vox1-o-cleaned": 37_611,
        "vox1-e": 581_480,
        "vox1-e-cleaned": 579_818,
        "vox1-h": 552_536,
        "vox1-h-cleaned": 550_894,
    }
