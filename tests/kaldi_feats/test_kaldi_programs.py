"""make_features.sh with programs that stand in for Kaldi's."""

import os
import select
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speaker_bases.kaldi_feats import extract
from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.kinds.record import feature_settings
from speaker_bases.kaldi_feats.reader import read_num_frames

PROGRAMS = ("compute-fbank-feats", "apply-cmvn-sliding", "copy-feats", "extract-segments")


@pytest.fixture
def kaldi(tmp_path, monkeypatch) -> Path:
    """A KALDI_ROOT (with a blank in its path) of stand-ins; they log their command lines."""
    root = tmp_path / "kal di"
    program = Path(__file__).with_name("kaldi_standin.py")
    for name in PROGRAMS:
        path = root / "src" / "featbin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # bash's `exec -a` would be lost on the way; the name comes through a link.
        (path.parent / "bodies" / name).parent.mkdir(exist_ok=True)
        (path.parent / "bodies" / name).symlink_to(program)
        body = shlex.quote(str(path.parent / "bodies" / name))
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {body} "$@"\n')
        path.chmod(stat.S_IRWXU)
    monkeypatch.setenv("KALDI_ROOT", str(root))
    monkeypatch.setenv("KALDI_STANDIN_LOG", str(tmp_path / "commands"))
    monkeypatch.delenv("train_cmd", raising=False)
    return root


def commands(tmp_path: Path, program: str) -> list[str]:
    lines = (tmp_path / "commands").read_text().splitlines()
    return [line for line in lines if line.startswith(f"{program} ")]


def test_kaldi_writes_what_the_embedded_extractor_writes(corpus, embedded, kaldi, make_fbank, conf):
    other = corpus.at(corpus.folder / "embedded" / "train")
    shutil.copytree(corpus.path, other.path)
    before = corpus.snapshot()
    assert embedded(other)[0] == 0
    done = make_fbank(corpus)
    assert done.returncode == 0, done.stderr
    assert "done 12 of 12, skipped 0" in done.stderr
    made, expected = corpus.features(), other.features()
    assert list(made) == list(expected)
    for name in expected:
        np.testing.assert_allclose(made[name], expected[name], atol=1e-6)
    for name in ("utt2num_frames", "fbank.conf"):
        assert (corpus.path / name).read_text() == (other.path / name).read_text()
    assert feature_settings(corpus.path) == feature_settings(other.path)
    ours, theirs = corpus.snapshot(), other.snapshot()
    assert ours.keys() == theirs.keys()
    assert {name: ours[name] for name in before} == before
    validate_data_dir(corpus, features=True)
    # And what one extractor finished, the other leaves alone.
    code, said = embedded(corpus)
    assert code == 0 and "nothing to do" in said


def test_kaldi_cuts_segments_as_the_embedded_extractor_does(
    segmented, embedded, kaldi, make_fbank, tmp_path
):
    other = segmented.at(segmented.folder / "embedded" / "train")
    shutil.copytree(segmented.path, other.path)
    assert embedded(other)[0] == 0
    done = make_fbank(segmented)
    assert done.returncode == 0, done.stderr
    made, expected = segmented.features(), other.features()
    assert list(made) == list(expected) == ["s0-a", "s0-b", "s1-a", "s1-b"]
    for name in expected:
        np.testing.assert_allclose(made[name], expected[name], atol=1e-6)
    (command,) = commands(tmp_path, "extract-segments")
    assert command.endswith(".segments ark:-")
    (kaldi / "src" / "featbin" / "extract-segments").unlink()
    done = make_fbank(segmented)
    assert done.returncode == 1 and "featbin/extract-segments is not there" in done.stderr


def test_given_features_need_no_program_of_kaldis(corpus, embedded, kaldi, make_fbank, tmp_path):
    other = corpus.at(corpus.folder / "computed" / "train")
    shutil.copytree(corpus.path, other.path)
    assert embedded(other)[0] == 0
    shutil.copy(other.path / "feats.scp", corpus.path / "given_feats.scp")
    done = make_fbank(corpus)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "commands").exists()
    for name in ("feats.scp", "utt2num_frames", "fbank.conf"):
        assert (corpus.path / name).read_text() == (other.path / name).read_text()
    assert "nothing to do" in make_fbank(corpus).stderr


def test_kaldi_makes_again_only_the_ark_of_a_changed_recording(
    corpus, embedded, kaldi, make_fbank, tmp_path
):
    """Behind a pipe, too, where its line in wav.scp is as before."""
    path = corpus.folder / "a b.wav"
    soundfile.write(path, np.full(4800, 7, np.int16), 16000)
    corpus.point_to(12, f"cat {shlex.quote(str(path))} |")
    assert make_fbank(corpus).returncode == 0
    before, arks = corpus.features(), corpus.dates(".ark")
    soundfile.write(path, (np.arange(4800) ** 2 % 999).astype(np.int16), 16000)
    (corpus.path / "feats.scp").unlink()  # as stage 0 leaves the folder
    (corpus.path / ".fbank.done").unlink()
    done = make_fbank(corpus)
    assert done.returncode == 0, done.stderr
    assert len(commands(tmp_path, "compute-fbank-feats")) == 3
    after = corpus.features()
    assert [n for n in before if not np.array_equal(before[n], after[n])] == ["s3-u11"]
    assert len(corpus.dates(".ark").items() & arks.items()) == 1
    other = corpus.at(corpus.folder / "embedded" / "train")
    shutil.copytree(corpus.path, other.path, ignore=shutil.ignore_patterns("fbank", ".fbank.done"))
    assert embedded(other)[0] == 0
    for name, matrix in other.features().items():
        np.testing.assert_allclose(after[name], matrix, atol=1e-6)


def test_kaldis_command_lines(corpus, kaldi, make_fbank, conf, tmp_path):
    options = ["--cmn-window", "150", "--compress", "true"]
    done = make_fbank(corpus, *options)
    assert done.returncode == 0, done.stderr
    computed = commands(tmp_path, "compute-fbank-feats")
    assert len(computed) == 2
    assert all(f" --config={conf} scp:" in line and line.endswith(" ark:-") for line in computed)
    assert (
        commands(tmp_path, "apply-cmvn-sliding")
        == ["apply-cmvn-sliding --norm-vars=false --center=true --cmn-window=150 ark:- ark:-"] * 2
    )
    copied = commands(tmp_path, "copy-feats")
    assert all(" --compress=true --write-num-frames=ark,t:" in line for line in copied)
    assert all(" ark:- ark,scp:" in line for line in copied)
    assert b"CM " in next(corpus.path.glob("fbank/*.ark")).read_bytes()[:30]
    assert len(list(corpus.path.glob("log/make_fbank.*.log"))) == 2
    assert make_fbank(corpus, *options).returncode == 0
    assert len(commands(tmp_path, "compute-fbank-feats")) == 2


def test_train_cmd(corpus, kaldi, make_fbank, tmp_path):
    """Whatever $train_cmd names is called as Kaldi's scripts call it, its own options first."""
    runner = kaldi / "egs" / "wsj" / "s5" / "utils" / "queue.pl"
    runner.parent.mkdir(parents=True)
    here = Path(extract.__file__).parent
    runner.write_text(
        f'#!/bin/bash\necho "$*" > {shlex.quote(str(tmp_path / "asked"))}\nshift 2\n'
        f'exec bash {shlex.quote(str(here / "fbank" / "run_jobs.sh"))} "$@"\n'
    )
    runner.chmod(stat.S_IRWXU)
    done = make_fbank(corpus, train_cmd="queue.pl --mem 2G")
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text()
    log = corpus.path / "log" / "make_fbank.JOB.log"
    assert asked.startswith(f"--mem 2G JOB=1:2 {log} bash ") and asked.endswith(" JOB\n")


@pytest.mark.parametrize(
    "options", [("--skip-broken", "true"), ("--pipe-timeout", "5"), ("--max-minutes", "2")]
)
def test_what_kaldis_programs_do_not_have_is_refused(corpus, kaldi, make_fbank, options):
    done = make_fbank(corpus, *options)
    assert done.returncode == 1
    assert f"{options[0]}: not with Kaldi's programs; unset KALDI_ROOT" in done.stderr
    assert not (corpus.path / "feats.scp").exists()


def test_a_train_cmd_that_is_not_there(corpus, kaldi, make_fbank):
    done = make_fbank(corpus, "--cmd", "queue.pl -q all")
    assert done.returncode == 1
    assert "make_features.sh: error: no such command: queue.pl -q all" in done.stderr


def test_kaldis_own_runner(tmp_path, kaldi, make_fbank, corpus, monkeypatch):
    """run.pl is taken if it is there and can take the paths; it gives the line to a shell."""
    plain = tmp_path / "plain"
    shutil.copytree(corpus.path, plain / "train")
    shutil.copytree(kaldi, plain / "kaldi", symlinks=True)
    runner = plain / "kaldi" / "egs" / "wsj" / "s5" / "utils" / "run.pl"
    runner.parent.mkdir(parents=True)
    runner.write_text(
        "#!/bin/bash\n"
        'range=${1#JOB=} log=$2 failed=0; shift 2; echo "$*" > ' + str(plain / "asked") + "\n"
        "for ((job = ${range%:*}; job <= ${range#*:}; job++)); do\n"
        '  echo "( ${*//JOB/$job} ) 2>>${log//JOB/$job} >>${log//JOB/$job}" | bash || failed=1\n'
        "done; exit $failed\n"
    )
    runner.chmod(stat.S_IRWXU)
    done = make_fbank(plain / "train", KALDI_ROOT=str(plain / "kaldi"))
    assert done.returncode == 0, done.stderr
    assert "fbank_job.sh" in (plain / "asked").read_text()
    (plain / "asked").unlink()
    done = make_fbank(corpus, KALDI_ROOT=str(plain / "kaldi"))  # whose path has a blank
    assert done.returncode == 0 and not (plain / "asked").exists(), done.stderr
    assert len(corpus.at(plain / "train").features()) == 12


def test_kaldi_skips_what_is_too_short(corpus, kaldi, make_fbank):
    """One in the first ark, and all of the last."""
    path = corpus.folder / "short.wav"
    soundfile.write(path, np.ones(399, np.int16), 16000)
    for number in (3, 11, 12):
        corpus.point_to(number, str(path))
    done = make_fbank(corpus)
    assert done.returncode == 0, done.stderr
    assert "s0-u08: no features (too short?)" in done.stderr
    assert "done 9 of 12, skipped 3" in done.stderr
    assert len(corpus.features()) == len(read_num_frames(corpus)) == 9


def wrong_rate(corpus) -> tuple[str, str]:
    path = corpus.folder / "8k.wav"
    soundfile.write(path, np.ones(4000, np.int16), 8000)
    return str(path), "mismatch: 8000 .vs 16000"


def not_wav(corpus) -> tuple[str, str]:
    path = corpus.folder / "text.wav"
    path.write_text("not a recording")
    return str(path), f"Failed to load object from {path}"


def failing_pipe(corpus) -> tuple[str, str]:
    good = corpus.source("s0-u00")
    return f"cat {shlex.quote(good)}; exit 3 |", "nonzero return status 768"


@pytest.mark.parametrize("make", [wrong_rate, not_wav, failing_pipe])
def test_what_kaldi_complains_of_is_an_error(corpus, kaldi, make_fbank, make):
    source, message = make(corpus)
    corpus.point_to(11, source)
    before = corpus.snapshot()
    done = make_fbank(corpus)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "error:" in line]
    assert f"wav.scp:11: {source}: " in line and message in line and "make_fbank.2.log" in line
    assert {name: value for name, value in corpus.snapshot().items() if name in before} == before
    assert not (corpus.path / "feats.scp").exists()


def test_a_pipe_that_kaldi_closed_early_is_no_error(corpus, kaldi, make_fbank):
    corpus.point_to(11, f"cat {shlex.quote(corpus.source('s3-u07'))}; exit 141 |")
    assert make_fbank(corpus).returncode == 0
    assert len(corpus.features()) == 12


def test_kaldi_continues_where_it_stopped(corpus, kaldi, make_fbank, tmp_path):
    good = corpus.source("s3-u07")
    corpus.point_to(11, not_wav(corpus)[0])
    assert make_fbank(corpus).returncode == 1
    first = corpus.dates(".scp")
    corpus.point_to(11, good)
    assert make_fbank(corpus).returncode == 0
    assert len(first) == 1 and first.items() <= corpus.dates(".scp").items()
    assert len(commands(tmp_path, "compute-fbank-feats")) == 2 + 1
    assert {path.suffix for path in (corpus.path / "fbank").glob("[!.]*")} == {
        ".ark",
        ".scp",
        ".num_frames",
    }


def test_kaldis_features_are_held_against_the_trial_lists_too(corpus, kaldi, make_fbank):
    path = corpus.folder / "short.wav"
    soundfile.write(path, np.ones(300, np.int16), 16000)
    corpus.point_to(3, str(path))
    (corpus.path / "trials").mkdir()
    (corpus.path / "trials" / "mine").write_text("s0-u00 s0-u08 target\ns0-u08 s1-u01 nontarget\n")
    for _ in range(2):
        done = make_fbank(corpus)
        assert done.returncode == 1
        assert "trials/mine:1: the utterance 's0-u08' has no features" in done.stderr


def test_kaldi_interrupted(corpus, kaldi, project_root, make_fbank, conf):
    """Ctrl-C reaches the programs at the end of the chain, and a later run continues."""
    good = corpus.source("s3-u11")
    alive = corpus.folder / "alive"
    os.mkfifo(alive)
    corpus.point_to(12, f"exec 9> {shlex.quote(str(alive))}; echo >&9; exec sleep 600 |")
    words = [
        "bash",
        project_root / "kaldi_feats" / "make_features.sh",
        "--fbank-config",
        conf,
        corpus,
    ]
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    with (
        subprocess.Popen(words, env=os.environ | {"PATH": path}, start_new_session=True) as process,
        open(alive, "rb", buffering=0) as pipe,
    ):
        assert pipe.read(1) == b"\n"  # the last recording is being read
        os.killpg(process.pid, signal.SIGINT)
        assert select.select([pipe], [], [], 60)[0] and pipe.read() == b""  # nobody holds it
    assert process.returncode == 130
    assert not (corpus.path / "feats.scp").exists()
    corpus.point_to(12, good)
    assert make_fbank(corpus).returncode == 0
    assert len(corpus.features()) == 12


def test_flac_reaches_kaldi_through_a_pipe(corpus, kaldi, make_fbank, tmp_path):
    wav = Path(corpus.source("s0-u00"))
    soundfile.write(wav.with_suffix(".flac"), *soundfile.read(wav, dtype="int16"))
    corpus.point_to(1, str(wav.with_suffix(".flac")))
    tool = tmp_path / "bin" / "flac"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\n[ "$*" = "-c -d -s {wav.with_suffix(".flac")}" ] && cat "{wav}"\n')
    tool.chmod(stat.S_IRWXU)
    done = make_fbank(corpus, PATH=str(tool.parent))
    assert done.returncode == 0, done.stderr
    assert len(corpus.features()) == 12


def test_kaldi_that_is_not_built(corpus, make_fbank, tmp_path, kaldi):
    (kaldi / "src" / "featbin" / "copy-feats").unlink()
    done = make_fbank(corpus)
    assert done.returncode == 1
    assert f"{kaldi}/src/featbin/copy-feats is not there; build Kaldi" in done.stderr
    done = make_fbank(corpus, KALDI_ROOT=str(tmp_path / "none"))
    assert done.returncode == 1 and "no such folder: KALDI_ROOT=" in done.stderr
