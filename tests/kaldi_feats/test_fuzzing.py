"""Every reader, on files damaged at random: the right value, or one line that says where."""

import contextlib
import json
import pickle
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.corpora.kaldi_dir import read_data_dir
from speaker_bases.kaldi_feats.corpora.voxceleb_lists import ListFile, read_list
from speaker_bases.kaldi_feats.corpus import Corpus, DataSet, install
from speaker_bases.kaldi_feats.data_dir import read_table, write_data_dir, write_table
from speaker_bases.kaldi_feats.fbank.features import Fbank
from speaker_bases.kaldi_feats.fbank.options import DEFAULTS, read_options
from speaker_bases.kaldi_feats.kinds.fbank import with_window
from speaker_bases.kaldi_feats.kinds.record import feature_settings, write_record
from speaker_bases.kaldi_feats.prepared import read_prepared
from speaker_bases.kaldi_feats.reader import (
    FeatureReader,
    MatrixWriter,
    VectorWriter,
    read_num_frames,
    read_vectors,
)
from speaker_bases.kaldi_feats.trial_forms import read_list as read_list_in_any_form
from speaker_bases.kaldi_feats.trials import all_pairs, from_voxceleb_list, read_trials
from tests.fuzzing import INPUTS, damaged, value_or_refusal

UTTERANCES = ["a-1", "a-2", "b-1", "b-2", "é-1"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """A command that is run in spite of all leaves the file `hacked` here."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "hacked").exists()


def fields(data: bytes) -> list[list[str]]:
    """The words of each line, by another way than the readers'."""
    return [line.split() for line in data.decode().removesuffix("\n").split("\n")]


def test_tables(tmp_path):
    path = tmp_path / "utt2spk"
    for data, _ in damaged(path, ["".join(f"{u} {u[0]}\n" for u in UTTERANCES).encode()]):
        table = value_or_refusal(lambda: read_table(path), path, data)
        if table is not None:
            lines = data.decode().removesuffix("\n").split("\n")
            assert [f"{key} {value}".split() for key, value in table.items()] == fields(data)
            assert all(line.startswith(key) for line, key in zip(lines, table, strict=True))
            assert list(table) == sorted(set(table))


def test_numbers_of_frames(tmp_path):
    path = tmp_path / "utt2num_frames"
    whole = "".join(f"{u} {300 + i} \n" for i, u in enumerate(UTTERANCES)).encode()
    for data, _ in damaged(path, [whole]):
        counts = value_or_refusal(lambda: read_num_frames(tmp_path), path, data)
        if counts is not None:
            assert [[u, n] for u, n in counts.items()] == [[u, int(n)] for u, n in fields(data)]
            assert min(counts.values()) > 0


def test_data_directories(tmp_path, make_audio):
    folder = tmp_path / "data"
    wav = {u: str(make_audio(tmp_path / f"{u}.wav")) for u in UTTERANCES}
    write_data_dir(folder, wav, {u: u[0] for u in UTTERANCES})
    write_table(folder / "feats.scp", {u: f"{wav[u]}:12" for u in UTTERANCES})
    write_table(folder / "utt2num_frames", dict.fromkeys(UTTERANCES, "30"))
    wholes = {path: path.read_bytes() for path in folder.iterdir()}
    for path, whole in wholes.items():
        for data, _ in damaged(path, [whole], INPUTS // len(wholes)):
            count = value_or_refusal(
                lambda: validate_data_dir(folder, features=True), path, data, list(wholes)
            )
            assert count in (None, 4, 5, 6)
        path.write_bytes(whole)


def test_data_directories_of_others(tmp_path, make_audio):
    """Read, written anew, and checked: what is read is a data directory or is refused."""
    folder, written = tmp_path / "theirs", tmp_path / "written"
    wav = {f"{u}-rec": str(make_audio(tmp_path / f"{u}.wav")) for u in UTTERANCES}
    write_table(folder / "wav.scp", wav)
    write_table(folder / "utt2spk", {u: u[0] for u in UTTERANCES})
    write_table(folder / "spk2gender", {u[0]: "f" for u in UTTERANCES})
    write_table(folder / "segments", {u: f"{u}-rec 0 0.5" for u in UTTERANCES})
    write_table(folder / "feats.scp", {u: f"{wav[f'{u}-rec']}:12" for u in UTTERANCES})
    wholes = {path: path.read_bytes() for path in folder.iterdir()}
    for path, whole in wholes.items():
        for data, _ in damaged(path, [whole], INPUTS // len(wholes)):
            found = value_or_refusal(lambda: read_data_dir(folder), path, data, list(wholes))
            if found is not None:
                tables = found.data_set.tables()
                for name, table in tables.items():
                    write_table(written / name, table)
                places = [written / name for name in tables]
                value_or_refusal(lambda: validate_data_dir(written), written, data, places)
        path.write_bytes(whole)


@pytest.mark.parametrize("read", [read_trials, read_prepared])
def test_trial_lists(tmp_path, read):
    path = tmp_path / "trials" / "list"
    path.parent.mkdir()
    whole = b"a-1 a-2 target\na-1 b-1 nontarget\nb-1 b-2 target\na-2 b-2 nontarget\n"
    for data, _ in damaged(path, [whole], INPUTS // 2):
        trials = value_or_refusal(lambda: read(path), path, data)
        if trials is not None:
            labels = ["target" if target else "nontarget" for target in trials.is_target]
            rows = zip(trials.enrol, trials.test, labels, strict=True)
            assert list(map(list, rows)) == fields(data)
            assert all(map(str.__ne__, trials.enrol, trials.test))


def test_enrolment_maps(tmp_path):
    trials, path = tmp_path / "trials" / "list", tmp_path / "trials" / "list.enrol"
    trials.parent.mkdir()
    trials.write_text("a a-3 target\nb a-1 nontarget\n")
    for data, _ in damaged(path, [b"a a-1 a-2\nb b-1\nc a-1 b-1\n"]):
        found = value_or_refusal(lambda: read_prepared(trials), path, data, [trials])
        if found is not None:
            assert [[model, *each] for model, each in found.models.items()] == fields(data)


def test_voxcelebs_lists(tmp_path):
    path = tmp_path / "mine.txt"
    names = [f"id1027{s}/x6uYqmx31k-/0000{n}.wav" for s in (0, 1) for n in (1, 2)]
    whole = "".join(f"{int(a[:7] == b[:7])} {a} {b}\n" for a in names for b in names if a < b)
    for data, rng in damaged(path, [whole.encode()]):
        if rng.random() < 0.5:
            trials = value_or_refusal(lambda: from_voxceleb_list(path, str), path, data)
        else:
            trials = value_or_refusal(lambda: read_list(ListFile(path, "mine", None)), path, data)
        if trials is not None:
            found = [line[0] == "1" for line in fields(data)]
            assert trials.is_target.tolist() == found


def test_lists_in_any_form(tmp_path):
    path = tmp_path / "mine.txt"
    wholes = [
        b"1 a-1 a-2\n0 a-1 b-1\n1 b-1 b-2\n0 a-2 b-2\n",
        b"enrol,test,label\r\na-1,a-2,1\r\na-1,b-1,0\r\n\r\nb-1,b-2,1\r\n",
        b"a-1 a-2 target\na-1 b-1 nontarget\nb-1 b-2 target\n",
    ]
    known = {utterance: utterance for utterance in UTTERANCES}
    for data, rng in damaged(path, wholes):
        to_utterance = str if rng.random() < 0.5 else known.__getitem__
        trials = value_or_refusal(lambda f=to_utterance: read_list_in_any_form(path, f), path, data)
        if trials is not None:
            lines = data.decode().split("\n")
            for at, is_target in enumerate(trials.is_target):
                line = lines[trials.line(at) - 1]
                words = set(line.replace(",", " ").split()) | {line.strip("\ufeff")[:1]}
                assert trials.enrol[at] in line and trials.test[at] in line
                assert words & ({"1", "target"} if is_target else {"0", "nontarget"})
            trial_lines = [
                n for n, line in enumerate(lines, start=1) if line.strip("\ufeff").strip()
            ]
            assert list(trials.lines) in (trial_lines, trial_lines[1:])


def test_option_files(tmp_path):
    path = tmp_path / "fbank.conf"
    write_record(tmp_path, with_window(DEFAULTS), False)
    for data, _ in damaged(path, [path.read_bytes(), b"--num-mel-bins=64 # bands\n--dither=0\n"]):
        options = value_or_refusal(lambda: read_options(path), path, data)
        settings = value_or_refusal(lambda: feature_settings(tmp_path), path, data)
        assert settings is None or options is not None
        if options is not None:
            assert {name: type(value) for name, value in options.items()} == {
                name: type(value) for name, value in DEFAULTS.items()
            }
            with contextlib.suppress(ValueError):  # which the feature stage makes an InputError
                Fbank(options)
            write_record(tmp_path / "again", with_window(options), False)
            assert read_options(tmp_path / "again" / "fbank.conf") == options


MATRICES = {u: np.random.default_rng(7).normal(size=(9, 4)).astype(np.float32) for u in UTTERANCES}


@pytest.fixture(params=["plain", "compressed", "text"])
def feats(request, tmp_path) -> Path:
    scp = tmp_path / "feats.scp"
    if request.param == "text":
        kaldiio.save_ark(str(tmp_path / "feats.ark"), MATRICES, str(scp), text=True)
    else:
        with MatrixWriter(scp, compress=request.param == "compressed") as writer:
            for utterance, matrix in MATRICES.items():
                writer.write(utterance, matrix)
    return scp


def matrices_or_refusals(scp: Path, data: bytes) -> None:
    reader = value_or_refusal(lambda: FeatureReader(scp), scp, data)
    for utterance in reader or ():
        matrix = value_or_refusal(lambda u=utterance: reader[u], scp, data)
        if matrix is not None:
            assert matrix.ndim == 2 and matrix.dtype == np.float32 and np.isfinite(matrix).all()


def test_archives_of_matrices(feats):
    """Where the damage is in the numbers alone, other numbers are all that can come of it."""
    ark = feats.with_suffix(".ark")
    for data, _ in damaged(ark, [ark.read_bytes()], INPUTS // 3):
        matrices_or_refusals(feats, data)


def test_scps_of_matrices(feats):
    for data, _ in damaged(feats, [feats.read_bytes()], INPUTS // 3):
        matrices_or_refusals(feats, data)
        reader = value_or_refusal(lambda: FeatureReader(feats), feats, data)
        if reader is not None:
            value_or_refusal(reader.digest, feats, data)


def test_vectors(tmp_path):
    scp = tmp_path / "v.scp"
    with VectorWriter(scp) as writer:
        for utterance, matrix in MATRICES.items():
            writer.write(utterance, matrix[0])
    wholes = {path: path.read_bytes() for path in (scp, scp.with_suffix(".ark"))}
    for path, whole in wholes.items():
        for data, _ in damaged(path, [whole], INPUTS // 2):
            found = value_or_refusal(lambda: read_vectors(scp), scp, data)
            if found is not None:
                assert found[1].shape[0] == len(found[0]) and np.isfinite(found[1]).all()
        path.write_bytes(whole)


def test_no_pickle_is_loaded_wherever_it_stands(tmp_path, monkeypatch):
    def loaded(*_):
        raise AssertionError("a pickle was loaded")

    monkeypatch.setattr(pickle, "load", loaded)
    monkeypatch.setattr(pickle, "loads", loaded)
    ark, scp = tmp_path / "f.ark", tmp_path / "f.scp"
    scp.write_text(f"utt {ark}:4\n")
    start = b"utt PKL" + pickle.dumps([1.0] * 100)
    for data, rng in damaged(ark, [start]):
        scp.write_text(f"utt {ark}:{rng.randrange(12)}\n")
        matrices_or_refusals(scp, data)


def test_state_files_of_stage_0(tmp_path, make_audio):
    sets = {"train": DataSet(), "test": DataSet()}
    for utterance in UTTERANCES[:4]:
        wav = make_audio(tmp_path / "wav" / f"{utterance}.wav")
        sets["test"].add(utterance, utterance[0], wav)
    sets["train"].add("c-1", "c", make_audio(tmp_path / "wav" / "c-1.wav"))
    lists = {"all-pairs": all_pairs(sets["test"].utt2spk)}
    corpus = Corpus("mine", sets["train"], sets["test"], lists)
    data_dir, mine = tmp_path / "data", tmp_path / "mine"
    mine.write_text("not ours\n")
    install(corpus, data_dir)
    state = data_dir / "test" / "trials" / ".prepare.done"
    odd = {"lists": {"../../../mine": "", "/dev/null": "", "": 1, "..": 2, "all-pairs": ""}}
    text = (state.with_name("all-pairs")).read_text()
    for data, _ in damaged(state, [state.read_bytes(), json.dumps(odd).encode()], INPUTS // 2):
        try:
            install(corpus, data_dir)
        except InputError as error:
            raise AssertionError(f"{error} for {data!r}") from error
        assert (state.with_name("all-pairs")).read_text() == text and mine.exists()
    validate_data_dir(data_dir / "test")
