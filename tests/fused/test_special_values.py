"""The fused last layer at its special points: certain and impossible classes, one class, nothing that counts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss
from jaxloss import linear_logsumexp_and_target, linear_softmax_cross_entropy
from tests import cases
from tests.compiling import quick
from tests.fused import oracle
from tests.fused.layers import CHUNKED, CLASS_WEIGHTS, CLASSES, MODES, inputs, normal, size
from tests.numerics.branches import on_branch


@pytest.mark.parametrize("branch", ["cpu", "default"])
def test_the_branches_of_each_platform_are_right(branch):
    """The value alone and with its gradients, from the branch for CPUs and from the one for accelerators.

    A bias of minus infinity excludes the first class, which the tokens that fill up the last chunk have for a label,
    and all classes of the last chunks.
    """
    x, w, b, t = inputs((37,))
    live = slice(1, 40)
    b[20], t = 40, np.where((t < 1) | (t >= 40), np.where(t < 0, t, 20), t)  # of probability nearly 1
    given = np.full_like(b, -np.inf)
    given[live] = b[live]

    def loss(mode, x, w, b):
        return linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=size(mode), ignore_index=-100)

    modes = MODES if cases.EVERY else CHUNKED
    both = lambda f, *a: (f(*a), jax.value_and_grad(f, (0, 1, 2))(*a))
    run = quick(lambda *a: {mode: both(partial(loss, mode), *a) for mode in modes})
    answers = on_branch(branch, lambda: run(x, w, given))
    own = x, w[:, live], np.where(t < 0, t, t - 1)
    expected = oracle.loss(*own, bias=b[live], ignore_index=-100)
    of_x, of_w, of_b = oracle.gradient(*own, bias=b[live], ignore_index=-100)
    outside = (1, CLASSES - 40)
    slopes = of_x, np.pad(of_w, [(0, 0), outside]), np.pad(of_b, outside)
    for mode, (value, (also, got)) in answers.items():
        assert oracle.error(value, expected) < 5e-7, mode
        assert oracle.error(also, expected) < 5e-7, mode
        for a, e in zip(got, slopes, strict=True):
            assert oracle.error(a, e) < 5e-7, mode


def test_confident_tokens_keep_their_loss_and_gradient():
    """Logits 40, 0, 0: the loss 2 exp(-40) is lost in log(1 + 2 exp(-40)) - 40 + 40."""
    x, w = np.ones((2, 1), np.float32), np.float32([[40, 0, 0]])
    loss = partial(linear_softmax_cross_entropy, labels=np.zeros(2, np.int32), chunk_size=1)
    run = quick(lambda x, w: {mode: jax.value_and_grad(partial(loss, mode=mode), (0, 1))(x, w) for mode in CHUNKED})
    tiny = 2 * np.exp(-40.0)
    for value, (of_x, of_w) in run(x, w).values():
        assert oracle.error(value, tiny) < 1e-5
        assert oracle.error(of_w, np.array([[-tiny, tiny / 2, tiny / 2]])) < 1e-5
        assert oracle.error(of_x, np.full((2, 1), -20 * tiny)) < 1e-5
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(run(x, 10 * w)))  # a loss of exp(-400) is 0
    for value, (_, of_w) in run(x, -10 * w).values():
        assert oracle.error(value, 400 + np.log(2)) < 5e-7
        assert oracle.error(of_w, np.array([[-1, 0.5, 0.5]])) < 5e-7


def test_confident_tokens_keep_their_curvature_in_reverse_over_reverse_mode():
    """Logits 60, 0, 1: products of a cotangent and an exponential, each as small as the loss, would underflow."""
    x, w, dx, dw = np.float32([[1]]), np.float32([[60, 0, 1]]), np.float32([[1]]), np.float32([[1, -0.5, 2]])

    def curvature(mode, x, w):
        loss = partial(linear_softmax_cross_entropy, labels=np.zeros(1, np.int32), mode=mode, chunk_size=size(mode))
        slopes = jax.grad(loss, (0, 1))
        return jax.grad(lambda *at: sum(jnp.vdot(d, s) for d, s in zip((dx, dw), slopes(*at), strict=True)), (0, 1))(
            x, w
        )

    # The loss is the sum of the other classes' p = exp(-gap x), up to its square.
    gaps, turned = 60 - w[0, 1:].astype(np.float64), dw[0, 0] - dw[0, 1:].astype(np.float64)
    p = np.exp(-gaps)
    change = -p * (gaps + turned)
    of_x, of_others = -(turned * p + gaps * change).sum(), p + change
    run = quick(lambda x, w: {each: curvature(each, x, w) for each in MODES})
    for mode, (got_x, got_w) in run(x, w).items():
        assert oracle.error(got_x, [[of_x]]) < 1e-5, mode
        assert oracle.error(got_w, [[-of_others.sum(), *of_others]]) < 1e-5, mode


def test_confident_tokens_keep_their_curvature():
    def curvature(mode, bias):
        f = lambda b: linear_softmax_cross_entropy(np.zeros((1, 1)), np.zeros((1, 3)), np.array([0]), bias=b, mode=mode)
        return jax.jvp(jax.grad(f), (bias,), (jnp.array([1.0, 0.0, 0.0]),))[1]

    run = quick(lambda bias: {mode: curvature(mode, bias) for mode in MODES})
    for gap in (20.0, 44.0, 60.0, 80.0):
        for mode, got in run(jnp.array([gap, 0.0, 0.0])).items():
            expected = np.exp(-gap) * np.array([2.0, -1.0, -1.0])
            np.testing.assert_allclose(got, expected, rtol=1e-5, err_msg=f"{mode} {gap}")


def test_one_class_and_no_tokens():
    answers = lambda x, w: [
        jax.value_and_grad(partial(linear_softmax_cross_entropy, labels=np.zeros(len(x), np.int32), mode=mode), (0, 1))(
            x, w
        )
        for mode in MODES
    ]
    rng = np.random.default_rng(0)
    one = normal(rng, 4, 3), normal(rng, 3, 1)
    nothing = normal(rng, 0, 3), normal(rng, 3, 5)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(quick(lambda: (answers(*one), answers(*nothing)))()))


@pytest.mark.parametrize("mode", MODES if cases.EVERY else CHUNKED)
def test_tokens_of_no_possible_class_cost_what_they_do_in_the_dense_loss(mode):
    """All logits minus infinity: an infinite loss whose gradient is not nan, and nothing where tokens are masked."""
    x, w, b, t = inputs((11,))  # in chunks of 4, of which the last is filled up
    b, t = np.full_like(b, -np.inf), np.abs(t) % CLASSES

    def fused(x, w, b, **options):
        chunk = None if mode == "dense" else 4
        return linear_softmax_cross_entropy(x, w, t, bias=b, mode=mode, chunk_size=chunk, **options)

    def dense(x, w, b, **options):
        z = jnp.einsum("td,dv->tv", x, w, precision="highest") + b.reshape(1, -1)
        where = options.pop("where", None)
        return jaxloss.SoftmaxCrossEntropyWithIntegerLabels(**options)(z, t, where=where)

    some, none = np.arange(11) % 3 > 0, np.zeros(11, bool)
    weighted = {"label_smoothing": 0.1, "class_weights": CLASS_WEIGHTS}
    sets = [{}, {**weighted, "where": some}]
    if cases.EVERY:
        sets += [{"where": some}, {"where": none}, weighted, {**weighted, "where": none}]

    @quick
    def run(*a):
        pair = linear_logsumexp_and_target(*a[:2], t, bias=a[2], mode=mode, chunk_size=size(mode))
        return pair, [[jax.value_and_grad(partial(f, **o), (0, 1, 2))(*a) for o in sets] for f in (fused, dense)]

    pair, answers = run(x, w, b)
    for options, (got, slopes), (expected, of_dense) in zip(sets, *answers, strict=True):
        assert got == expected == (0 if options.get("where") is none else np.inf)
        for a, e in zip(slopes, of_dense, strict=True):
            assert oracle.error(a, e) < 5e-7
    for answer in pair:
        assert (answer == -np.inf).all()
