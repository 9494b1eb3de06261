from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import CLASS_WEIGHTS, CLASSES, DISTRIBUTIONS, LABELS, LOG_DISTRIBUTIONS, MASSES, Case, Limit
from tests.compiling import quick
from tests.losses.classification.test_cross_entropy import one_hot


def categorical(p, y, label_smoothing=0, class_weights=None):
    s, n = mp.mpf(label_smoothing), len(p)
    weights = [mp.mpf(1)] * n if class_weights is None else class_weights
    masses = [w * ((1 - s) * v + s / n) for w, v in zip(weights, y, strict=True)]
    return -mp.fsum(m * mp.log(v) for m, v in zip(masses, p, strict=True) if m)


def sparse(p, t, ignore_index=None, **kwargs):
    return categorical(p, one_hot(t, len(p)), **kwargs)


def nll(lp, t, class_weights=None, ignore_index=None):
    return -(1 if class_weights is None else class_weights[int(t)]) * lp[int(t)]


def probability_rows():
    rng = np.random.default_rng(5)
    rows = []
    for n in (2, 3, 7):
        for alpha in (0.02, 0.3, 5.0):
            rows += [np.maximum(rng.dirichlet([alpha] * n), 1e-18).astype(np.float32) for _ in range(8)]
    return rows


def labelled():
    rows = [row for row in probability_rows() for _ in range(2)]
    return rows, [int(np.argmax(row)) if i % 2 else int(np.argmin(row)) for i, row in enumerate(rows)]


def distributed():
    rng = np.random.default_rng(6)
    rows = probability_rows()
    return rows, [rng.dirichlet(np.ones(len(row))).astype(np.float32) for row in rows]


def formula(p, y, label_smoothing=0, class_weights=1, ignore_index=None):
    """The same for whole arrays in float64."""
    if y.ndim < p.ndim:
        y = jnp.float64(jnp.arange(p.shape[-1]) == y[..., None])
    masses = ((1 - label_smoothing) * y + label_smoothing / p.shape[-1]) * class_weights
    return -jnp.sum(jax.scipy.special.xlogy(masses, p), -1)


def _case(fn, form, oracle, of_all, arrays, grid=None, name="", **options):
    bad = {**cases.BAD_WEIGHTS, **cases.BAD_AXES}
    bad |= {} if fn is jaxloss.nll_loss else cases.BAD_SMOOTHING
    bad |= {} if fn is jaxloss.categorical_cross_entropy else cases.BAD_IGNORE
    limits = {"value": Limit(strict=3), "gradient": Limit(strict=2), "second": Limit(strict=3)} if grid else {}
    return Case(
        fn=fn,
        form=form,
        arrays=arrays,
        oracle=oracle,
        formula=of_all,
        options=options,
        bad_options=bad,
        grid=grid,
        name=name,
        **limits,
    )


def _log(rows_and_labels):
    rows, labels = rows_and_labels
    return [np.log(row) for row in rows], labels


def of_logs(lp, t, class_weights=1, ignore_index=None):
    return formula(jnp.exp(lp), t, 0, class_weights)


SPARSE = (
    jaxloss.sparse_categorical_cross_entropy,
    jaxloss.SparseCategoricalCrossEntropy,
    sparse,
    formula,
    {"probabilities": DISTRIBUTIONS, "labels": LABELS},
)
CATEGORICAL = (
    jaxloss.categorical_cross_entropy,
    jaxloss.CategoricalCrossEntropy,
    categorical,
    formula,
    {"probabilities": DISTRIBUTIONS, "labels": replace(MASSES, tolerated=True)},
)
NLL = (jaxloss.nll_loss, jaxloss.NLLLoss, nll, of_logs, {"log_probabilities": LOG_DISTRIBUTIONS, "labels": LABELS})
SMOOTH = {"label_smoothing": 0.1, "class_weights": CLASS_WEIGHTS}
CASES = [
    _case(*CATEGORICAL, distributed),
    _case(*CATEGORICAL, **SMOOTH, name="categorical_cross_entropy[all]"),
    _case(*SPARSE, labelled),
    _case(*SPARSE, ignore_index=-100),
    _case(*SPARSE, **SMOOTH, ignore_index=-100, name="sparse_categorical_cross_entropy[all]"),
    _case(*NLL, lambda: _log(labelled())),
    _case(*NLL, class_weights=CLASS_WEIGHTS, ignore_index=-100, name="nll_loss[all]"),
]


def test_a_certain_prediction():
    p, sparse = np.float32([[1, 0, 0]]), quick(jaxloss.sparse_categorical_cross_entropy)
    value, slope = quick(jax.value_and_grad(lambda p, t: jaxloss.categorical_cross_entropy(p, t)[0]))(p, p)
    assert value == sparse(p, np.array([0]))[0] == 0
    assert sparse(p, np.array([1]))[0] == np.inf
    np.testing.assert_array_equal(slope, [[-1, 0, 0]])


def test_nll_of_log_softmax_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    x, t = cases.normal(rng, (8, CLASSES)), cases.labels(rng, 8)
    of_log = quick(lambda x, t: jaxloss.nll_loss(jaxloss.log_softmax(x), t))(x, t)
    np.testing.assert_allclose(of_log, quick(jaxloss.softmax_cross_entropy_with_integer_labels)(x, t), rtol=1e-6)


def test_an_infinite_curvature_at_a_label_that_is_nearly_impossible_stays_with_it():
    """Infinity times the zeros of a Hessian was nan."""
    p = jnp.float32([1e-30, 1.0])
    of_label = lambda p: jaxloss.sparse_categorical_cross_entropy(p, jnp.array(0))
    of_masses = lambda p: jaxloss.categorical_cross_entropy(p, jnp.array([0.25, 0.75]))
    for loss, last in ((of_label, 0), (of_masses, 0.75)):
        for hessian in (jax.hessian(loss), jax.jacrev(jax.grad(loss))):
            np.testing.assert_array_equal(quick(hessian)(p), [[np.inf, 0], [0, last]])
