"""Decisions on two recordings: the scores of stage 4, thresholds, refusals and warnings."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.calibration_file import read_calibration
from speaker_bases.evaluate.trial_list import load_trial_list
from speaker_bases.verify import Verifier
from speaker_bases.verify.__main__ import main
from tests.verify.conftest import RATE, voice


@pytest.fixture(scope="module", params=["run", "onnx"])
def verifier(request, tiny):
    if request.param == "run":
        return Verifier.load(tiny.run.path)
    return Verifier.load(request.getfixturevalue("onnx_file"))


def stage_4(tiny):
    rows = [line.split() for line in tiny.run.scores("pairs").open()]
    return [(a, b, float(score)) for a, b, score in rows]


def test_scores_and_decisions_are_those_of_stage_4(tiny, verifier):
    names = list(tiny.wav)
    row = dict(zip(names, verifier.embed(tiny.wav.values()), strict=True))
    threshold, _ = verifier.threshold()
    unit = {name: e / np.linalg.norm(e) for name, e in row.items()}
    for a, b, expected in stage_4(tiny):
        found = float(unit[a] @ unit[b])
        assert found == pytest.approx(expected, abs=1e-4)
        if abs(expected - threshold) > 1e-4:
            assert (found >= threshold) == (expected >= threshold)


def test_a_decision_says_what_it_rests_on(tiny, verifier):
    about = read_calibration(tiny.run.calibration("pairs", "cosine"))
    a, b, score = stage_4(tiny)[0]
    found = verifier.verify(tiny.wav[a], tiny.wav[b], prior=0.1)
    assert found.score == pytest.approx(score, abs=1e-5)
    assert found.llr == pytest.approx(about["scale"] * score + about["offset"], abs=0.01)
    odds = math.exp(found.llr) * 0.1 / 0.9
    assert found.probability == pytest.approx(odds / (1 + odds))
    assert found.threshold == about["thresholds"]["eer"]
    assert found.threshold_from == "eer of pairs (276 trials)"
    trials = load_trial_list(tiny.test, "pairs")
    scores = np.array([s for *_, s in stage_4(tiny)])
    accepted = scores >= found.threshold
    assert found.false_accept.rate == pytest.approx(accepted[~trials.is_target].mean())
    assert found.false_reject.rate == pytest.approx(1 - accepted[trials.is_target].mean())
    assert found.false_accept.low <= found.false_accept.rate <= found.false_accept.high
    json.dumps(found.as_dict())


def test_arrays_and_files_say_the_same(tiny, verifier):
    path = tiny.wav["spk1-0"]
    samples, rate = soundfile.read(path)
    both = np.stack([samples, samples], axis=1)
    of_file, of_array, of_two = verifier.embed([path, (samples, rate), (both, rate)])
    np.testing.assert_allclose(of_array, of_file, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(of_two, of_array)


def test_another_rate_and_format_are_resampled(tiny, verifier, tmp_path):
    """At 48 kHz and in flac it is the same voice."""
    path = tmp_path / "a.flac"
    import soxr

    samples, rate = soundfile.read(tiny.wav["spk1-0"])
    soundfile.write(path, soxr.resample(samples, rate, 48000), 48000)
    decision = verifier.verify(path, tiny.wav["spk1-0"])
    assert decision.score > 0.999 and not decision.warnings


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (voice(0, 0, 1.0), RATE, "only 1.0 s"),
        (np.clip(30 * voice(0, 0), -1, 1), RATE, "clipped"),
        (voice(0, 0)[::2], RATE // 2, "8000 Hz, less than the 16000 Hz"),
        (np.stack([voice(0, 0), voice(1, 0)], axis=1), RATE, "2 channels; the first is taken"),
    ],
)
def test_what_makes_a_decision_less_sure_is_said(verifier, tiny, samples, rate, message):
    (warning,) = verifier.verify((samples, rate), tiny.wav["spk1-0"]).warnings
    assert message in warning


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ((voice(0, 0, 0.3), RATE), "0.30 s is too short"),
        ((np.zeros(RATE), RATE), "digital silence"),
        ((np.full(RATE, np.nan), RATE), "NaN"),
        ((np.zeros((2, 2, 2)), RATE), "expected floating-point samples"),
        ((np.ones(RATE, np.int16), RATE), "expected floating-point samples"),
        ((np.zeros(0), RATE), "expected floating-point samples"),
        ((voice(0, 0), 0), "no sample rate"),
        ("no such.wav", "no such.wav: no such file"),
        (__file__, "cannot be read"),
        ("touch hacked |", "no such file"),
    ],
)
def test_what_cannot_be_used_is_refused(verifier, tiny, audio, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        verifier.verify(audio, tiny.wav["spk1-0"])
    assert not list(tmp_path.iterdir())


@pytest.mark.hostile
@pytest.mark.parametrize("name", ["touch hacked |", "$(touch hacked).wav", "-x;touch hacked.xyz"])
def test_no_name_of_a_file_is_a_command(verifier, tiny, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(b"no audio")
    with pytest.raises(InputError):
        verifier.embed([name])
    assert not (tmp_path / "hacked").exists()


def run(*arguments, capsys=None):
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command(tiny, onnx_file, capsys):
    same, other = stage_4(tiny)[0], stage_4(tiny)[-1]
    for a, b, _ in (same, other):
        paths = tiny.wav[a], tiny.wav[b]
        decision = Verifier.load(onnx_file).verify(*paths)
        code, out, _ = run("verify", "--model", onnx_file, *paths, capsys=capsys)
        assert code == (0 if decision.same else 1)
        assert out.startswith("the same speaker\n" if decision.same else "different speakers\n")
        assert "false accepts" in out and "pairs (276 trials)" in out
        code, out, _ = run("verify", "--model", onnx_file, "--json", *paths, capsys=capsys)
        assert json.loads(out) == json.loads(json.dumps(decision.as_dict()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prior", "0"], "a prior is a number between 0 and 1"),
        (["--prior", "nan"], "a prior is a number between 0 and 1"),
        (["--threshold", "inf"], "a threshold is a finite number"),
    ],
)
def test_a_wrong_number_is_one_line_and_exit_2(tiny, onnx_file, options, message, capsys):
    paths = tiny.wav["spk0-0"], tiny.wav["spk0-1"]
    code, out, err = run("verify", "--model", onnx_file, *options, *paths, capsys=capsys)
    assert code == 2 and message in err and err.count("\n") == 1 and not out


def test_a_given_threshold_is_taken(tiny, onnx_file, capsys):
    paths = tiny.wav["spk0-0"], tiny.wav["spk5-1"]
    for threshold, code in ((-1.0, 0), (1.0, 1)):
        command = ("verify", "--model", onnx_file, "--threshold", threshold, *paths)
        found, out, _ = run(*command, capsys=capsys)
        assert found == code and ": given\n" in out and "at this threshold, on pairs: " in out


def test_synthetic_voices_are_named(tiny, capsys, monkeypatch):
    text = tiny.run.config.read_text()
    tiny.run.config.write_text(text.replace("some corpus", "synthetic"))
    try:
        paths = tiny.wav["spk0-0"], tiny.wav["spk0-1"]
        _, out, _ = run("verify", "--run", tiny.run.path, *paths, capsys=capsys)
        assert "trained on synthetic voices" in out
        assert Verifier.load(tiny.run.path).verify(*paths).as_dict()["synthetic"] is True
    finally:
        tiny.run.config.write_text(text)


def test_without_a_calibration_a_threshold_is_needed(tiny, capsys):
    kept = tiny.run.calibration("pairs", "cosine")
    hidden = kept.with_suffix(".hidden")
    kept.rename(hidden)
    try:
        verifier = Verifier.load(tiny.run.path)
        paths = tiny.wav["spk0-0"], tiny.wav["spk0-1"]
        with pytest.raises(InputError, match="calibrate the run first"):
            verifier.verify(*paths)
        decision = verifier.verify(*paths, threshold=0.5)
        assert decision.llr is None and decision.false_accept is None
    finally:
        hidden.rename(kept)


def test_a_calibration_of_an_earlier_network_is_refused(tiny):
    path = tiny.run.calibration("pairs", "cosine")
    before = path.read_text()
    network = json.loads(before)["network"]
    path.write_text(before.replace(network, "0" * 64))
    try:
        with pytest.raises(InputError, match="of an earlier network's scores"):
            Verifier.load(tiny.run.path)
    finally:
        path.write_text(before)


def test_a_list_is_named_where_several_are_calibrated(tiny):
    path = tiny.run.calibration("pairs", "cosine")
    other = tiny.run.calibration("others", "cosine")
    other.write_text(path.read_text().replace('"list": "pairs"', '"list": "others"'))
    try:
        with pytest.raises(InputError, match="calibrated on others, pairs; choose one"):
            Verifier.load(tiny.run.path)
        assert Verifier.load(tiny.run.path, "pairs").threshold()[1].startswith("eer of pairs")
    finally:
        other.unlink()


@pytest.mark.parametrize("change", [{"scale": "x"}, {"points": {}}, {"thresholds": {"eer": 1}}])
def test_a_damaged_card_is_one_line(onnx_file, change, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    model, path = onnx.load(onnx_file), tmp_path / "bad.onnx"
    card = json.loads(model.metadata_props[0].value)
    card["calibration"] |= change
    onnx.helper.set_model_props(model, {"speaker_bases": json.dumps(card)})
    onnx.save(model, path)
    code, _, err = run("verify", "--model", path, "a.wav", "b.wav", capsys=capsys)
    assert code == 2 and "its model card is damaged" in err and err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_a_damaged_model_is_one_line(content, onnx_file, tmp_path, capsys):
    path = tmp_path / "bad.onnx"
    path.write_bytes(onnx_file.read_bytes()[:-1000] if content is None else content)
    code, _, err = run("verify", "--model", path, "a.wav", "b.wav", capsys=capsys)
    assert code == 2 and f"{path}: " in err and err.count("\n") == 1


def test_an_exported_model_needs_little(onnx_file, tiny):
    """The whole command without pandas, Keras and what else only training needs."""
    blocked = "pandas keras tensorflow jax torch yaml sklearn scipy joblib tqdm kaldiio matplotlib"
    paths = [tiny.wav["spk0-0"], tiny.wav["spk0-1"]]
    program = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked.split()!r}:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Block())
from speaker_bases.verify.__main__ import main
raise SystemExit(main(["verify", "--model", {str(onnx_file)!r}, *{paths!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode in (0, 1) and "cosine" in done.stdout, done.stderr
