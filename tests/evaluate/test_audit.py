"""The audit: whatever is damaged is named, and nothing is changed."""

import os
import shutil

import numpy as np
import pytest
import soundfile

from speaker_bases.evaluate.audit import main
from speaker_bases.evaluate.baseline import make_baseline
from speaker_bases.evaluate.score import score
from speaker_bases.kaldi_feats.data_dir import write_data_dir
from speaker_bases.kaldi_feats.extract import main as extract
from speaker_bases.kaldi_feats.trials import all_pairs, write_trials
from speaker_bases.run_dir import RunDir


@pytest.fixture(scope="module")
def sound(tmp_path_factory, project_root):
    """A small data folder and a baseline's run, all of it well."""
    folder = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    utt2spk = {f"{s}-{u}": s for s in ("amy", "bob", "cyd") for u in range(3)}
    wav_scp = {name: str(folder / "wav" / f"{name}.wav") for name in utt2spk}
    (folder / "wav").mkdir()
    for path in wav_scp.values():
        soundfile.write(path, 0.1 * rng.normal(size=8000), 16000)
    test, exp = folder / "data" / "test", folder / "exp"
    write_data_dir(test, wav_scp, utt2spk)
    write_trials(test / "trials" / "pairs", all_pairs(utt2spk))
    conf = ["--fbank-config", str(project_root / "conf" / "fbank.conf"), "--nj", "1"]
    assert extract([*conf, str(test)]) == 0
    make_baseline(exp, test)
    run = RunDir(exp / "baseline" / "seed0")
    score(run, test)
    run.checkpoints.mkdir()
    np.savez(run.checkpoints / "step-000000001.npz", a=np.zeros(1000))
    shutil.copytree(run.checkpoints, run.pretraining.checkpoints)  # as of a first training of two
    shutil.copy(run.config, run.pretraining.config)
    run.mining.mkdir()
    np.savez(run.mined(0), a=np.zeros(1000))
    return folder


@pytest.fixture
def audit(sound, monkeypatch, capsys):
    """Call it for the exit code and what is printed."""
    kept = shutil.copytree(sound, sound.with_name("kept"))  # and arks are found by absolute paths
    monkeypatch.chdir(sound)

    def run():
        before = state(sound)
        code = main(["--data", "data", "--exp", "exp", "--nj", "1"])
        assert state(sound) == before
        return code, capsys.readouterr().out

    run.folder = sound
    yield run
    shutil.rmtree(sound)
    shutil.move(kept, sound)


def state(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def flip(path):
    """A bit in the middle of a file, whose size and time stay."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def test_nothing_is_wrong_with_what_the_stages_made(audit):
    code, said = audit()
    assert code == 0 and said.endswith("looked at, 0 damaged\n")
    assert int(said.split()[0].replace(",", "")) > 30


@pytest.mark.parametrize("damage", [flip, cut, lambda path: path.unlink()])
@pytest.mark.parametrize(
    "name",
    [
        "data/test/feats.scp",
        "data/test/utt2num_frames",
        "data/test/fbank/*.ark",
        "exp/baseline/seed0/embeddings/test.ark",
        "exp/baseline/seed0/scores/pairs.cosine.txt",
    ],
)
def test_every_output_of_a_stage(audit, name, damage):
    path = next(audit.folder.glob(name))
    damage(path)
    code, said = audit()
    assert code == 1 and path.name in said, said


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("wav/bob-1.wav", lambda path: path.write_bytes(path.read_bytes()[:20])),
        ("data/test/wav.scp", lambda path: path.write_text("amy-0\n")),
        ("data/test/trials/pairs", lambda path: path.write_text("amy-0 bob-9 nontarget\n")),
        ("data/test/.fbank.done", lambda path: path.write_text("{")),
        ("exp/baseline/seed0/config.yaml", lambda path: path.unlink()),
        ("exp/baseline/seed0/checkpoints/step-000000001.npz", flip),
        ("exp/baseline/seed0/checkpoints/step-000000001.npz", cut),
        ("exp/baseline/seed0/pretraining/checkpoints/step-000000001.npz", cut),
        ("exp/baseline/seed0/mining/epoch-00000.npz", flip),
    ],
)
def test_what_the_stages_read(audit, name, damage):
    path = audit.folder / name
    damage(path)
    code, said = audit()
    assert code == 1 and path.name in said, said
    assert said.count("\n") == int(said.split()[-2]) + 1  # a line each
