"""The cross-entropy from integer labels: every derivative, on every branch, with all digits, sharded and not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxloss
from jaxloss.numerics._shapes import MANY
from tests import cases
from tests.compiling import jit, optimized, quick, sent
from tests.numerics.branches import needs_forms, on_branch

ROWS = 8
WEIGHTS = np.linspace(0.5, 2, MANY).astype(np.float32)
OPTIONS = {
    "plain": {},
    "smoothing": {"label_smoothing": 0.1},
    "all": {"label_smoothing": 0.1, "class_weights": WEIGHTS, "z_loss": 1e-2, "ignore_index": 3},
}


def _rows(seed=0):
    """Logits, one confident row and one with a hopeless class among them; the first and the last class are labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 3, (ROWS, MANY)).astype(np.float32)
    labels = rng.integers(0, MANY, ROWS).astype(np.int32)
    labels[0], labels[1], labels[2] = 0, MANY - 1, 3
    x[4, labels[4]] += 40
    x[5, (labels[5] + 1) % MANY] = -1e4
    return x, labels


def _answers(options, where):
    loss = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(**options)
    x, labels = _rows()
    u, v = np.random.default_rng(2).normal(size=(2, *x.shape)).astype(np.float32)

    def run(x, labels):  # a function of its own, for a compiled one is not compiled anew
        mean = lambda x: loss(x, labels, where=where)
        each = jax.vmap(lambda x, t: jaxloss.softmax_cross_entropy_with_integer_labels(x, t, **options))
        first = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(**options, axis=0)
        answers = {
            "value and gradient": jax.value_and_grad(mean)(x),
            "along a tangent": jax.jvp(mean, (x,), (u,)),
            "reverse over reverse": jax.grad(lambda x: jnp.vdot(jax.grad(mean)(x), u))(x),
            "forward over reverse": jax.jvp(jax.grad(mean), (x,), (v,))[1],
        }
        return (
            answers
            if not cases.EVERY
            else {
                **answers,
                "checkpoint": jax.grad(jax.checkpoint(mean))(x),
                "row by row": jax.grad(lambda x: jnp.vdot(each(x, labels), jnp.arange(1.0, ROWS + 1)))(x),
                "each row's gradient": jax.vmap(jax.grad(lambda x, t: loss(x, t)))(x, labels),
                "classes first": jax.value_and_grad(lambda x: first(x.T, labels, where=where))(x),
            }
        )

    return jax.tree.map(np.asarray, quick(run)(x, labels))


EACH = [("all", True), ("plain", False), ("smoothing", False)]


@pytest.mark.parametrize(("options", "masked"), EACH if cases.EVERY else EACH[:1])
def test_by_index_and_by_comparison_every_derivative_is_the_same(options, masked):
    where = np.arange(ROWS) % 3 > 0 if masked else None
    by_index = _answers(OPTIONS[options], where)
    compared = on_branch("default", lambda: _answers(OPTIONS[options], where))
    for what, expected in compared.items():
        for got, want in zip(jax.tree.leaves(by_index[what]), jax.tree.leaves(expected), strict=True):
            assert np.all(np.isfinite(want)), what
            np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6 * np.abs(want).max(), err_msg=what)


@pytest.mark.parametrize("classes", [5, MANY], ids=["compared", "by index"])
def test_gradients_are_the_textbooks_with_all_digits_of_a_confident_row(classes):
    """Without options to the last digits of a slope of 1e-17, and with all of them."""
    x, labels = _rows()
    x, labels, options = x[:, :classes], labels % classes, {**OPTIONS["all"], "class_weights": WEIGHTS[:classes]}
    loss = lambda x, **o: jaxloss.softmax_cross_entropy_with_integer_labels(x, labels, **o).sum()
    plain, of_all = optimized(lambda x: (jax.grad(loss)(x), jax.grad(lambda x: loss(x, **options))(x)))(x)
    slope, p, lse = _textbook(x, labels)
    if classes == MANY:
        assert abs(slope[4, labels[4]]) < 1e-10
    np.testing.assert_allclose(plain, slope, rtol=2e-6)
    w, s, z = WEIGHTS[:classes].astype(np.float64), 0.1, 1e-2
    expected = (1 - s) * w[labels, None] * slope + s / classes * (w.sum() * p - w) + 2 * z * lse * p
    expected[labels == 3] = 0
    np.testing.assert_allclose(of_all, expected, rtol=2e-6, atol=1e-6)


def _textbook(x, labels):
    """In float64: the cross-entropy's gradient, the probabilities and the log-sum-exp."""
    rows, top = np.arange(len(x)), x.max(-1, keepdims=True).astype(np.float64)
    e = np.exp(x - top)
    total = e.sum(-1, keepdims=True)
    p, others = e / total, e.copy()
    others[rows, labels] = 0
    slope = p.copy()
    slope[rows, labels] = -others.sum(-1) / total[:, 0]
    return slope, p, top + np.log(total)


LAYOUTS = [("data", "model"), (None, ("data", "model")), (("data", "model"), None)]


@pytest.mark.parametrize("kind", [AxisType.Explicit, AxisType.Auto] if cases.EVERY else [AxisType.Explicit])
def test_no_logit_is_sent_where_many_classes_are_sharded(kind):
    x, labels = _rows()
    loss = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(**OPTIONS["all"])
    mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(kind, kind))
    put = lambda x, *spec: jax.device_put(x, NamedSharding(mesh, P(*spec)))
    step = jax.value_and_grad(lambda x, labels: loss(x, labels))
    expected = quick(step)(x, labels)
    for batch, classes in LAYOUTS if cases.EVERY else LAYOUTS[:1]:
        arguments = put(x, batch, classes), put(labels, batch)
        compiled = jit(step).lower(*arguments).compile()
        collectives, largest = sent(compiled)
        assert collectives == {"all-reduce"}
        assert largest <= 2 * ROWS
        for got, want in zip(compiled(*arguments), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6 * np.abs(want).max())


def test_classes_sharded_by_hand_are_found_by_index():
    x, labels = _rows()
    x, labels = np.tile(x, (1, 8)), labels + np.arange(ROWS, dtype=np.int32) * MANY  # each device has MANY of them
    mesh = jax.make_mesh((8,), ("model",), axis_types=(AxisType.Auto,))
    options = {"label_smoothing": 0.1, "z_loss": 1e-2}
    spread = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(**options, vocab_axis_name="model")
    parts = jax.shard_map(lambda x, t: spread(x, t), mesh=mesh, in_specs=(P(None, "model"), P()), out_specs=P())
    whole = jaxloss.SoftmaxCrossEntropyWithIntegerLabels(**options)
    got, want = (quick(jax.value_and_grad(f))(x, labels) for f in (parts, whole))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6 * np.abs(b).max())


@needs_forms
def test_the_label_is_an_index_on_cpu_and_over_many_classes_alone():
    step = optimized(jax.grad(lambda x, t: jaxloss.softmax_cross_entropy_with_integer_labels(x, t).sum()))

    def scatters(classes, platform):
        x, t = jax.ShapeDtypeStruct((4, classes), jnp.float32), jax.ShapeDtypeStruct((4,), jnp.int32)
        return jax.export.export(step, platforms=[platform])(x, t).mlir_module().count('"stablehlo.scatter"(')

    assert scatters(MANY, "cpu") == 1  # the label's exponential is left out
    assert not any(scatters(MANY - 1, p) for p in ("cpu", "tpu", "cuda"))
    assert not any(scatters(MANY, p) for p in ("tpu", "cuda"))


def test_second_derivatives_of_an_unlikely_label_keep_their_digits():
    """It is p (1 - p) everywhere, which the derivative of 1 - p loses where p is near 0."""
    x = jnp.array([0.0, 18.0])
    p = np.exp(-18.0)
    expected = p / (1 + p) ** 2 * np.array([[1, -1], [-1, 1]])
    losses = (
        lambda x: jaxloss.softmax_cross_entropy_with_integer_labels(x, 0),
        lambda x: jaxloss.softmax_cross_entropy(x, jnp.array([1.0, 0.0])),
    )
    orders = (jax.hessian, lambda f: jax.jacrev(jax.jacrev(f)), lambda f: jax.jacfwd(jax.jacfwd(f)))
    for second in quick(lambda x: [order(loss)(x) for loss in losses for order in orders])(x):
        np.testing.assert_allclose(second, expected, rtol=1e-5)
