"""The contrastive loss, Hadsell et al. 2006."""

import numpy as np
import pytest
from keras import ops

from speaker_bases.losses import Contrastive, contrastive

from . import equations, problems
from .calculus import built, call

# Of one speaker, of two within the margin, of two beyond it, of one again.
LABELS = np.array([0, 0, 3, 8, 5, 3, 2, 2], "int32")


@pytest.fixture
def pairs():
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(8, 5))
    embeddings[3] = embeddings[2] + rng.normal(size=5) / 10
    embeddings[5] = embeddings[4] + 3
    return embeddings.astype("float32")


@pytest.mark.parametrize("reduction", ["sum", "mean", "sum_over_batch_size"])
def test_equation(check, pairs, reduction):
    layer = built(Contrastive(2.0, reduction), pairs, LABELS)
    divisor = 1 if reduction == "sum" else len(pairs) // 2
    distances = np.linalg.norm(pairs[::2] - pairs[1::2], axis=1)
    assert distances[1] < 2 < distances[2]
    check(
        lambda e: call(layer, [], e, LABELS)[1],
        lambda e: equations.contrastive(e, LABELS, 2.0) / divisor,
        pairs,
    )


def test_function_gives_one_loss_a_pair(pairs):
    losses = ops.convert_to_numpy(contrastive(pairs, LABELS[:, None], margin=2.0))
    for k in range(4):
        own = slice(2 * k, 2 * k + 2)
        expected = equations.contrastive(pairs[own].astype("float64"), LABELS[own], 2.0)
        assert losses[k] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_embeddings_in_one_place(jit):
    """Rows 0 and 1 are zero vectors, of one speaker and of two."""
    for same in (True, False):
        layer = built(Contrastive(), np.zeros((4, 3)), LABELS[:4])
        labels = LABELS[:4] if same else LABELS[1:5]

        def function(e, _, w, layer=layer, labels=labels):
            return call(layer, [], e, labels)[1]

        problems.zero_vectors_give_finite_gradients(function, "embeddings", jit)


def test_half_a_pair_is_refused():
    with pytest.raises(ValueError, match=r"an even number of rows, .*\(3, 2\)"):
        contrastive(np.zeros((3, 2), "float32"), np.zeros(3, "int32"))


@pytest.mark.parametrize(
    ("argument", "value"),
    [("margin", 0), ("margin", "x"), ("reduction", None), ("reduction", "median")],
)
def test_wrong_arguments_are_refused(argument, value):
    problems.is_refused(lambda: Contrastive(**{argument: value}), argument)


def test_configuration_goes_round():
    problems.goes_round(Contrastive(0.5, "mean", trainable=False))
