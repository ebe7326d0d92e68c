"""Recordings that cannot be read, or give no features: named together, or left out on demand."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.data_dir import read_table, write_data_dir
from speaker_bases.kaldi_feats.fbank.broken import BrokenRecordings
from speaker_bases.kaldi_feats.prepared import read_prepared
from speaker_bases.kaldi_feats.validate import main as validate


def only_error(said: str) -> str:
    (line,) = [line for line in said.splitlines() if "error:" in line]
    return line


@pytest.fixture
def broken(corpus):
    """Lines 2, 3 and 12 are broken: in both arks."""
    for line in (2, 12):
        corpus.point_to(line, str(corpus.folder / f"broken{line}.wav"))
        (corpus.folder / f"broken{line}.wav").write_text("not a recording")
    corpus.point_to(3, "exit 3 |")
    return corpus


def test_all_broken_recordings_are_named_at_once(broken, embedded):
    code, said = embedded(broken)
    assert code == 1 and "Traceback" not in said
    error = only_error(said)
    assert f"{broken.path / 'wav.scp'}:2: {broken.folder}/broken2.wav: cannot be read" in error
    assert "so 3 of the 12 recordings looked at are broken: line 3: exit 3 |: the com" in error
    assert f"; line 12: {broken.folder}/broken12.wav: cannot be read" in error
    assert not (broken.path / "feats.scp").exists()
    assert not list((broken.path / "fbank").glob("*.ark"))


def test_broken_recordings_are_left_out_on_demand_and_not_for_good(broken, embedded):
    code, said = embedded(broken, "--skip-broken", "true")
    assert code == 0 and "done 9 of 12, skipped 3" in said
    listed = read_table(broken.path / "broken_recordings")
    assert list(listed) == [list(read_table(broken.path / "wav.scp"))[line] for line in (1, 2, 11)]
    for name, reason in listed.items():
        assert f"{name}: left out, it is broken: {reason}" in said
        assert name not in broken.features()
    validate_data_dir(broken, features=True)
    assert "nothing to do" in embedded(broken, "--skip-broken", "true")[1]
    code, said = embedded(broken)
    assert code == 1 and "so 3 of the 12 recordings" in only_error(said)
    for line in (2, 3, 12):
        broken.point_to(line, broken.source("s0-u00"))
    assert embedded(broken)[0] == 0
    assert len(broken.features()) == 12 and not (broken.path / "broken_recordings").exists()


def test_recordings_that_are_not_there_are_named_at_once_or_left_out(corpus, embedded):
    for line in (1, 4, 9):
        corpus.point_to(line, f"/no/such{line}.wav")
    code, said = embedded(corpus)
    error = only_error(said)
    assert code == 1 and "wav.scp:1: no such file: /no/such1.wav" in error
    assert "so are 2 more: line 4: no such file: /no/such4.wav" in error
    assert embedded(corpus, "--skip-broken", "true")[0] == 0
    assert len(corpus.features()) == 9


def test_no_more_than_twenty_are_listed():
    many = BrokenRecordings(Path("wav.scp"))
    many.add(1000, [f"wav.scp:{line}: broken" for line in range(100, 0, -1)])
    with pytest.raises(InputError) as error:
        many.refuse()
    text = str(error.value)
    assert text.startswith("wav.scp:1: broken; so 100 of the 1,000 recordings looked at")
    assert text.count("line ") == 19 and "line 20: broken; and 80 more" in text


def test_when_most_are_broken_the_rest_is_not_looked_at():
    most = BrokenRecordings(Path("wav.scp"))
    most.add(30, [f"wav.scp:{line}: broken" for line in range(1, 20)])
    with pytest.raises(InputError, match="so 29 of the 40 recordings looked at are broken"):
        most.add(10, [f"wav.scp:{line}: broken" for line in range(30, 40)])


def test_digital_silence_is_warned_of_by_utterance(corpus, embedded):
    soundfile.write(corpus.source("s0-u04"), np.zeros(4800, np.int16), 16000)
    code, said = embedded(corpus)
    assert code == 0
    assert "wav.scp:2: s0-u04: digital silence: all its samples are equal" in said
    assert said.count("digital silence") == said.count("s0-u04: digital silence")


# ---- trial lists


@pytest.fixture
def short(corpus):
    """A recording of 20 ms, and lists about it, about others, and about it alone."""
    path = corpus.folder / "short.wav"
    soundfile.write(path, np.arange(320, dtype=np.int16), 16000)
    corpus.point_to(3, str(path))
    trials = corpus.path / "trials"
    trials.mkdir()
    (trials / "others").write_text("s0-u00 s0-u04 target\ns0-u00 s1-u01 nontarget\n")
    (trials / "short").write_text(
        "s0-u00 s0-u04 target\ns0-u00 s0-u08 target\ns0-u08 s1-u01 nontarget\n"
        "s0-u00 s1-u01 nontarget\n"
    )
    return corpus


def test_a_list_that_names_what_has_no_features_is_refused_by_stage_1(short, embedded):
    assert list(read_table(short.path / "wav.scp"))[2] == "s0-u08"
    for _ in range(2):  # a finished stage looks, too: the lists may be others
        code, said = embedded(short)
        assert code == 1
        assert (
            f"{short.path}/trials/short:2: the utterance 's0-u08' has no features (too short, or "
            "broken): so have 1 of the list's utterances, in 2 of its 4 trials"
        ) in only_error(said)


def test_such_trials_are_dropped_on_demand(short, embedded):
    code, said = embedded(short, "--allow-missing", "true")
    assert code == 0
    assert f"{short.path}/trials/short: 2 of its 4 trials are dropped" in said
    trials = read_prepared(short.path / "trials" / "short")
    assert (trials.enrol, trials.test) == (["s0-u00", "s0-u00"], ["s0-u04", "s1-u01"])
    assert trials.is_target.tolist() == [True, False]
    assert len(read_prepared(short.path / "trials" / "others")) == 2
    assert validate([str(short.path), "--features"]) == 0
    assert embedded(short)[0] == 1  # not without being told so again
    short.point_to(3, short.source("s0-u00"))
    assert embedded(short)[0] == 0
    assert len(read_prepared(short.path / "trials" / "short")) == 4


def test_a_list_is_not_dropped_as_a_whole(short, embedded):
    (short.path / "trials" / "short").write_text("s0-u00 s0-u08 target\ns0-u00 s1-u01 nontarget\n")
    code, said = embedded(short, "--allow-missing", "true")
    assert code == 1 and "0 target and 1 nontarget trials" in only_error(said)


# ---- disks and options


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_full_disk_is_one_line_that_names_the_file(tmp_path, make_audio, conf, jobs):
    """A limit of 4 KB a file stands for the disk: both let a write fail in the middle."""
    audio = {f"a-{i:02}": str(make_audio(tmp_path / f"{i}.wav", 16000, i)) for i in range(25)}
    write_data_dir(tmp_path / "data", audio, dict.fromkeys(audio, "a"))
    words = ["-m", "speaker_bases.kaldi_feats.extract", "--nj", jobs, "--fbank-config", str(conf)]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 4; exec "$@"', "_", sys.executable, *words, tmp_path / "data"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "File too large: " in only_error(done.stderr) and ".ark'" in only_error(done.stderr)
    assert not list((tmp_path / "data").rglob("*.ark"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_no_room_for_the_log_is_one_line(corpus, embedded):
    (corpus.path / "log").mkdir()
    (corpus.path / "log" / "make_fbank.log").symlink_to("/dev/full")
    code, said = embedded(corpus)
    assert code == 1 and "Traceback" not in said and "Logging error" not in said
    assert "No space left on device: " in said and "make_fbank.log" in only_error(said)


@pytest.mark.parametrize("option", ["--pipe-timeout", "--max-minutes"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", "9" * 5000])
def test_limits_are_numbers(corpus, embedded, option, value, capfd):
    with pytest.raises(SystemExit):
        embedded(corpus, option, value)
    assert "is not a number above 0" in capfd.readouterr().err


def test_limits_reach_the_recordings(corpus, embedded):
    corpus.point_to(3, "sleep 60 |")
    code, said = embedded(corpus, "--pipe-timeout", "0.2")
    assert code == 1 and "wav.scp:3: sleep 60 |: the command writes nothing for 0.2 s" in said
    code, said = embedded(corpus, "--pipe-timeout", "0.2", "--max-minutes", "0.001")
    assert code == 1 and "so 10 of the 10 recordings" in said
