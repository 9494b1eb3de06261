import jax
import mpmath as mp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import CLASSES, Case, Limit
from tests.compiling import jit
from tests.losses.test_cross_entropy import WEIGHTS, one_hot


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


def _case(fn, form, predictions, targets, oracle, grid=None, **more):
    return Case(
        fn=fn,
        form=form,
        predictions=predictions,
        targets=targets,
        oracle=oracle,
        rows=True,
        labels=targets is cases.labels,
        grid=grid,
        **more,
    )


def _log(rows_and_labels):
    rows, labels = rows_and_labels
    return [np.log(row) for row in rows], labels


SPARSE = (jaxloss.sparse_categorical_cross_entropy, jaxloss.SparseCategoricalCrossEntropy)
CATEGORICAL = (jaxloss.categorical_cross_entropy, jaxloss.CategoricalCrossEntropy)
NLL = (jaxloss.nll_loss, jaxloss.NLLLoss)
EXACT = {"value": Limit(strict=3), "gradient": Limit(strict=2), "second": Limit(strict=3)}
LABELS = {"bad_targets": (-1, 99)}
CASES = [
    _case(
        *CATEGORICAL, cases.distribution, cases.distribution, categorical, distributed,
        **EXACT, bad_predictions=(1.2, -0.1),
    ),
    _case(
        *CATEGORICAL, cases.distribution, cases.distribution, categorical,
        kwargs={"label_smoothing": 0.1, "class_weights": WEIGHTS}, name="categorical_cross_entropy[all]",
    ),
    _case(*SPARSE, cases.distribution, cases.labels, sparse, labelled, **EXACT, **LABELS, bad_predictions=(1.2, -0.1)),
    _case(
        *SPARSE, cases.distribution, cases.labels, sparse, **LABELS,
        kwargs={"label_smoothing": 0.1, "class_weights": WEIGHTS}, name="sparse_categorical_cross_entropy[all]",
    ),
    _case(*NLL, cases.log_distribution, cases.labels, nll, lambda: _log(labelled()), **EXACT, **LABELS),
    _case(*SPARSE, cases.distribution, cases.labels, sparse, **LABELS, kwargs={"ignore_index": -100}),
    _case(
        *NLL, cases.log_distribution, cases.labels, nll, **LABELS,
        kwargs={"class_weights": WEIGHTS, "ignore_index": -100}, name="nll_loss[all]",
    ),
]  # fmt: skip


def test_a_certain_prediction():
    p, sparse = np.float32([[1, 0, 0]]), jit(jaxloss.sparse_categorical_cross_entropy)
    value, slope = jit(jax.value_and_grad(lambda p, t: jaxloss.categorical_cross_entropy(p, t)[0]))(p, p)
    assert value == sparse(p, np.array([0]))[0] == 0
    assert sparse(p, np.array([1]))[0] == np.inf
    np.testing.assert_array_equal(slope, [[-1, 0, 0]])


def test_nll_of_log_softmax_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    x, t = cases.normal(rng, (8, CLASSES)), cases.labels(rng, 8)
    of_log = jit(lambda x, t: jaxloss.nll_loss(jaxloss.log_softmax(x), t))(x, t)
    np.testing.assert_allclose(of_log, jit(jaxloss.softmax_cross_entropy_with_integer_labels)(x, t), rtol=1e-6)
