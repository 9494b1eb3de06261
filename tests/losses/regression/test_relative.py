from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import INF, REALS, Case, Domain, Limit
from tests.compiling import quick


def percentage(p, t, epsilon=0):
    return abs(p - t) / max(abs(t), epsilon)


def logarithmic(p, t):
    return (mp.log1p(p) - mp.log1p(t)) ** 2


def around(targets):
    """Targets, and predictions of every size and sign, and beside each target."""
    steps = [1 + s * 10.0**-k for k in (2, 4, 6) for s in (-1, 1)]
    apart = cases.product(cases.reals()[::3], targets)
    near = np.float32([t * s for t in targets for s in steps]), np.repeat(targets, len(steps))
    predictions, targets = (np.concatenate(both) for both in zip(apart, near, strict=True))
    apart = predictions != targets
    return predictions[apart], targets[apart]


def shares():
    """A grid without the kinks, which have tests below; at its last point the square of the target overflows."""
    predictions, targets = around(np.float32([-1e15, -200, -1e-3, 1e-20, 0.02, 3, 1e6, 1e20]))
    return np.append(predictions, np.float32(1e38)), np.append(targets, np.float32(1e20))


def logs():
    targets = np.float32([-0.999, -0.5, 0, 1e-6, 0.7, 30, 1e6, 1e15])
    predictions, targets = around(targets)
    ends = np.float32([(1e30, 0), (3.2e38, 3.3e38), (-0.9999, -0.9998), (-1 + 1e-6, 1e8), (1e8, -1 + 1e-6), (5, 5)])
    predictions, targets = np.append(predictions, ends[:, 0]), np.append(targets, ends[:, 1])
    return predictions[predictions > -1], targets[predictions > -1]


def share_bends(p, t, epsilon=0):
    size = max(abs(t), epsilon)
    return {"predictions": (1 / size**2,), "targets": (2 * abs(p) / size**3, 1 / size**2)}


def log_bends(p, t):
    own, other = 1 / (1 + p), 1 / (1 + t)
    gap = mp.log1p(p) - mp.log1p(t)
    terms = lambda v: (2 * v * v, 2 * gap * v * v, 2 * own * other)
    return {"predictions": terms(own), "targets": terms(other)}


NONZERO = replace(
    REALS,
    draw=lambda rng, shape, sizes: cases.positive(rng, shape) * cases.signs(rng, shape),
    hard=cases.choice(lambda: [-1e4, -1, -1e-6, 1e-3, 0.4, 30]),
    ends=(1e-30, -1e15),
    outside=(0.0,),
)
FROM_MINUS_ONE = Domain(
    cases.positive,
    hard=cases.choice(lambda: [-0.99, -0.5, 0, 1e-6, 0.3, 2, 1e4]),
    ends=(0.0, -1.0, 1e30, INF),
    outside=(-1.5, -INF),
)

CASES = [
    Case(
        fn=jaxloss.absolute_percentage_error,
        form=jaxloss.AbsolutePercentageError,
        arrays={"predictions": REALS, "targets": targets},
        oracle=percentage,
        options=options,
        bad_options={"epsilon": (-1e-3, "small", np.ones(2, np.float32))},
        grid=shares,
        value=Limit(strict=2),
        gradient={"predictions": Limit(strict=2), "targets": Limit(strict=4)},
        second={"predictions": Limit(scaled=4), "targets": Limit(scaled=4)},
        second_terms=share_bends,
    )
    for targets, options in ((NONZERO, {}), (REALS, {"epsilon": 0.75}))
]
CASES += [
    Case(
        fn=jaxloss.squared_log_error,
        form=jaxloss.SquaredLogError,
        arrays={"predictions": FROM_MINUS_ONE, "targets": FROM_MINUS_ONE},
        oracle=logarithmic,
        grid=logs,
        value=Limit(strict=8),
        gradient={"predictions": Limit(strict=8), "targets": Limit(strict=8)},
        second={"predictions": Limit(scaled=8), "targets": Limit(scaled=8)},
        second_terms=log_bends,
    )
]


def _slopes(loss, *arguments):
    return quick(jax.vmap(jax.grad(loss, tuple(range(len(arguments))))))(*map(jnp.float32, arguments))


def test_a_share_of_numbers_whose_difference_overflows():
    x, t = jnp.float32([3e38, -2e38, 5.0, -jnp.inf]), jnp.float32([-3e38, 3e38, jnp.inf, 2.0])
    np.testing.assert_allclose(jaxloss.absolute_percentage_error(x, t), [2, 5 / 3, 1, jnp.inf], rtol=1e-6)
    in_x, in_t = _slopes(jaxloss.absolute_percentage_error, x[2:], t[2:])
    np.testing.assert_array_equal(in_x, [0, -0.5])
    np.testing.assert_array_equal(in_t, [0, -jnp.inf])


def test_the_kinks_of_a_share_have_the_slope_0_where_it_lies_between_those_beside_them():
    loss = lambda x, t: jaxloss.absolute_percentage_error(x, t, epsilon=0.5)
    in_x, in_t = _slopes(loss, [2.0, 0.0, -1.0, 3.0, 0.25], [2.0, 0.0, 0.5, 0.5, 0.5])
    np.testing.assert_array_equal(in_x, [0, 0, -2, 2, -2])
    np.testing.assert_array_equal(in_t, [0, 0, 0, -12, 1])


def test_a_target_of_0_needs_an_epsilon():
    x, t = jnp.float32([1.0, 0.0, 3.0]), jnp.float32([0.0, 0.0, 2.0])
    np.testing.assert_array_equal(jaxloss.absolute_percentage_error(x, t), [jnp.nan, jnp.nan, 0.5])
    np.testing.assert_array_equal(quick(jaxloss.absolute_percentage_error)(x, t, epsilon=0.25), [4, 0, 0.5])
    in_epsilon = jax.grad(lambda e: jaxloss.absolute_percentage_error(x, t, epsilon=e).sum())(0.25)
    assert in_epsilon == -16


def test_the_closed_ends_of_the_logarithmic_error():
    x, t = jnp.float32([-1.0, -1.0, jnp.inf, 1.0]), jnp.float32([-1.0, 2.0, 2.0, jnp.inf])
    np.testing.assert_array_equal(jaxloss.squared_log_error(x, t), [0, jnp.inf, jnp.inf, jnp.inf])
    in_x, in_t = _slopes(jaxloss.squared_log_error, x, t)
    np.testing.assert_array_equal(in_x[:3], [0, -jnp.inf, 0])
    np.testing.assert_array_equal(in_t[0], 0)
    assert in_x[3] == -jnp.inf
    assert in_t[3] == 0


def test_the_logarithmic_error_keeps_its_digits_where_logarithms_agree():
    """The difference of the two logarithms, as the formula stands, is 0 here."""
    x, t = np.float32(1000.0), np.float32(1000.0001)
    assert np.log(1 + x) == np.log(1 + t)
    exact = np.log((1 + np.float64(x)) / (1 + np.float64(t))) ** 2
    np.testing.assert_allclose(jaxloss.squared_log_error(x, t), exact, rtol=1e-6)
