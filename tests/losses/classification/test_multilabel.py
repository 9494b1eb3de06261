from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import BITS, CLASS_WEIGHTS, CLASSES, LOGITS, SOFT_BITS, Case, Domain, Limit
from tests.compiling import optimized, quick
from tests.losses.classification.test_multiclass_margin import SCORES, untied


def soft_margin(x, y, class_weights=None):
    w = [1] * len(x) if class_weights is None else class_weights
    positive, negative = (lambda v: mp.log1p(mp.exp(-v))), (lambda v: mp.log1p(mp.exp(v)))
    terms = zip(x, y, w, strict=True)
    return mp.fsum(
        b * ((m * positive(v) if m else 0) + ((1 - m) * negative(v) if m != 1 else 0)) for v, m, b in terms
    ) / len(x)


def slope_terms(x, y, class_weights=None):
    w = [1] * len(x) if class_weights is None else class_weights
    both = [(m / (1 + mp.exp(v)), (1 - m) / (1 + mp.exp(-v))) for v, m in zip(x, y, strict=True)]
    return [b * max(terms) / len(x) for b, terms in zip(w, both, strict=True)]


def all_soft_margin(x, y, class_weights=1):
    return jnp.mean(class_weights * (y * jax.nn.softplus(-x) + (1 - y) * jax.nn.softplus(x)), -1)


def _until_the_end(labels):
    labels = [int(t) for t in labels]
    return labels[: labels.index(-1)] if -1 in labels else labels


def margin(x, labels):
    found = _until_the_end(labels)
    others = [v for i, v in enumerate(x) if i not in found and v != -mp.inf]
    return mp.fsum(max(0, 1 - x[t] + v) for t in found for v in others) / len(x)


def all_margin(x, labels):
    """Of lists that are full."""
    is_label = jnp.any(jnp.arange(x.shape[-1])[:, None] == labels[..., None, :], -1)
    lacking = 1 - jnp.take_along_axis(x, labels, -1)[..., None] + jnp.where(is_label, -jnp.inf, x)[..., None, :]
    return jnp.sum(jnp.where(lacking > 0, lacking, 0), (-1, -2)) / x.shape[-1]


def lists():
    rng = np.random.default_rng(15)
    rows = [untied(rng, (n,)) for n in (2, 3, 7) for _ in range(16)]
    labels = [rng.choice(len(x), 2, replace=False) for x in rows]
    return rows, [np.array([t[0], -1]) if i % 3 == 0 else t for i, t in enumerate(labels)]


def bits(sizes=(1, 2, 7)):
    rng, rows = np.random.default_rng(16), cases.logit_rows(sizes)
    labels = [rng.integers(0, 2, len(x)) if i % 2 else rng.uniform(size=len(x)) for i, x in enumerate(rows)]
    return rows, [np.where(np.isinf(x), 0, y).astype(np.float32) for x, y in zip(rows, labels, strict=True)]


SOFT = (jaxloss.multilabel_soft_margin_loss, jaxloss.MultilabelSoftMarginLoss)
LISTS = Domain(
    lambda rng, shape, sizes: rng.integers(0, sizes["c"], shape).astype(np.int32),
    "...s",
    ends=(-1,),
    outside=(-7, 10**6),
    differentiable=False,
)


def _soft(labels, grid, **options):
    return Case(
        *SOFT,
        arrays={"logits": LOGITS, "labels": replace(labels, axes="...c", impossible=0.0)},
        oracle=soft_margin,
        formula=all_soft_margin,
        options=options,
        bad_options={**cases.BAD_WEIGHTS, **cases.BAD_AXES},
        grid=grid,
        value=Limit(scaled=4),
        gradient=Limit(scaled=4),
        second=Limit(scaled=8),
        gradient_terms=slope_terms,
        averaged=True,
    )


CASES = [
    _soft(BITS, bits),
    _soft(SOFT_BITS, lambda: bits((CLASSES,)), class_weights=CLASS_WEIGHTS),
    Case(
        fn=jaxloss.multilabel_margin_loss,
        form=jaxloss.MultilabelMarginLoss,
        arrays={"scores": SCORES, "labels": LISTS},
        oracle=margin,
        formula=all_margin,
        bad_options=cases.BAD_AXES,
        grid=lists,
        masks_elements=False,  # where labels are indices the sweeps have one to a row; see below
        value=Limit(scaled=4),
        gradient=Limit(scaled=2),
        second=Limit(scaled=0),
        terms=lambda x, _: [1, *x],
        averaged=True,
    ),
]


def test_lists_end_before_the_first_minus_one():
    x = jnp.array([[0.1, 0.2, 0.4, 0.8]])
    for labels in ([[3, 0, -1, 1]], [[3, 0, -1, 99]], [[3, 0]]):
        np.testing.assert_allclose(jaxloss.multilabel_margin_loss(x, jnp.array(labels)), [0.85], rtol=1e-6)
    assert jaxloss.multilabel_margin_loss(x, jnp.array([[-1, 2]]))[0] == 0
    assert np.isnan(jaxloss.multilabel_margin_loss(x, jnp.array([[2, 4]]))[0])


def test_classes_that_are_left_out_are_in_no_term_and_not_in_the_mean():
    rng = np.random.default_rng(17)
    x, t = cases.normal(rng, (8, 6)), np.int32([[0, 2, -1], [2, 1, 0], [4, -1, 3], [5, 1, -1]] * 2)
    where = np.arange(6) != 2
    where = np.broadcast_to(where, x.shape)

    @quick
    def run(x):
        loss = lambda x: jaxloss.multilabel_margin_loss(x, t, where=where)
        return loss(x), jax.grad(lambda x: loss(x).sum())(x)

    losses, slopes = run(np.where(where, x, np.nan).astype(np.float32))
    few = np.delete(x, 2, 1)
    for i in range(8):
        labels = [s - (s > 2) for s in _until_the_end(t[i]) if s != 2]
        np.testing.assert_allclose(losses[i], float(margin([mp.mpf(float(v)) for v in few[i]], labels)), rtol=1e-5)
    assert np.isfinite(slopes).all()
    assert not slopes[:, 2].any()


@pytest.mark.parametrize("at", [0.0, 1.0])
def test_the_slope_is_0_at_the_kink(at):
    slope = jax.grad(lambda x: jaxloss.multilabel_margin_loss(x, jnp.array([0])))(jnp.array([1.0, 1.0 - at]))
    np.testing.assert_array_equal(slope, [0, 0] if at else [-0.5, 0.5])


def test_no_pairs_of_classes_are_held():
    x, t = jax.ShapeDtypeStruct((64, 4096), jnp.float32), jax.ShapeDtypeStruct((64, 32), jnp.int32)
    for f in (jaxloss.MultilabelMarginLoss(), jax.value_and_grad(jaxloss.MultilabelMarginLoss())):
        assert optimized(f).lower(x, t).compile().memory_analysis().temp_size_in_bytes < 5 * 4 * 64 * 4096


def test_the_soft_margin_is_a_float_where_the_sum_of_its_terms_is_none():
    x = jnp.float32([3e38, 2e38, -1e38])
    np.testing.assert_allclose(jaxloss.multilabel_soft_margin_loss(x, jnp.zeros(3)), 5e38 / 3, rtol=1e-6)


def test_the_soft_margin_is_the_mean_of_binary_cross_entropies():
    rng = np.random.default_rng(18)
    x, y = cases.normal(rng, (8, 5)), cases.bits(rng, (8, 5))
    losses = jaxloss.multilabel_soft_margin_loss(x, y)
    np.testing.assert_allclose(losses, jaxloss.sigmoid_binary_cross_entropy(x, y).mean(-1), rtol=1e-6)
