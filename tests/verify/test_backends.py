"""PLDA and AS-norm as what compares: in a run, in an exported model, and what is refused."""

import copy
import json

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.backends import BACKENDS
from speaker_bases.evaluate.calibration_file import read_calibration
from speaker_bases.verify import Verifier
from speaker_bases.verify.__main__ import main
from speaker_bases.verify.models import OnnxModel
from tests.verify.conftest import with_card


@pytest.fixture(params=["plda", "as-norm-means"])
def name(request):
    return request.param


@pytest.fixture(params=["run", "onnx"])
def verifier(request, backends, name, tmp_path):
    verifier = Verifier.load(backends.run.path, backend=name)
    if request.param == "run":
        return verifier
    onnx_file = request.getfixturevalue("onnx_file")
    return Verifier.load(with_card(onnx_file, tmp_path / "m.onnx", verifier.card))


def stage_4(run, name):
    rows = [line.split() for line in run.scores("pairs", name).open()]
    return {(a, b): float(score) for a, b, score in rows}


def test_scores_are_those_of_stage_4(backends, verifier, name):
    names = list(backends.wav)
    row = dict(zip(names, verifier.embed(backends.wav.values()), strict=True))
    expected = stage_4(backends.run, name)
    for a, b in list(expected)[::7]:
        assert verifier.score(row[a][None], row[b]) == pytest.approx(expected[a, b], abs=1e-4)


def test_a_decision_is_by_the_calibration_of_these_scores(backends, verifier, name):
    about = read_calibration(backends.run.calibration("pairs", name))
    (a, b), score = next(iter(stage_4(backends.run, name).items()))
    found = verifier.verify(backends.wav[a], backends.wav[b])
    assert found.backend == name and found.score == pytest.approx(score, abs=1e-4)
    assert found.llr == pytest.approx(about["scale"] * score + about["offset"], abs=0.01)
    assert found.threshold == about["thresholds"]["eer"]


def test_the_card_of_an_exported_model_is_the_runs(backends, verifier, name):
    assert verifier.card == Verifier.load(backends.run.path, backend=name).card


@pytest.mark.parametrize("command", ["verify", "identify", "card"])
def test_an_exported_model_has_its_own_list_and_back_end(backends, onnx_file, command, capsys):
    more = {"verify": ["a.wav", "b.wav"], "identify": ["--store", "s", "a.wav"], "card": []}
    for option in (["--list", "pairs"], ["--backend", "plda"]):
        assert main([command, "--model", str(onnx_file), *option, *more[command]]) == 2
        error = capsys.readouterr().err
        assert "name them when it is exported" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bvector", "take --backend cosine, plda, as-norm-bases or as-norm-means"),
        ("plda;", "take --backend cosine"),
        ("as-norm-bases", "cohort.bases.npz.done: missing; python -m .*score --backend as-norm"),
    ],
)
def test_what_cannot_compare_is_refused(backends, name, message):
    with pytest.raises(InputError, match=message):
        Verifier.load(backends.run.path, backend=name)


def test_a_back_end_of_an_earlier_network_is_refused(backends, name):
    run = backends.run
    done = run.plda_done if name == "plda" else run.cohort_done("means")
    before = done.read_text()
    done.write_text(before.replace(json.loads(before)["embedder"], "0" * 64))
    try:
        with pytest.raises(InputError, match="of an earlier network's embeddings"):
            Verifier.load(run.path, backend=name)
    finally:
        done.write_text(before)


def test_a_calibration_of_an_earlier_back_end_is_refused(backends, name):
    run, train = backends.run, backends.folder / "data" / "train"
    other = {"plda": {"lda_dim": 2}, "as-norm-means": {"top": 3}}[name]
    settings = BACKENDS[name].settings
    BACKENDS[name].fit(run, train, settings | other)
    try:
        with pytest.raises(InputError, match=f"of scores by an earlier {name} back-end"):
            Verifier.load(run.path, backend=name)
    finally:
        BACKENDS[name].fit(run, train, settings)
    assert Verifier.load(run.path, backend=name).card["calibration"]


def of_array(name, **change):
    def damage(card):
        card["backend"]["arrays"][name] |= change

    return damage


def of_backend(**change):
    return lambda card: card["backend"].update(change)


@pytest.mark.parametrize(
    "damage",
    [
        of_backend(name="resnet"),
        of_backend(name=7),
        of_backend(arrays=None),
        of_backend(arrays={}),
        of_array("psi", data="%%"),
        of_array("psi", dtype="object"),
        of_array("psi", shape=[10**30]),
        of_array("psi", shape=[2, 2]),
        of_array("psi", shape="x"),
        of_array("transform", data="AAAA"),
        of_array("lda", shape=[36]),
        of_array("mean", shape=[2, 4]),
        lambda card: card["backend"]["arrays"].pop("lda"),
        lambda card: card["backend"].pop("simple_length_normalization"),
        lambda card: card.update(dim=9),
        lambda card: card.update(format=1),
        lambda card: card.pop("backend"),
    ],
)
def test_a_damaged_card_is_one_line(backends, onnx_file, damage, tmp_path, capsys):
    card = copy.deepcopy(Verifier.load(backends.run.path, backend="plda").card)
    before = json.dumps(card)
    damage(card)
    assert json.dumps(card) != before
    path = with_card(onnx_file, tmp_path / "bad.onnx", card)
    assert main(["verify", "--model", str(path), *list(backends.wav.values())[:2]]) == 2
    output = capsys.readouterr()
    assert f"{path}: " in output.err and output.err.count("\n") == 1 and not output.out


def test_a_damaged_cohort_in_a_card_is_one_line(backends, onnx_file, tmp_path):
    card = Verifier.load(backends.run.path, backend="as-norm-means").card
    for change in ({"top": 1}, {"top": 10**6}, {"top": 2.5}, {"arrays": {}}):
        damaged = card | {"backend": card["backend"] | change}
        path = with_card(onnx_file, tmp_path / "bad.onnx", damaged)
        with pytest.raises(InputError, match="back-end in its model card is damaged"):
            OnnxModel(path)


def test_a_voice_of_several_utterances_is_not_what_the_rates_are_of(
    backends, onnx_file, tmp_path, capsys
):
    card = Verifier.load(backends.run.path, backend="plda").card
    model = with_card(onnx_file, tmp_path / "m.onnx", card)
    base = ["--model", str(model), "--store", str(tmp_path / "voices.sqlite")]
    wav = backends.wav
    assert main(["enrol", *base, "--speaker", "ann", wav["spk0-0"], wav["spk0-1"]]) == 0
    assert main(["enrol", *base, "--speaker", "bob", wav["spk4-0"]]) == 0
    capsys.readouterr()
    threshold = ["--threshold", "-1000", "--json"]
    for probe, speaker, warned in (("spk0-3", "ann", True), ("spk4-3", "bob", False)):
        assert main(["identify", *base, *threshold, wav[probe]]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["speaker"] == speaker and found["decision"]["backend"] == "plda"
        warnings = found["decision"]["warnings"]
        assert any("enrolled with 2 utterances" in text for text in warnings) == warned
    # Of the two utterances it is Kaldi's rule for means.
    verifier = Verifier.load(model)
    one, two, probe = verifier.embed([wav["spk0-0"], wav["spk0-1"], wav["spk0-3"]])
    main(["identify", *base, *threshold, wav["spk0-3"]])
    score = json.loads(capsys.readouterr().out)["decision"]["score"]
    assert score == pytest.approx(verifier.score(np.stack([one, two]), probe), abs=1e-9)
    assert score != pytest.approx(verifier.score(one[None], probe), abs=1e-3)
