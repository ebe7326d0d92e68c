"""docs/bases-on-a-circle.html in a browser without a window: its losses are the library's."""

import html
import json
import re
import shutil
import subprocess

import keras
import numpy as np
import pytest

from speaker_bases.losses import (
    GE2E,
    AdditiveMarginSoftmax,
    BetweenSpeakerVariation,
    CenterLoss,
    HardNegativeMining,
    SpeakerBases,
)

from .losses.calculus import call, value_and_gradients

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is installed"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="once is enough"),
]
CONFIGURATIONS = 25
NAMES = {"softmax": "L_S", "center": "L_C", "margin": "L_AMS", "ge2e": "L_G", "mining": "L_H"}
NAMES |= {"between": "L_BC"}
TRAINED = ("center", "ge2e", "mining")

WATCH = """<script>
const problems = [];
for (const kind of ["error", "unhandledrejection", "securitypolicyviolation"])
  addEventListener(kind, event =>
    problems.push(String(event.message ?? event.reason ?? event.violatedDirective)));
</script>"""


FRAME = """<pre id="all"></pre>
<iframe width="400" height="800" style="border: 0" srcdoc="{}"></iframe>
<script>
onload = () => {{ all.textContent = frames[0].document.getElementById("answers").textContent; }};
</script>"""  # a window cannot be that narrow


@pytest.fixture(scope="module")
def questions():
    """Random points and settings; some vectors are long, one has no direction."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(CONFIGURATIONS):
        speakers, size = int(rng.integers(3, 9)), int(rng.integers(2, 25))
        points = {
            "embeddings": rng.normal(size=(size, 2)) * 10 ** rng.uniform(-1, 1),
            "labels": rng.integers(0, speakers, size),
            "bases": rng.normal(size=(speakers, 2)),
            "bias": rng.normal(size=speakers),
            "centers": rng.normal(size=(speakers, 2)),
            "score": np.array([rng.uniform(1, 20), rng.uniform(-12, 0)]),
        }
        if number == 1:
            points["embeddings"][0] = points["bases"][1] = 0
        single = {name: np.asarray(value, "float32") for name, value in points.items()}
        settings = {"s": rng.uniform(1, 30), "m": rng.uniform(0, 0.7), "lambda": rng.uniform(0, 2)}
        settings |= {"H": int(rng.integers(1, speakers)), "weight": rng.uniform(0, 5)}
        made.append({"points": single | {"labels": points["labels"]}, "settings": settings})
    return made


@pytest.fixture(scope="module")
def answers(questions, project_root, tmp_path_factory):
    """What the page says when it is asked, 400 pixels wide."""
    page = (project_root / "docs" / "bases-on-a-circle.html").read_text(encoding="utf-8")
    asked = json.dumps(questions, default=lambda array: array.tolist())
    given = f"<script>const questions = {asked};\n"
    given += f"const NAMES = {json.dumps(NAMES)}, TRAINED = {json.dumps(TRAINED)};\n"
    ask = (project_root / "tests" / "bases_on_a_circle.js").read_text(encoding="utf-8")
    given = f'<pre id="answers"></pre>{given}{ask}</script>'
    folder = tmp_path_factory.mktemp("page")
    copy = folder / "page.html"
    page = page.replace("<head>", f"<head>{WATCH}", 1)
    page = page.replace("</body>", f"{given}</body>", 1)
    copy.write_text(FRAME.format(html.escape(page)), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += [f"--user-data-dir={folder}", "--dump-dom"]
    done = subprocess.run(
        [BROWSER, *options, copy.as_uri()], capture_output=True, text=True, timeout=120
    )
    found = re.search(r'<pre id="all">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-300:] + done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return json.loads(html.unescape(found[1])) | {"console": console}


def ours(name, points, settings):
    """The library's loss as a function of some of the points, and the names of these."""
    labels, bases = points["labels"].astype("int32"), points["bases"].T
    embeddings = points["embeddings"]
    layer = {
        "center": lambda: CenterLoss(len(bases.T), weight=settings["lambda"]),
        "ge2e": lambda: GE2E(reduction="mean"),
        "softmax": lambda: SpeakerBases(bases.shape[1], "dot"),
        "margin": lambda: SpeakerBases(bases.shape[1], "cosine"),
        "mining": lambda: SpeakerBases(bases.shape[1], "cosine"),
    }.get(name, lambda: None)()
    if name == "between":
        variation = BetweenSpeakerVariation(settings["weight"], scale=5.0, reduction="mean")
        return variation, [bases], ["bases"]
    if name in ("center", "ge2e"):
        layer.build(embeddings.shape, labels.shape)
    else:
        layer.build(embeddings.shape)
    if name == "center":
        layer.centers.assign(points["centers"])
        return lambda e: call(layer, [], e, labels)[1], [embeddings], ["embeddings"]
    if name == "ge2e":
        arrays = [embeddings, *points["score"]]
        return lambda e, *score: call(layer, score, e, labels)[1], arrays, ["embeddings", "score"]
    loss = {
        "softmax": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "margin": AdditiveMarginSoftmax(settings["s"], settings["m"], reduction="mean"),
        "mining": HardNegativeMining(settings["H"], settings["s"], reduction="mean"),
    }[name]
    arrays = [embeddings, bases] + ([points["bias"]] if name == "softmax" else [])
    return (
        lambda e, *weights: loss(labels, call(layer, weights, e)[0]),
        arrays,
        ["embeddings", "bases", "bias"][: len(arrays)],
    )


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_the_librarys(name, questions, answers):
    for asked, answer in zip(questions, answers["losses"], strict=True):
        found = answer["found"][name]
        function, arrays, names = ours(name, asked["points"], asked["settings"])
        value, gradients = value_and_gradients(function, arrays)
        assert found["value"] == pytest.approx(value, rel=1e-5, abs=1e-5)
        if name == "ge2e":
            gradients = [gradients[0], np.array(gradients[1:])]
        assert set(found["gradients"]) == set(names)
        for key, gradient in zip(names, gradients, strict=True):
            expected = gradient.T if key == "bases" else gradient
            bound = 1e-5 * max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(found["gradients"][key], expected, atol=bound, rtol=0)


def test_losses_together_are_their_sum(questions, answers):
    for answer, together in zip(answers["losses"], answers["together"], strict=True):
        parts = [answer["found"][name] for name in ("softmax", "center", "between")]
        assert together["total"] == pytest.approx(sum(part["value"] for part in parts))
        for key in ("embeddings", "bases", "bias"):
            gradients = [
                np.array(part["gradients"][key]) for part in parts if key in part["gradients"]
            ]
            np.testing.assert_allclose(together["gradients"][key], sum(gradients), atol=1e-9)


def test_centres_move_as_the_librarys_do(questions, answers):
    for asked, answer in zip(questions, answers["losses"], strict=True):
        points = asked["points"]
        layer = CenterLoss(len(points["centers"]))
        layer.build(points["embeddings"].shape, points["labels"].shape)
        layer.centers.assign(points["centers"])
        layer.alpha.assign(0.5)
        layer(points["embeddings"], points["labels"], training=True)
        np.testing.assert_allclose(answer["centers"], layer.centers, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_the_toy_trains_as_in_keras(name, answers):
    """Five steps from the page's weights on its batches, with L_BC where there are bases."""
    toy, run = answers["toy"], answers["trained"][name]
    x, labels = np.array(toy["x"], "float32"), np.array(toy["labels"], "int32")
    backbone = keras.Sequential(
        [keras.Input((16,)), keras.layers.Dense(64, "leaky_relu"), keras.layers.Dense(2)]
    )
    shapes = {"hidden": (16, 64), "hiddenBias": (64,), "output": (64, 2), "outputBias": (2,)}
    backbone.set_weights([np.reshape(run["before"][key], shapes[key]) for key in shapes])
    features, speakers = keras.Input((16,)), keras.Input((), dtype="int32")
    output, loss, center = backbone(features), None, None
    if name == "center":
        center = CenterLoss(8, weight=0.02, centers_initializer="zeros")
        output = center(output, speakers)
        center.alpha.assign(0.5)
    if name == "ge2e":
        layer = GE2E(10.0, -9.5, reduction="mean")
    else:
        layer = SpeakerBases(
            8,
            "dot" if name == "center" else "cosine",
            between_speaker=BetweenSpeakerVariation(1.0, scale=5.0, reduction="mean"),
        )
        loss = {
            "center": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "mining": HardNegativeMining(3, 5.0, reduction="mean"),
        }[name]
    model = keras.Model([features, speakers], layer(output, speakers))
    if name != "ge2e":
        layer.bases.assign(np.reshape(run["before"]["bases"], (8, 2)).T)
    model.compile(keras.optimizers.Adam(0.01), loss)
    costs = []
    for batch in run["batches"]:
        model.reset_metrics()
        logs = model.train_on_batch([x[batch], labels[batch]], labels[batch], return_dict=True)
        costs.append(logs["loss"])
    assert run["cost"] == pytest.approx(np.mean(costs), rel=1e-3)
    for key, expected in zip(shapes, backbone.get_weights(), strict=True):
        found = np.reshape(run["after"][key], shapes[key])
        np.testing.assert_allclose(found, expected, atol=1e-3)
    if name == "ge2e":
        after = [float(layer.score_weight), float(layer.score_bias)]
        np.testing.assert_allclose(run["after"]["score"], after, atol=1e-4)
    else:
        found = np.reshape(run["after"]["bases"], (8, 2)).T
        np.testing.assert_allclose(found, layer.bases, atol=1e-3)
    if center:
        np.testing.assert_allclose(run["centers"], center.centers, atol=1e-3, rtol=1e-3)
    assert len(run["epochs"]) == 41 and run["epochs"][40] < 0.7 * run["epochs"][1]


def test_arrows_are_the_negative_gradient(answers):
    seen = {page["loss"]: page["arrows"] for page in answers["page"]}
    assert set(seen) == {"softmax", "center", "margin", "ge2e", "mining", "none"}
    for loss, arrows in seen.items():
        # Eight bases, by L_BC at least; L_G has none, and arrows of utterances alone.
        assert len(arrows) >= (4 if loss == "none" else 8), loss
        for gradient, arrow in arrows:
            cosine = np.dot(gradient, arrow) / np.linalg.norm(gradient) / np.linalg.norm(arrow)
            assert cosine == pytest.approx(-1, abs=1e-6)


def test_it_says_what_it_shows_and_can_be_used_without_a_pointer(answers):
    for page in answers["page"]:
        assert re.search(r"\d+ of 96 utterances are in the batch", page["summary"])
        assert page["loss"] in ("ge2e",) or "LBC = " in page["values"]
    # Five times two degrees to the left, of a basis and of an utterance; then the next utterance.
    assert answers["keys"] == [10, 10, 1]
    assert answers["dragged"] == 270
    assert answers["nameless"] == 0


def test_it_asks_for_nothing_complains_of_nothing_and_fits(answers, project_root):
    assert answers["requests"] == answers["problems"] == answers["console"] == []
    page = (project_root / "docs" / "bases-on-a-circle.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}
    width, window = answers["widths"]
    assert width <= window == 400
