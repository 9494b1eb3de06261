import importlib.util
from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import PartitionSpec as P

import jaxloss
from tests import cases
from tests.cases import Case, Domain
from tests.compiling import quick
from tests.losses.embedding.test_cosine import VECTORS, similarity
from tests.random_calls import few
from tests.refusing import refused

MARGIN = mp.mpf("0.4")


def circle(x, y, references, groups, gamma=80, margin=MARGIN):
    s = [similarity(x, r) for r in references]
    plus = lambda v: max(v, mp.mpf(0))
    of_negatives = mp.fsum(
        mp.exp(gamma * plus(v + margin) * (v - margin)) for v, g in zip(s, groups, strict=True) if g != y
    )
    of_positives = mp.fsum(
        mp.exp(-gamma * plus(1 + margin - v) * (v - 1 + margin)) for v, g in zip(s, groups, strict=True) if g == y
    )
    return mp.log1p(of_negatives * of_positives)


def formula(x, y, references, groups, gamma=80.0, margin=0.4):
    unit = lambda v: v / jnp.sqrt(jnp.sum(v * v, -1, keepdims=True))
    s = unit(x) @ unit(references).T
    alike = y[..., None] == groups
    positives = jnp.exp(-gamma * jnp.maximum(1 + margin - s, 0) * (s - 1 + margin))
    negatives = jnp.exp(gamma * jnp.maximum(s + margin, 0) * (s - margin))
    sums = [jnp.sum(jnp.where(mask, e, 0), -1) for mask, e in ((~alike, negatives), (alike, positives))]
    return jnp.log1p(sums[0] * sums[1])


REFERENCES = Domain(cases.normal, "td")
GROUPS = Domain(lambda rng, shape, sizes: (np.arange(*shape) % 3).astype(np.int32), "t", differentiable=False)
OWN = Domain(lambda rng, shape, sizes: rng.integers(0, 3, shape).astype(np.int32), differentiable=False)
CASES = [
    Case(
        fn=jaxloss.circle_loss,
        form=jaxloss.CircleLoss,
        arrays={
            "embeddings": replace(VECTORS, hard=None).over("...d"),
            "labels": OWN,
            "reference_embeddings": REFERENCES,
            "reference_labels": GROUPS,
        },
        oracle=circle,
        formula=formula,
        options={"gamma": 6.0, "margin": 0.3},
        bad_options={
            "gamma": (-1.0, "sharp", np.ones(2, np.float32)),
            "margin": (-0.1, 1.5, "wide", np.ones(2, np.float32)),
            "batch_axis_name": ("nowhere", ("nowhere", "else")),
        },
        noise=1.0,
    )
]


def _batch(seed, n=9):
    rng = np.random.default_rng(seed)
    return cases.normal(rng, (n, 4)), rng.integers(0, 3, n).astype(np.int32)


def test_a_batch_is_its_own_reference_and_no_embedding_a_positive_of_itself():
    x, labels = _batch(0)
    loss = quick(jaxloss.circle_loss)
    losses = loss(x, labels)
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        alone = loss(x[i], labels[i], reference_embeddings=x[others], reference_labels=labels[others])
        np.testing.assert_allclose(losses[i], alone, rtol=1e-5)


def test_an_anchor_without_a_positive_or_without_a_negative_does_not_count():
    x, _ = _batch(1, 4)
    lonely = np.int32([0, 0, 0, 1])
    both = lambda x, labels: (jaxloss.circle_loss(x, labels, gamma=4.0), jaxloss.CircleLoss(gamma=4.0)(x, labels))
    losses, mean = quick(both)(x, lonely)
    assert losses[3] == 0
    np.testing.assert_allclose(mean, losses[:3].mean(), rtol=1e-6)
    value, slope = quick(jax.value_and_grad(lambda x: jaxloss.CircleLoss()(x, np.zeros(4, np.int32))))(x)
    assert value == 0
    assert not slope.any()


def test_masked_embeddings_are_neither_anchors_nor_references():
    x, labels = _batch(2)
    where = np.arange(9) % 4 != 1
    loss = quick(jaxloss.circle_loss)
    losses = loss(np.where(where[:, None], x, np.nan), labels, where=where)
    np.testing.assert_allclose(losses[where], loss(x[where], labels[where]), rtol=1e-6)
    assert not losses[~where].any()


def test_a_batch_over_devices_is_one_batch():
    x, labels = _batch(3, 16)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    loss = jaxloss.CircleLoss(gamma=5.0)
    own = loss.replace(batch_axis_name="data", axis_name="data")
    on_mesh = jax.shard_map(own, mesh=mesh, in_specs=(P("data"), P("data")), out_specs=P())
    got, expected = (quick(jax.value_and_grad(f))(x, labels) for f in (on_mesh, loss))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), got, expected)


def test_a_negative_at_the_kink_of_its_weight_has_slope_zero():
    x, anchors = jnp.float32([[1.0, 0.0]]), jnp.float32([[0.0, 1.0], [1.0, 0.0]])
    loss = lambda x: jaxloss.circle_loss(
        x, np.int32([0]), reference_embeddings=anchors, reference_labels=np.int32([1, 0]), margin=0.0
    ).sum()
    np.testing.assert_array_equal(jax.grad(loss)(x), [[0.0, 0.0]])


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="keras is not installed")
def test_the_answers_are_keras_of_embeddings_of_length_one():
    """Keras takes the products as they are; anchors without a positive or a negative have loss 0 there too."""
    import keras

    @few
    @given(st.integers(0, 2**31), st.booleans(), st.sampled_from([2.0, 16.0]), st.sampled_from([0.0, 0.25, 0.4]))
    def check(seed, referred, gamma, margin):
        x, labels = _batch(seed)
        others = _batch(seed + 1) if referred else (None, None)
        unit = lambda x: x / jnp.linalg.norm(x, axis=-1, keepdims=True)
        ours = lambda x: jaxloss.circle_loss(
            x, labels, reference_embeddings=others[0], reference_labels=others[1], gamma=gamma, margin=margin
        )
        known = {"ref_embeddings": unit(others[0]), "ref_labels": others[1]} if referred else {}
        theirs = lambda x: keras.losses.circle(
            labels, unit(x), remove_diagonal=not referred, gamma=gamma, margin=margin, **known
        )
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            both = [(f(x), jax.grad(lambda x, f=f: f(x).sum())(x)) for f in (ours, theirs)]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), *both)

    check()


def test_references_need_labels_and_are_those_of_all_devices():
    x, labels = _batch(4)
    for options in (
        {"reference_embeddings": x},
        {"reference_labels": labels},
        {"reference_embeddings": x[:, :2], "reference_labels": labels},
        {"reference_embeddings": x, "reference_labels": labels, "batch_axis_name": "data"},
    ):
        refused(lambda options=options: jaxloss.circle_loss(x, labels, **options), "circle_loss")
