from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import CLASS_WEIGHTS, CLASSES, LABELS, LOGITS, MASSES, Case, Limit
from tests.compiling import optimized, quick


def untied(rng, shape, sizes=cases.SIZES):
    """Rows of any spread and offset in which no two scores are equal, and none is exactly a margin above another."""
    rows = int(np.prod(shape[:-1]))
    steps = np.array([rng.permutation(shape[-1]) for _ in range(rows)]).reshape(shape)
    scale = 10.0 ** rng.uniform(-1, 2, (*shape[:-1], 1))
    offset = rng.choice([0.0, 0.0, -777.0, 300.0], (*shape[:-1], 1))
    return (offset + scale * (steps + rng.uniform(0.1, 0.4, shape))).astype(np.float32)


SCORES = replace(LOGITS, hard=untied)
# Of soft labels over many classes 1 - y is 1 in float32, and classes are tied that are not in truth.
ONE_HOT = replace(MASSES, draw=cases.one_hot, tolerated=True)


def multiclass_hinge(x, t, margin=1, ignore_index=None):
    others = [v for j, v in enumerate(x) if j != int(t) and v != -mp.inf]
    return max([mp.mpf(0), *(margin + v - x[int(t)] for v in others)])


def perceptron(x, t, ignore_index=None):
    return multiclass_hinge(x, t, 0)


def multi_margin(x, t, p=1, margin=1, class_weights=None, ignore_index=None):
    own = x[int(t)]
    terms = [max(0, margin - own + v) ** p for j, v in enumerate(x) if j != int(t) and v != -mp.inf]
    return (1 if class_weights is None else class_weights[int(t)]) * mp.fsum(terms) / len(x)


def categorical_hinge(x, y):
    own = mp.fsum(v * m for v, m in zip(x, y, strict=True) if m)
    return max(0, 1 + max((1 - m) * v if m != 1 else 0 for v, m in zip(x, y, strict=True)) - own)


def _split(x, t):
    """The label's score, and the others', in which it is minus infinity."""
    own = jnp.arange(x.shape[-1]) == t[..., None]
    return jnp.sum(jnp.where(own, x, 0), -1), jnp.where(own, -jnp.inf, x)


def all_hinge(x, t, margin=1.0, ignore_index=None):
    own, others = _split(x, t)
    highest = jnp.max(others, -1)
    return jnp.where(margin + highest > own, margin + highest - own, 0)


def all_multi_margin(x, t, p=1, margin=1.0, class_weights=None, ignore_index=None):
    own, others = _split(x, t)
    terms = margin - own[..., None] + others
    terms = jnp.where(terms > 0, terms, 0) ** p
    return (1 if class_weights is None else class_weights[t]) * terms.sum(-1) / x.shape[-1]


def all_categorical(x, y):
    own, highest = jnp.sum(x * y, -1), jnp.max((1 - y) * x, -1)
    return jnp.where(1 + highest > own, 1 + highest - own, 0)


def rows(sizes=(1, 2, 3, 7)):
    rng = np.random.default_rng(3)
    return [untied(rng, (n,)) for n in sizes for _ in range(24)]


def labelled(sizes=(1, 2, 3, 7)):
    rng = np.random.default_rng(4)
    return rows(sizes), [int(rng.integers(len(row))) for row in rows(sizes)]


def distributed():
    rng = np.random.default_rng(5)
    soft = [cases.distribution(rng, (len(row),)) for row in rows()]
    return rows(), [cases.one_hot(rng, (len(y),)) if i % 3 == 0 else y for i, y in enumerate(soft)]


BAD = {**cases.BAD_AXES, **cases.BAD_IGNORE}


def _case(fn, form, oracle, formula, arrays=None, grid=labelled, bad=BAD, **options):
    return Case(
        fn=fn,
        form=form,
        arrays=arrays or {"scores": SCORES, "labels": LABELS},
        oracle=oracle,
        formula=formula,
        options=options,
        bad_options=bad,
        grid=grid,
        value=Limit(scaled=2),
        gradient=Limit(scaled=2),
        second=Limit(scaled=4),
        terms=lambda x, *_, margin=1, p=1, **__: [margin**p, *(v**p for v in x)],
        averaged=fn is jaxloss.multi_margin_loss,
    )


MARGIN_BAD = {
    "p": (0, 3, 1.0, "two"),
    "margin": ("wide", np.nan, np.ones(2, np.float32)),
    **cases.BAD_WEIGHTS,
    **BAD,
}
MULTI = (jaxloss.multi_margin_loss, jaxloss.MultiMarginLoss, multi_margin, all_multi_margin)
CASES = [
    _case(jaxloss.multiclass_hinge_loss, jaxloss.MulticlassHingeLoss, multiclass_hinge, all_hinge),
    _case(jaxloss.multiclass_hinge_loss, jaxloss.MulticlassHingeLoss, multiclass_hinge, all_hinge, ignore_index=-100),
    _case(
        jaxloss.multiclass_perceptron_loss,
        jaxloss.MulticlassPerceptronLoss,
        perceptron,
        lambda x, t, **_: all_hinge(x, t, 0.0),
        ignore_index=-100,
    ),
    _case(*MULTI, bad=MARGIN_BAD),
    _case(
        *MULTI,
        grid=lambda: labelled((CLASSES,)),
        bad=MARGIN_BAD,
        p=2,
        margin=0.75,
        class_weights=CLASS_WEIGHTS,
        ignore_index=-100,
    ),
    _case(
        jaxloss.categorical_hinge_loss,
        jaxloss.CategoricalHingeLoss,
        categorical_hinge,
        all_categorical,
        # Beyond, the oracle's steps in a label would cross the kink.
        {"scores": replace(SCORES, extremes=(2.4e19, -1e20)), "labels": ONE_HOT},
        distributed,
        cases.BAD_AXES,
    ),
]


def _slope(fn, x, t):
    return jax.grad(lambda x: fn(x, t).sum())(jnp.asarray(x))


def test_at_the_kink_the_slope_is_0():
    x, t, one_hot = np.float32([[2, 1, -3]]), np.array([0]), np.eye(3, dtype=np.float32)[:1]
    assert not _slope(jaxloss.multiclass_hinge_loss, x, t).any()
    assert not _slope(jaxloss.multiclass_perceptron_loss, 0 * x, t).any()
    assert not _slope(jaxloss.multi_margin_loss, x, t).any()
    assert not _slope(jaxloss.categorical_hinge_loss, x, one_hot).any()


def test_classes_that_are_tied_share_the_slope():
    x = np.float32([[0.5, 1, 1, -2]])
    for fn in (jaxloss.multiclass_hinge_loss, jaxloss.multiclass_perceptron_loss):
        np.testing.assert_array_equal(_slope(fn, x, np.array([0])), [[-1, 0.5, 0.5, 0]])
    y = np.eye(4, dtype=np.float32)[:1]
    np.testing.assert_array_equal(_slope(jaxloss.categorical_hinge_loss, x, y), [[-1, 0.5, 0.5, 0]])


@pytest.mark.parametrize("fn", [jaxloss.multiclass_hinge_loss, jaxloss.multiclass_perceptron_loss])
def test_a_row_without_another_class_costs_nothing(fn):
    inf = jnp.inf
    for row in ([1.0], [1.0, -inf, -inf], [-inf, -inf]):
        x, t = jnp.array([row]), jnp.array([0])
        assert fn(x, t)[0] == 0
        assert not _slope(fn, x, t).any()
    assert fn(jnp.array([[-inf, 0.0]]), jnp.array([0]))[0] == inf


@pytest.mark.parametrize("p", [1, 2])
def test_absent_classes_lack_nothing_and_an_impossible_label_everything(p):
    inf, fn = jnp.inf, lambda x, t: jaxloss.multi_margin_loss(x, t, p=p)
    x = jnp.array([[1.0, -inf, 0.5], [1.0, -inf, -inf], [-inf, 0.0, 0.0]])
    np.testing.assert_allclose(fn(x, jnp.array([0, 0, 0])), [0.5**p / 3, 0, inf], rtol=1e-6)
    np.testing.assert_array_equal(np.isfinite(_slope(fn, x, jnp.array([0, 0, 0]))), True)


def test_nothing_of_the_size_of_the_scores_is_held_but_the_gradient():
    """Beside it which classes are tied, a quarter of its size."""
    x, t = jax.ShapeDtypeStruct((512, 8000), jnp.float32), jax.ShapeDtypeStruct((512,), jnp.int32)
    held = lambda f: optimized(f).lower(x, t).compile().memory_analysis().temp_size_in_bytes / (4 * 512 * 8000)
    for form in (jaxloss.MulticlassHingeLoss(), jaxloss.MulticlassPerceptronLoss(), jaxloss.MultiMarginLoss()):
        assert held(form) < 0.02
    for form in (jaxloss.MulticlassHingeLoss(), jaxloss.MulticlassPerceptronLoss()):
        assert held(jax.value_and_grad(form)) < 0.27


def test_the_categorical_hinge_of_one_hot_labels_is_the_multiclass_hinge_above_0():
    rng = np.random.default_rng(0)
    x, t = np.abs(cases.normal(rng, (16, CLASSES))), cases.labels(rng, 16)
    losses = quick(lambda x, t: jaxloss.categorical_hinge_loss(x, jax.nn.one_hot(t, CLASSES)))(x, t)
    np.testing.assert_allclose(losses, quick(jaxloss.multiclass_hinge_loss)(x, t), rtol=1e-6)


def test_a_masked_row_is_in_no_slope_of_the_margin():
    """Eagerly too, where no compiler takes a product with 0 out."""
    x, where = jnp.array([[1.0, 2.0], [jnp.inf, jnp.inf], [jnp.nan, 0.0]]), jnp.array([True, False, False])
    loss = lambda m: jaxloss.MultiMarginLoss(p=2, margin=m)(x, jnp.array([0, 0, 0]), where=where)
    assert jax.grad(loss)(1.0) == 2
