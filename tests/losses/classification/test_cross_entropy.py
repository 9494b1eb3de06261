import math
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import CLASS_WEIGHTS, CLASSES, LABELS, LOGITS, MASSES, Case, Limit
from tests.compiling import optimized, quick

WEIGHTS = (0.5, 1.0, 2.0, 0.25, 3.0)


def logsumexp(x):
    top = max(x)
    return top if mp.isinf(top) else top + mp.log(mp.fsum(mp.exp(v - top) for v in x))


def log_softmax(x):
    total = logsumexp(x)
    return [v - total for v in x]


def one_hot(t, n):
    return [mp.mpf(int(i == int(t))) for i in range(n)]


def dense(x, y, label_smoothing=0, class_weights=None, z_loss=0):
    s, n = mp.mpf(label_smoothing), len(x)
    weights = [mp.mpf(1)] * n if class_weights is None else class_weights
    masses = [w * ((1 - s) * v + s / n) for w, v in zip(weights, y, strict=True)]
    nll = mp.fsum(m * -lp for m, lp in zip(masses, log_softmax(x), strict=True) if m)
    return nll + (mp.mpf(z_loss) * logsumexp(x) ** 2 if z_loss else 0)


def integer(x, t, ignore_index=None, **options):
    return dense(x, one_hot(t, len(x)), **options)


def formula(x, y, label_smoothing=0, class_weights=1, z_loss=0, ignore_index=None):
    """The same for whole arrays in float64."""
    if y.ndim < x.ndim:
        y = jnp.float64(jnp.arange(x.shape[-1]) == y[..., None])
    lse = jnp.log(jnp.sum(jnp.exp(x), -1))
    masses = ((1 - label_smoothing) * y + label_smoothing / x.shape[-1]) * class_weights
    return jnp.sum(masses * (lse[..., None] - x), -1) + z_loss * lse**2


def dense_terms(x, y, **_):
    return [abs(v) for v in x if not mp.isinf(v)] + [abs(logsumexp(x))]


def label_grid(widest=np.inf):
    """Rows of logits with a likely label and an unlikely one, no logits farther apart than `widest`."""
    rows, labels = [], []
    for row in cases.logit_rows():
        if np.ptp(row) > widest:
            continue
        for t in {int(np.argmax(row)), int(np.argmin(np.where(np.isinf(row), np.inf, row)))}:
            rows.append(row)
            labels.append(t)
    return rows, labels


def dense_grid():
    rng = np.random.default_rng(2)
    rows, targets = [], []
    for i, row in enumerate(cases.logit_rows()):
        y = np.zeros_like(row)
        y[np.argmax(row)] = 1
        if i % 2:
            y = rng.dirichlet(np.ones(len(row))).astype(np.float32)
        y[np.isinf(row)] = 0
        rows.append(row)
        targets.append(y)
    return rows, targets


DENSE_BAD = {
    **cases.BAD_SMOOTHING, **cases.BAD_WEIGHTS, **cases.BAD_Z_LOSS, **cases.BAD_AXES, **cases.BAD_VOCABULARY
}  # fmt: skip


def _integer(grid=None, name="", **options):
    limits = {"value": Limit(strict=32, scaled=2), "gradient": Limit(strict=32), "second": Limit(scaled=8)}
    return Case(
        fn=jaxloss.softmax_cross_entropy_with_integer_labels,
        form=jaxloss.SoftmaxCrossEntropyWithIntegerLabels,
        arrays={"logits": LOGITS, "labels": LABELS},
        oracle=integer,
        formula=formula,
        options=options,
        bad_options={**DENSE_BAD, **cases.BAD_IGNORE},
        grid=grid,
        terms=lambda x, t, **_: dense_terms(x, t),
        second_terms=lambda x, t, **_: [2 * mp.exp(lp) for lp in log_softmax(x)],
        name=name,
        **(limits if grid else {}),
    )


def _dense(grid=None, name="", **options):
    limits = {"value": Limit(scaled=6), "gradient": Limit(scaled=6), "second": Limit(scaled=8)}
    return Case(
        fn=jaxloss.softmax_cross_entropy,
        form=jaxloss.SoftmaxCrossEntropy,
        arrays={"logits": LOGITS, "labels": replace(MASSES, tolerated=True)},
        oracle=dense,
        formula=formula,
        options=options,
        bad_options=DENSE_BAD,
        grid=grid,
        terms=dense_terms,
        gradient_terms=lambda x, y, **_: (mp.mpf(1),),
        second_terms=lambda x, y, **_: (mp.mpf(1),),
        name=name,
        **(limits if grid else {}),
    )


ALL = {"label_smoothing": 0.1, "class_weights": CLASS_WEIGHTS, "z_loss": 0.01}
CASES = [
    _integer(label_grid),
    _integer(label_smoothing=0.2),
    _integer(class_weights=CLASS_WEIGHTS, name="integer labels[class_weights]"),
    _integer(z_loss=0.01),
    _integer(**ALL, ignore_index=-100, name="integer labels[all]"),
    _dense(dense_grid),
    _dense(**ALL, name="softmax_cross_entropy[all]"),
]


def test_the_largest_of_many_small_probabilities_keeps_its_digits():
    """Its slope is p - y of a p and a y near 1e-4, as everybody else's; 1 - y less 1 - p would lose four digits."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 0.01, (3, 8192)).astype(np.float32), cases.distribution(rng, (3, 8192))
    y[0] = 1 / 8192
    gradient = optimized(jax.grad(lambda x: jaxloss.softmax_cross_entropy(x, y).sum()))(x)
    e = np.exp(x.astype(np.float64))
    p = e / e.sum(-1, keepdims=True)
    mass = y.sum(-1, keepdims=True, dtype=np.float64)
    assert np.abs((gradient - (mass * p - y)) / (p + y)).max() < 1e-5


def test_a_confident_example_keeps_its_loss_and_derivatives():
    """Of logits 0, 40, 0; and p (1 - p) on the diagonal, also for the class whose p is 1 but for 2e-13."""
    labels, dense = jaxloss.softmax_cross_entropy_with_integer_labels, jaxloss.softmax_cross_entropy
    losses = (
        lambda x: labels(x, 1),
        lambda x: dense(x, jnp.array([0.0, 1.0, 0.0])),
        lambda x: -jaxloss.log_softmax(x)[1],
    )
    bent = lambda x: labels(x, 1), lambda x: dense(x, jnp.array([0.2, 0.5, 0.3]))
    run = optimized(lambda x, z: ([jax.value_and_grad(f)(x) for f in losses], [jax.hessian(f)(z) for f in bent]))
    first, second = run(jnp.array([0.0, 40.0, 0.0]), jnp.array([0.0, 30.0, 1.0]))
    for value, slope in first:
        np.testing.assert_allclose(value, 2 * np.exp(-40.0), rtol=1e-6)
        np.testing.assert_allclose(slope, [np.exp(-40.0), -2 * np.exp(-40.0), np.exp(-40.0)], rtol=1e-6)
    rest = np.exp(np.array([-30.0, -29.0])).sum()
    for curvature in second:
        np.testing.assert_allclose(curvature[1], rest * np.array([-1, 1 + np.e, -np.e]) / (1 + np.e), rtol=1e-5)


def test_rows_of_fifty_thousand_classes_keep_their_digits():
    """Summed one by one in float32 uniform targets are off by 2e-4; and a confident label has a loss of 2e-13."""
    rng = np.random.default_rng(0)
    x, t, s = rng.normal(0, 3, (2, 50257)).astype(np.float32), np.array([123, 7]), 0.1
    x[1, 7] += 40
    y = np.full_like(x, 1 / 50257)
    labels, dense = jaxloss.softmax_cross_entropy_with_integer_labels, jaxloss.softmax_cross_entropy
    losses = lambda x: (labels(x, t), dense(x, y), labels(x, t, label_smoothing=s))
    totals = [lambda x, i=i: losses(x)[i].sum() for i in range(3)]
    alone, (values, slopes) = (
        optimized(losses)(x),
        optimized(lambda x: (losses(x), [jax.grad(f)(x) for f in totals]))(x),
    )
    for i in range(2):
        others = np.delete(np.float64(x[i]), t[i])
        rest = math.fsum(np.exp(others - np.float64(x[i, t[i]])))
        for value in (alone[0], values[0]):
            assert abs(value[i] - math.log1p(rest)) <= 32 * np.spacing(np.float32(math.log1p(rest)))
        np.testing.assert_allclose(slopes[0][i, t[i]], -rest / (1 + rest), rtol=2e-6)
    logs = np.float64(x) - x.max(-1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(-1, keepdims=True))
    shares = np.float64(y), (np.arange(50257) == t[:, None]) * (1 - s) + s / 50257
    for i, targets in enumerate(shares, 1):
        for got in (alone[i], values[i]):
            np.testing.assert_allclose(got, -(targets * logs).sum(-1), rtol=1e-6)
        expected = targets.sum(-1, keepdims=True) * np.exp(logs) - targets
        np.testing.assert_allclose(slopes[i], expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_an_impossible_class_has_an_infinite_loss_and_an_absent_or_a_certain_one_none():
    """And a row of minus infinities is infinitely costly, and not nan."""
    none, inf, likely = -np.inf, np.inf, np.log1p(np.exp(-1.0))
    x = np.float32([[0, none, 1], [0, none, 1], [none, none, none], [inf, 0, 0], [inf, 0, 0], [0, none, 1]])
    t = np.array([1, 2, 0, 0, 1, 0])
    y = np.eye(3, dtype=np.float32)[t]
    y[5] = 0, 0.5, 0.5
    both = lambda f: lambda x: (f(x), jax.grad(lambda x: f(x).sum())(x))
    of_labels = both(lambda x: jaxloss.softmax_cross_entropy_with_integer_labels(x, t))
    of_shares = both(lambda x: jaxloss.softmax_cross_entropy(x, y))
    (values, slopes), (same, of_same), logs = quick(lambda x: (of_labels(x), of_shares(x), jaxloss.log_softmax(x)))(x)
    np.testing.assert_allclose(values, [inf, likely, inf, 0, inf, 1 + likely], rtol=1e-6)
    np.testing.assert_allclose(same, [inf, likely, inf, 0, inf, inf], rtol=1e-6)
    np.testing.assert_allclose(slopes[0], [0.26894143, -1, 0.7310586], rtol=1e-6)
    np.testing.assert_array_equal(slopes[2], [-1, 0, 0])
    assert not np.isnan(of_same[1]).any()
    np.testing.assert_array_equal(logs[2], x[2])


def test_masked_classes_agree_between_integer_and_dense_labels():
    """The K of the smoothing are the classes that are left. In the class weights too, in both modes."""
    rng = np.random.default_rng(3)
    x, t = cases.normal(rng, (32, CLASSES)), cases.labels(rng, 32)
    where, one_hots = rng.random((32, CLASSES)) < 0.6, np.eye(CLASSES, dtype=np.float32)[t]
    own = where[np.arange(32), t]
    integer = lambda x, w, **o: jaxloss.softmax_cross_entropy_with_integer_labels(x, t, class_weights=w, **o)
    dense = lambda x, w, **o: jaxloss.softmax_cross_entropy(x, one_hots, class_weights=w, **o)
    of_own = lambda f, **o: lambda *a: jnp.where(own, f(*a, where=where, **o), 0).sum()

    @quick
    def run(*a):
        answers = []
        for options in ({}, {"label_smoothing": 0.1}):
            f, g = of_own(integer, **options), of_own(dense, **options)
            losses = integer(*a, where=where, **options), dense(*a, where=where, **options)
            slopes = [jax.grad(f, (0, 1))(*a), jax.grad(g, (0, 1))(*a)]
            answers.append((losses, slopes, jax.jacfwd(f, 1)(*a)))
        return answers

    for (a, b), ((of_x, of_w), (_, expected)), forward in run(x, jnp.asarray(WEIGHTS)):
        np.testing.assert_allclose(a[own], b[own], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(a[~own], 0)
        np.testing.assert_array_equal(of_x[~where], 0)
        np.testing.assert_allclose(of_w, expected, rtol=1e-5)
        np.testing.assert_allclose(forward, expected, rtol=1e-5)


def test_ignored_labels_are_inert_even_over_nan_logits():
    x = jnp.array([[1.0, 2.0], [jnp.nan, jnp.nan], [0.0, 0.0]])
    t = jnp.array([0, -100, 1])
    loss = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(ignore_index=-100)
    value, slope = quick(jax.value_and_grad(loss))(x, t)
    np.testing.assert_allclose(value, (np.log1p(np.e) + np.log(2)) / 2, rtol=1e-6)
    assert (slope[1] == 0).all()
    assert jnp.isfinite(slope).all()


def test_smooth_labels_is_optax_on_every_row():
    y = np.eye(4, dtype=np.float32)
    np.testing.assert_allclose(jaxloss.smooth_labels(y, 0.2), 0.8 * y + 0.05, rtol=1e-6)
    where = np.array([True, True, False, True])[None].repeat(4, 0)
    got = jaxloss.smooth_labels(y, 0.3, where=where)
    np.testing.assert_allclose(got[0], [0.8, 0.1, 0, 0.1], rtol=1e-6)


LABELLED = {
    "cross-entropy": (
        jaxloss.SoftmaxCrossEntropyWithIntegerLabels,
        {"label_smoothing": 0.1, "class_weights": WEIGHTS, "z_loss": 0.01},
    ),
    "focal": (jaxloss.SoftmaxFocalLoss, {"alpha": WEIGHTS, "gamma": 1.5}),
    "smoothed focal": (jaxloss.SoftmaxFocalLoss, {"alpha": WEIGHTS, "gamma": 1.5, "label_smoothing": 0.1}),
    "probabilities": (jaxloss.SparseCategoricalCrossEntropy, {"label_smoothing": 0.1, "class_weights": WEIGHTS}),
    "log-probabilities": (jaxloss.NLLLoss, {"class_weights": WEIGHTS}),
}
DISTRIBUTED = {
    "cross-entropy": (
        jaxloss.SoftmaxCrossEntropy,
        {"label_smoothing": 0.1, "class_weights": WEIGHTS, "z_loss": 0.01},
    ),
    "focal": (jaxloss.SoftmaxFocalLoss, {"alpha": WEIGHTS, "gamma": 1.5, "label_smoothing": 0.1}),
    "probabilities": (jaxloss.CategoricalCrossEntropy, {"label_smoothing": 0.1, "class_weights": WEIGHTS}),
}


def _predictions(form, x):
    if form in (jaxloss.SparseCategoricalCrossEntropy, jaxloss.CategoricalCrossEntropy):
        return np.asarray(jax.nn.softmax(x))
    return np.asarray(jax.nn.log_softmax(x)) if form is jaxloss.NLLLoss else x


def _numbers(options):
    return {name: np.float32(value) for name, value in options.items()}


def _answers(form, x, targets, options, where=None, after=None, cotangent=1.0):
    """The losses and their gradients in the predictions, in distributions, and in every option."""
    labels = jnp.issubdtype(targets.dtype, jnp.integer)

    def total(x, y, options):
        losses = form.fn(x, targets if labels else y, where=where, **options)
        losses = losses if after is None else jnp.where(after, losses, 0)
        return (losses * cotangent).sum(), losses

    return jax.value_and_grad(total, (0, 1, 2), has_aux=True)(x, 0.0 if labels else targets, options)


def _agree(got, expected, **tolerances):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, **{"rtol": 1e-5, "atol": 1e-6, **tolerances})


@pytest.mark.parametrize("loss", LABELLED if cases.EVERY else ["cross-entropy", "smoothed focal"])
def test_a_padded_label_masked_after_the_loss_has_no_gradient_whatever_its_row_holds(loss):
    form, options = LABELLED[loss]
    rng = np.random.default_rng(0)
    x, t, after = cases.normal(rng, (6, CLASSES)), cases.labels(rng, 6), np.array([1, 0, 1, 0, 0, 1], bool)
    run, kept = (
        quick(partial(_answers, form, where=where, after=mask)) for where, mask in ((None, after), (after, None))
    )
    expected = kept(_predictions(form, x), t, _numbers(options))
    for filling in (0.0, np.nan, np.inf, -np.inf):
        padded, labels = _predictions(form, x).copy(), t.copy()
        padded[~after] = filling or padded[~after]
        labels[~after] = -1, -100, CLASSES
        _agree(run(padded, labels, _numbers(options)), expected)


def test_probabilities_that_are_nan_are_nan_with_gradient_0():
    rng = np.random.default_rng(0)
    p, after = cases.distribution(rng, (3, CLASSES)), np.array([True, False, True])
    rows = (
        (*LABELLED["probabilities"], np.array([1, 0, 2])),
        (
            *DISTRIBUTED["probabilities"],
            cases.distribution(rng, (3, CLASSES)),
        ),
    )

    @quick
    def run(p, after):
        return [_answers(form, p, targets, _numbers(options), after=after) for form, options, targets in rows]

    kept = quick(lambda p: [_answers(form, p, t, _numbers(options), where=after) for form, options, t in rows])(p)
    p[1, 0] = np.nan
    _agree(run(p, after), kept)
    for (_, losses), _ in run(p, np.ones(3, bool)):
        np.testing.assert_array_equal(np.isnan(losses), ~after)


BOTH = [*LABELLED, *(f"dense {name}" for name in DISTRIBUTED)]


@pytest.mark.parametrize("loss", BOTH if cases.EVERY else ["cross-entropy", "dense cross-entropy"])
def test_an_impossible_class_has_finite_gradients_for_any_cotangent(loss):
    """In the logits it is -inf; in the targets, the weights or the mask it is absent."""
    form, options = LABELLED[loss] if loss in LABELLED else DISTRIBUTED[loss.removeprefix("dense ")]
    rng = np.random.default_rng(0)
    x, numbers = cases.normal(rng, (4, CLASSES)), _numbers(options)
    x[:, 2] = -np.inf
    x, t = _predictions(form, x), np.array([0, 1, 3, 4])
    targets = t if loss in LABELLED else np.eye(CLASSES, dtype=np.float32)[t]
    off = {**numbers, **({"label_smoothing": np.float32(0)} if "label_smoothing" in numbers else {})}
    without = {name: value * (np.arange(CLASSES) != 2) if value.ndim else value for name, value in numbers.items()}
    without = {name: np.float32(value) for name, value in without.items()}
    of_it = np.full(4, 2) if loss in LABELLED else np.eye(CLASSES, dtype=np.float32)[[2, 2, 2, 2]]
    where = np.broadcast_to(np.arange(CLASSES) != 2, x.shape)

    @quick
    def run(cotangent):
        every = {"cotangent": cotangent}
        return (
            _answers(form, x, targets, off, **every)[1],
            _answers(form, x, targets, numbers, where=where, **every)[1],
            _answers(form, x, of_it, without, **every)[1],
        )

    one = run(1.0)
    for cotangent in (3.0, 1024.0):
        expected = jax.tree.map(lambda g, c=cotangent: g * c, one)
        _agree(run(cotangent), expected, atol=1e-6 * cotangent)


def test_the_entropy_bonus_of_masked_actions_is_finite():
    z, k = np.float32([[1, -np.inf, 0.5]]), 128.0
    bonus = lambda z: (k * jaxloss.softmax_cross_entropy(z, jax.nn.softmax(z))).sum()
    p = np.exp([1, 0.5]) / np.exp([1, 0.5]).sum()
    slope = -p * (np.log(p) - (p * np.log(p)).sum())
    np.testing.assert_allclose(quick(jax.grad(bonus))(z), [[k * slope[0], 0, k * slope[1]]], rtol=1e-5)


def test_a_masked_row_of_log_softmax_and_of_smoothed_labels_is_masked_in_all_its_elements():
    x, rows = np.zeros((3, 3), np.float32), np.array([True, True, False])
    np.testing.assert_array_equal(jaxloss.log_softmax(x, where=rows)[2], [-np.inf] * 3)
    np.testing.assert_array_equal(jaxloss.smooth_labels(np.eye(3, dtype=np.float32), 0.3, where=rows)[2], [0] * 3)
    slope = jax.grad(lambda x: jnp.where(rows[:, None], jaxloss.log_softmax(x, where=rows), 0)[:, 0].sum())(x)
    np.testing.assert_allclose(slope, [[2 / 3, -1 / 3, -1 / 3]] * 2 + [[0] * 3], rtol=1e-6)


def test_a_loss_is_finite_as_far_as_its_numbers_are():
    dense, labels = jaxloss.softmax_cross_entropy, jaxloss.softmax_cross_entropy_with_integer_labels
    pairs = [
        (lambda x: dense(x, jnp.float32([1, 0])), [0, 1e19], 1e19),
        (lambda x: dense(x, jnp.float32([1, 0])), [0, 3e38], 3e38),
        (lambda x: dense(x, jnp.float32([0.25, 0])), [-3e38, 3e38], 1.5e38),
        (lambda x: dense(x, jnp.float32([1, 0]), label_smoothing=0.1), [0, -1e30], 5e28),
        (lambda x: labels(x, 0, label_smoothing=0.1), [0, -1e30], 5e28),
        (lambda x: dense(x, jnp.float32([1e-30, 1])), [-np.inf, 0], np.inf),
        (lambda x: dense(x, jnp.float32([1, 1e-30])), [np.inf, 0], np.inf),
        (lambda x: labels(x, 0, label_smoothing=0.1), [np.inf, 3.4e38], np.inf),
        (lambda x: jaxloss.kl_divergence(x, jnp.float32([0.5, 0.5])), [0, -1e30], 5e29),
        (lambda x: jaxloss.kl_divergence(x, jnp.float32([1, 1e-30])), [0, -np.inf], np.inf),
        (lambda x: jaxloss.kl_divergence_with_log_targets(x, jnp.log(jnp.float32([0.5, 0.5]))), [0, -1e30], 5e29),
    ]
    run = lambda *inputs: [loss(x) for (loss, _, _), x in zip(pairs, inputs, strict=True)]
    for how in (optimized, lambda f: f) if cases.EVERY else (optimized,):
        answers = how(run)(*(np.float32(x) for _, x, _ in pairs))
        np.testing.assert_allclose(answers, [expected for *_, expected in pairs], rtol=1e-6)


@pytest.mark.parametrize("classes", [3, 300])
def test_a_value_at_infinite_logits_is_the_same_with_and_without_its_gradient(classes):
    numbers = [-np.inf, -3e38, 0, 3e38, np.inf]
    x = np.full((125, classes), -1, np.float32)
    x[:, :3] = np.stack(np.meshgrid(numbers, numbers, numbers), -1).reshape(-1, 3)
    t = np.zeros(125, int)
    y = np.eye(classes, dtype=np.float32)[t]
    losses = {
        "labels": lambda x: jaxloss.softmax_cross_entropy_with_integer_labels(x, t),
        "smoothed": lambda x: jaxloss.softmax_cross_entropy_with_integer_labels(x, t, label_smoothing=0.1),
        "dense": lambda x: jaxloss.softmax_cross_entropy(x, y),
        "log_softmax": lambda x: -jaxloss.log_softmax(x)[:, 0],
    }
    of_sum = lambda loss: lambda x: (lambda values: (values.sum(), values))(loss(x))
    values = optimized(lambda x: {name: loss(x) for name, loss in losses.items()})(x)
    beside = optimized(lambda x: {name: jax.grad(of_sum(loss), has_aux=True)(x) for name, loss in losses.items()})(x)
    for name, (_, got) in beside.items():
        np.testing.assert_allclose(got, values[name], rtol=1e-6, err_msg=name)
    assert not np.isnan(values["labels"]).any()
    np.testing.assert_allclose(values["dense"], values["labels"], rtol=1e-6)
    np.testing.assert_allclose(values["log_softmax"], values["labels"], rtol=1e-6)
    tied = (x[:, 0] == np.inf) & (x[:, 1] == np.inf) & (x[:, 2] < np.inf)
    np.testing.assert_allclose(values["labels"][tied], np.log(2), rtol=1e-6)


def test_the_aux_result_is_the_log_partition_function_and_the_z_loss():
    rng = np.random.default_rng(0)
    x, t, y = cases.normal(rng, (4, CLASSES)), cases.labels(rng, 4), cases.distribution(rng, (4, CLASSES))
    where, lse = np.array([1, 0, 1, 1], bool), np.log(np.exp(np.float64(x)).sum(-1))
    for loss, targets in (
        (jaxloss.softmax_cross_entropy_with_integer_labels, t),
        (jaxloss.softmax_cross_entropy, y),
    ):
        with_aux = partial(loss, where=where, z_loss=0.5, return_aux=True)
        plain = partial(loss, where=where, z_loss=0.5)
        none = partial(loss, return_aux=True)
        (losses, aux), expected, (_, off) = quick(lambda *a: (with_aux(*a), plain(*a), none(*a)))(x, targets)
        np.testing.assert_array_equal(losses, expected)
        assert isinstance(aux, jaxloss.SoftmaxAux)
        np.testing.assert_allclose(aux.lse, where * lse, rtol=1e-5)
        np.testing.assert_allclose(aux.z_loss, where * 0.5 * lse**2, rtol=1e-5)
        assert not off.z_loss.any()
