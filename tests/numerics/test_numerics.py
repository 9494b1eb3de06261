"""Value and slopes of each primitive against arbitrary precision, and its special points."""

from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from jaxloss import numerics
from jaxloss.numerics import elementary, factorial, log_products, log_sum_exp, logistic
from tests import cases, ulp
from tests.compiling import jit, optimized

REALS = np.concatenate([s * 10.0 ** np.arange(-8, 1.6, 0.2) for s in (-1, 1)]).astype(np.float32)
POSITIVE = REALS[REALS > 0]
INSIDE = REALS[REALS > -0.999]
FROM_ONE = np.concatenate([np.arange(1, 40), 10.0 ** np.arange(1.1, 8, 0.3), np.linspace(1, 4, 31)]).astype(np.float32)
COUNTS = np.concatenate([FROM_ONE, np.arange(0, 40), np.linspace(0, 3, 61), POSITIVE]).astype(np.float32)


def _named(name):
    files = (numerics, elementary, factorial, log_products, logistic)
    return next(getattr(file, name) for file in files if hasattr(file, name))


HALF_LOG_2PI = lambda: mp.log(2 * mp.pi) / 2
# primitive, truth, points, limits in strict units in the last place of value and slope (None: not of that kind)
ONE = [
    ("log1p", mp.log1p, INSIDE, 3, 3),
    ("expm1", mp.expm1, REALS, 2, 2),
    ("softplus", lambda x: mp.log1p(mp.exp(x)), REALS, 3, 3),
    ("softplus_minus", lambda x: mp.log1p(mp.exp(-x)), REALS, 3, 3),
    ("sigmoid", lambda x: 1 / (1 + mp.exp(-x)), REALS, 3, 4),
    ("log1mexp", lambda x: mp.log(-mp.expm1(-x)), POSITIVE, 4, 3),
    ("log_cosh", lambda x: mp.log(mp.cosh(x)), REALS, 5, 4),
    ("tanh", mp.tanh, REALS, 3, 6),
    ("xlogx", lambda x: x * mp.log(x), POSITIVE, 3, None),
    ("log_factorial", lambda k: mp.loggamma(k + 1), COUNTS[COUNTS > 1e-6], 6, None),
    ("stirling_error", lambda k: mp.loggamma(k + 1) - (k + 0.5) * mp.log(k) + k - HALF_LOG_2PI(), FROM_ONE, 5, 8),
]  # fmt: skip


@pytest.mark.parametrize(("name", "truth", "points", "value", "slope"), ONE, ids=[row[0] for row in ONE])
def test_a_primitive_of_one_argument(name, truth, points, value, slope):
    """In float32 and in float64, at the same points, whose truth is the slow part."""
    mp.mp.dps = ulp.DIGITS
    f, answers = _named(name), {}
    both = optimized(lambda x: (f(x), jax.vmap(jax.grad(f))(x)))
    answers[np.float32] = jax.tree.map(np.asarray, both(jnp.asarray(points, np.float32)))
    with jax.enable_x64(True):
        answers[np.float64] = jax.tree.map(np.asarray, both(jnp.asarray(points, np.float64)))
    for i, v in enumerate(points):
        true = truth(ulp.exact(v))
        true_slope = None if slope is None else ulp.first(lambda x: truth(x[0]), [ulp.exact(v)], 0)
        for kind, (got, gradient) in answers.items():
            error = ulp.ulps(got[i], true, dtype=kind)
            assert error <= value, f"{name}({v}) is off by {error} units in the last place of {kind}"
            if slope is not None:
                error = ulp.ulps(gradient[i], true_slope, dtype=kind)
                assert error <= slope, f"the slope of {name} at {v} is off by {error} units in the last place of {kind}"


def test_primitives_are_twice_differentiable_in_both_modes():
    x, h = jnp.asarray([1.25, 2.5]), 1e-2

    def orders(f, x):
        modes = [jax.grad(jax.grad(f)), jax.jacfwd(jax.grad(f)), jax.jacfwd(jax.jacfwd(f)), jax.jacrev(jax.jacfwd(f))]
        found = [mode(x) for mode in (modes if cases.EVERY else modes[:2])]
        return found, (jax.grad(f)(x + h) - jax.grad(f)(x - h)) / (2 * h)

    run = jit(lambda x: {row[0]: jax.vmap(lambda x: orders(_named(row[0]), x))(x) for row in ONE})
    for name, (found, numeric) in run(x).items():
        for order in found:
            np.testing.assert_allclose(order, found[0], rtol=1e-6, err_msg=name)
            np.testing.assert_allclose(order, numeric, rtol=2e-3, atol=1e-4, err_msg=name)


TINY = float(np.finfo(np.float32).tiny)
ENDS = [
    ("log1p", (-1.0,), -np.inf, (np.inf,)),
    ("softplus", (-np.inf,), 0, (0,)),
    ("softplus", (np.inf,), np.inf, (1,)),
    ("softplus_minus", (np.inf,), 0, (0,)),
    ("sigmoid", (np.inf,), 1, (0,)),
    ("log1mexp", (0.0,), -np.inf, (np.inf,)),
    ("log1mexp", (np.inf,), 0, (0,)),
    ("log_cosh", (0.0,), 0, (0,)),
    ("log_cosh", (-np.inf,), np.inf, (-1,)),
    ("xlogx", (0.0,), 0, (-np.inf,)),
    ("xlogy", (0.0, 0.0), 0, (0, 0)),
    ("xlogy", (0.0, 2.0), 0, (np.log(np.float32(2)), 0)),
    ("xlogy", (1.0, 0.0), -np.inf, (-np.inf, np.inf)),
    ("xlog1py", (0.0, -1.0), 0, (0, 0)),
    ("xlog1py", (2.0, 0.0), 0, (0, 2)),
    ("times", (0.0, np.inf), 0, (np.inf, 0)),
    ("divide", (0.0, 0.0), 0, (0, 0)),
    ("divide", (3.0, 2.0), 1.5, (0.5, -0.75)),
    ("log_factorial", (0.0,), 0, (-0.57721566,)),
    ("log_factorial", (1.0,), 0, (0.42278434,)),
    ("poisson_log_rate", (-np.inf, 0.0), 0, (0, 0)),
    ("poisson_rate", (0.0, 0.0), 0, (1, 0)),
    ("half_deviance_log_rate", (-np.inf, 0.0), 0, (0, 0)),
    ("half_deviance_log_rate", (-np.inf, 1.0), np.inf, (-1, np.inf)),
    ("half_deviance_rate", (0.0, 0.0), 0, (1, 0)),
    ("half_deviance_rate", (np.inf, 2.0), np.inf, (1, -np.inf)),
    ("half_deviance_log_rate", (np.inf, 2.0), np.inf, (np.inf, -np.inf)),
    ("poisson_rate", (np.inf, 2.0), np.inf, (1, -np.inf)),
    ("poisson_exact_rate", (np.inf, 2.0), np.inf, (1, -np.inf)),
    ("relative_entropy", (-np.inf, 0.0), 0, (0, 1)),
    ("js_term", (0.0, 0.0), 0, (0, 0)),
    ("js_term", (0.5, 0.0), 0.25 * np.log(np.float32(2)), (0.5 * np.log(np.float32(2)), 0.5 * np.log(4 * TINY))),
    ("focal_nll", (0.0, 2.0), 0, (0, 0)),
    ("focal_nll", (0.0, 0.0), 0, (1, 0)),
    ("bernoulli_nll", (0.0, 0.0, 1.0), 0, (1, 0, 0)),
    ("bernoulli_nll", (1.0, 1.0, 1.0), 0, (-1, 0, 0)),
    ("bounded_bernoulli_nll", (0.0, 0.0), 0, (0, 100)),
    ("bounded_bernoulli_nll", (0.0, 1.0), 100, (-1e12, 100)),
    ("bounded_bernoulli_nll", (1.0, 0.25), 75, (0.75e12, -100)),
    ("gaussian_nll", (np.inf, 1.0), np.inf, (np.inf, -np.inf)),
    ("gaussian_nll", (0.0, 1.0), 0, (0, 0.5)),
]


def test_the_closed_ends_of_the_domain():
    """One program of all primitives, as users' programs are compiled."""

    def run(*arguments):
        own = zip(ENDS, arguments, strict=True)
        return [jax.value_and_grad(_named(name), tuple(range(len(s))))(*a) for (name, *_, s), a in own]

    answers = jit(run)(*([jnp.float32(a) for a in end[1]] for end in ENDS))
    for (name, arguments, value, slopes), (got, got_slopes) in zip(ENDS, answers, strict=True):
        what = f"{name}{arguments}"
        np.testing.assert_allclose(got, value, rtol=1e-6, err_msg=what)
        np.testing.assert_allclose(got_slopes, slopes, rtol=1e-6, err_msg=f"slopes of {what}")


def _softmax(x):
    likely, less = log_sum_exp.softmax_parts(x, -1)
    return likely - less


@pytest.mark.parametrize("absent", [0, 256], ids=["few classes", "many classes"])
def test_softmax_and_its_logarithm_to_the_second_derivative(absent):
    flat, tied, even, likely = [0, 0, 0], [5, 5, -1], [1.2, 0.1, 1], [0.3, -2, -1.5]
    confident, without, sure = [30, 0, 1], [0, -np.inf, 1], [7, -np.inf, -np.inf]
    x = np.float32([flat, tied, even, likely, confident, without, sure])
    x = np.pad(x, ((0, 0), (0, absent)), constant_values=-np.inf)
    gaps, own = np.float64(x) - x.max(1, keepdims=True), np.eye(x.shape[1], dtype=bool)
    total = np.exp(gaps).sum(1, keepdims=True)
    p = np.exp(gaps) / total
    complement = np.where(own, 0, p[:, None]).sum(-1)
    log_p = np.where(p > 0.5, np.log1p(-complement * (p > 0.5)), gaps - np.log(total))
    of_softmax = np.where(own, (p * complement)[:, None], -p[:, :, None] * p[:, None])
    of_log = np.where(own, complement[:, None], -p[:, None])
    shares = np.float32([0.5, 0.2, 0.3] + [0] * absent)
    same = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-35)
    crossed = jax.grad(lambda x: -jnp.vdot(shares, numerics.log_softmax(x)))
    functions = [_softmax, numerics.log_softmax]
    bent = [*functions, crossed]

    @optimized
    @jax.vmap
    def run(x):
        return [f(x) for f in functions], [[d(f)(x) for f in bent] for d in (jax.jacfwd, jax.jacrev)]

    values, slopes = run(x)
    same(values[0], p)
    np.testing.assert_allclose(values[1], log_p, rtol=1e-6)
    for got in slopes:
        for answer, expected in zip(got, (of_softmax, of_log, of_softmax), strict=True):
            same(answer, expected)


def test_absent_classes_change_nothing_however_many():
    """Many classes are summed in another way than few."""
    inf = np.inf
    x = np.float32([[inf, 0, 1], [inf, inf, 0], [-inf, -inf, -inf], [3e38, -3e38, 0], [3e-8, 0, -1], [30, 0, 1]])
    absent, shares = ((0, 0), (0, 300)), np.float32([[0.5, 0.2, 0.3]])

    @optimized
    def run(x, shares):
        value, pull_back = jax.vjp(numerics.log_softmax, x)
        return value, pull_back(jnp.broadcast_to(shares, x.shape))[0], _softmax(x)

    few, many = run(x, shares), run(np.pad(x, absent, constant_values=-inf), np.pad(shares, absent))
    np.testing.assert_array_equal(few[0][0], [0, -inf, -inf])
    for of_few, of_many in zip(few, many, strict=True):
        np.testing.assert_allclose(of_many[:, :3], of_few, rtol=1e-6)


def test_the_deviance_does_not_cancel_where_the_rate_is_nearly_the_count():
    mp.mp.dps = ulp.DIGITS
    k = np.float32([1e3, 1e6, 1e8])
    x = (np.log(k.astype(np.float64)) + 3e-4).astype(np.float32)
    got = optimized(numerics.half_deviance_log_rate)(x, k)
    for g, a, b in zip(got, map(ulp.exact, x), map(ulp.exact, k), strict=True):
        assert ulp.ulps(g, mp.exp(a) - b - b * (a - mp.log(b))) < 16


LAYOUTS = "nd,dv->nv", "nd,vd->nv", "nv,dv->nd", "nd,nv->dv", "nd,nv->vd", "nv,nd->vd", "nv,nd->dv"


@pytest.mark.parametrize("sizes", [{"n": 12, "d": 2, "v": 5}, {"n": 3, "d": 7, "v": 5}], ids=["long", "wide"])
def test_a_matrix_product_and_its_transposes_whatever_the_layout(sizes):
    rng = np.random.default_rng(0)
    letters = {axes: axes.replace("->", ",").split(",") for axes in LAYOUTS}
    make = lambda letters: rng.standard_normal([2, *(sizes[a] for a in letters)]).astype(np.float32)
    arrays = {axes: [make(own) for own in of] for axes, of in letters.items()}

    def product(axes, x, y, ct):
        value, transpose = jax.vjp(lambda x, y: numerics.matrix_product(x, y, axes, jnp.float32), x, y)
        return value, *transpose(ct)

    @jit
    def run(arrays):
        one = {axes: product(axes, *(b[0] for b in a)) for axes, a in arrays.items()}
        return one, {axes: jax.vmap(partial(product, axes))(*a) for axes, a in arrays.items()}

    one, many = run(arrays)
    for axes, (x, y, ct) in arrays.items():
        of_x, of_y, of_result = letters[axes]
        factors = (of_x, of_y, of_result, x, y), (of_result, of_y, of_x, ct, y), (of_result, of_x, of_y, ct, x)
        truth = [np.einsum(f"b{a},b{b}->b{c}", p.astype(np.float64), q) for a, b, c, p, q in factors]
        for of_one, of_many, expected in zip(one[axes], many[axes], truth, strict=True):
            np.testing.assert_allclose(of_one, expected[0], rtol=1e-5, atol=1e-5, err_msg=axes)
            np.testing.assert_allclose(of_many, expected, rtol=1e-5, atol=1e-5, err_msg=axes)
