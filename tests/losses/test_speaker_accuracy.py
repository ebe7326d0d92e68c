"""SpeakerAccuracy, on all outputs and on mined ones."""

import keras
import numpy as np
import pytest
from hypothesis import given
from keras import ops

from speaker_bases.losses import SpeakerAccuracy, SpeakerBases, speaker_accuracy

from . import problems, systems
from .problems import quick


def accuracy(labels, outputs):
    return float(SpeakerAccuracy()(labels, outputs))


@quick
@given(problems.problems())
def test_all_outputs_are_right_where_the_largest_is_the_targets(problem):
    embeddings, labels, bases = problem
    outputs = embeddings @ bases
    right = outputs.argmax(axis=1) == labels
    np.testing.assert_array_equal(ops.convert_to_numpy(speaker_accuracy(labels, outputs)), right)
    assert accuracy(labels, outputs) == pytest.approx(right.mean())
    assert accuracy(labels[:, None], outputs) == pytest.approx(right.mean())


@quick
@given(problems.problems())
def test_mined_outputs_are_as_right_as_all(problem):
    embeddings, labels, bases = problem
    labels[0] = (embeddings[0] @ (bases / np.linalg.norm(bases, axis=0))).argmax()
    layer = SpeakerBases(bases.shape[1], "cosine", num_negatives=1)
    layer.build(embeddings.shape, labels.shape)
    layer.bases.assign(bases)
    everyone = accuracy(labels, layer(embeddings, labels))
    layer.mine_from = 2
    assert accuracy(labels, layer(embeddings, labels)) == everyone > 0


def test_in_a_model_where_keras_accuracy_errs(mined):
    features, labels = systems.batches(size=256)
    model = systems.build("proposed2", metrics=[SpeakerAccuracy(), "accuracy"])
    model.optimizer.learning_rate = 0.05
    history = systems.fit(model, "proposed2", features, labels, epochs=10)
    assert history["speaker_accuracy"][-1] > 0.9
    assert history["accuracy"][-1] < 0.5


@pytest.mark.parametrize("shape", [(2, 4), (2, 1, 4)])
def test_ties_and_nan_are_wrong(shape):
    labels = np.array([0, 3])
    assert accuracy(labels, np.zeros(shape, "float32")) == 0
    assert accuracy(labels, np.full(shape, np.nan, "float32")) == 0
    others = np.zeros(shape, "float32")
    others[..., 1:3] = 0.5  # two others tie, above the target
    assert accuracy(labels, others) == 0
    others[0, ..., 0] = 0.6
    assert accuracy(labels, others) == 0.5


def test_a_label_of_no_speaker_is_wrong():
    outputs = np.eye(3, dtype="float32")
    assert accuracy(np.array([0, 1, 2]), outputs) == 1
    assert accuracy(np.array([-1, 1, 3]), outputs) == pytest.approx(1 / 3)


def test_sample_weights_count():
    outputs = np.eye(2, dtype="float32")
    metric = SpeakerAccuracy()
    metric.update_state(np.array([0, 0]), outputs, sample_weight=np.array([3.0, 1.0]))
    assert float(metric.result()) == 0.75


def test_configuration_goes_round():
    problems.goes_round(SpeakerAccuracy(name="a"))
    assert keras.metrics.get(speaker_accuracy) is speaker_accuracy
