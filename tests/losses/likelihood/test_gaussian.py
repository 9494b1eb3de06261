import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests.cases import NEAR, SCALES, Case, Domain, Limit, choice, normal
from tests.compiling import quick

LOG_VARIANCES = Domain(
    normal,
    hard=choice(lambda: [-20, -3, 0, 0.1, 4, 25]),
    ends=(0.0, -40.0, 40.0, -170.0, 170.0),
    extremes=(-170.0, -100.0, -88.0, -66.0, 88.0, 100.0, 170.0),
)
VARIANCE = {"variance": lambda v: v, "log_variance": lambda w: mp.exp(w), "scale": lambda s: s * s}


def nll_of(spread):
    def nll(x, t, given, full=False, beta=0):
        v = VARIANCE[spread](given)
        loss = (mp.log(v) + (x - t) ** 2 / v + (mp.log(2 * mp.pi) if full else 0)) / 2
        # The weight is not differentiated: a step of a derivative is rounded away.
        held = mp.nint(given * 2**70) / 2**70 if spread == "log_variance" else mp.mpf(float(given))
        return loss * VARIANCE[spread](held) ** beta if beta else loss

    return nll


def grid():
    """Errors and variances of every size whose second derivatives float32 holds, and errors near a deviation."""
    sizes = [1e-12, 1e-6, 1e-3, 0.1, 0.7, 1, 1.5, 3, 40, 1e3, 1e6, 1e12]
    pairs = [(e, v) for e in [0, *sizes, *(-s for s in sizes)] for v in sizes if max(e * e / v, e * e / v**3) < 1e37]
    pairs += [(s * math.sqrt(v) * (1 + d), v) for s in (-1, 1) for v in (*sizes, 1e-18, 1e18) for d in (0, 1e-4, 0.1)]
    errors, variances = np.array(pairs, np.float32).T
    return errors, np.zeros_like(errors), variances


def grid_of(spread):
    """The grid of variances, as their logarithms or square roots, as far as their slopes are in range."""
    errors, zeros, variances = grid()
    keep = variances < 1e16
    given = {"log_variance": np.log, "scale": np.sqrt}[spread](variances[keep])
    return lambda: (errors[keep], zeros[keep], np.float32(given))


def _case(spread="variance", **options):
    return Case(
        fn=jaxloss.gaussian_nll,
        form=jaxloss.GaussianNLL,
        arrays={
            "predictions": NEAR,
            "targets": NEAR,
            spread: LOG_VARIANCES if spread == "log_variance" else SCALES,
        },
        oracle=nll_of(spread),
        options=options,
        bad_options={"full": ("yes", 1, None), "beta": (-0.1, 1.5, "half")},
        nonnegative=False,
        name=f"gaussian_nll[{','.join([spread, *(f'{k}={v}' for k, v in options.items())])}]",
        **OF[spread],
    )


OF = {
    "variance": {
        "grid": grid,
        "value": Limit(scaled=4),
        "gradient": {"predictions": Limit(strict=2), "variance": Limit(scaled=4)},
        "second": {"predictions": Limit(scaled=4), "variance": Limit(scaled=4)},
        "terms": lambda x, t, v, **_: (mp.log(v) / 2, x * x / v / 2),
        "gradient_terms": lambda x, t, v, **_: {"variance": (1 / v, x * x / v**2)},
        "second_terms": lambda x, t, v, **_: {
            "predictions": (1 / v, x / v**2),
            "variance": (x / v**2, 1 / v**2, x * x / v**3),
        },
    },
    "log_variance": {
        "grid": grid_of("log_variance"),
        "value": Limit(scaled=4),
        "gradient": {"predictions": Limit(strict=4), "log_variance": Limit(scaled=4)},
        "second": {"predictions": Limit(scaled=4), "log_variance": Limit(scaled=4)},
        "terms": lambda x, t, w, **_: (w / 2, x * x / mp.exp(w) / 2),
        "gradient_terms": lambda x, t, w, **_: {"log_variance": (0.5, x * x / mp.exp(w))},
        "second_terms": lambda x, t, w, **_: {
            "predictions": (1 / mp.exp(w), x / mp.exp(w)),
            "log_variance": (x / mp.exp(w), x * x / mp.exp(w)),
        },
    },
    "scale": {
        "grid": grid_of("scale"),
        "value": Limit(scaled=4),
        "gradient": {"predictions": Limit(strict=3), "scale": Limit(scaled=4)},
        "second": {"predictions": Limit(scaled=4), "scale": Limit(scaled=4)},
        "terms": lambda x, t, s, **_: (mp.log(s), x * x / s**2 / 2),
        "gradient_terms": lambda x, t, s, **_: {"scale": (1 / s, x * x / s**3)},
        "second_terms": lambda x, t, s, **_: {
            "predictions": (1 / s**2, 2 * x / s**3),
            "scale": (2 * x / s**3, 1 / s**2, 3 * x * x / s**4),
        },
    },
}


def _weighed(case):
    """The terms of a row with beta are those of the one without, times the weight."""
    (spread,) = set(case.arrays) & set(VARIANCE)

    def times(terms):
        def weighed(x, t, given, beta, **more):
            weight, found = VARIANCE[spread](given) ** beta, terms(x, t, given, **more)
            if isinstance(found, dict):
                return {name: [weight * abs(v) for v in values] for name, values in found.items()}
            return [weight * abs(v) for v in found]

        return weighed

    raised = {name: times(getattr(case, name)) for name in ("terms", "gradient_terms", "second_terms")}
    # XLA sums what beta weighs in a fusion that takes a constant as an array.
    return replace(case, gradient={name: Limit(scaled=6) for name in case.gradient}, held=3, **raised)


CASES = [
    _case(),
    _case(full=True),
    _case("log_variance"),
    _case("scale", full=True),
    *(_weighed(_case(spread, full=True, beta=0.5)) for spread in VARIANCE),
]


def test_the_constant_makes_it_a_density():
    t = np.linspace(-30, 40, 20001, dtype=np.float32)
    loss = jaxloss.gaussian_nll(jnp.full_like(t, 3.0), t, variance=jnp.full_like(t, 7.0), full=True)
    np.testing.assert_allclose(jnp.sum(jnp.exp(-loss)) * (t[1] - t[0]), 1, rtol=1e-5)


def test_log_variance_and_scale_give_what_the_variance_gives():
    x, t, v = np.float32([0.3, -2]), np.float32([1, 5]), np.float32([0.2, 7])
    for beta in (0, 0.5):
        expected = jaxloss.gaussian_nll(x, t, variance=v, beta=beta)
        for given in ({"log_variance": np.log(v)}, {"scale": np.sqrt(v)}):
            np.testing.assert_allclose(jaxloss.gaussian_nll(x, t, beta=beta, **given), expected, rtol=1e-6)


def test_exactly_one_of_them_is_given():
    x = jnp.zeros(2)
    rule = "gaussian_nll: give exactly one of variance, log_variance, scale, got "
    for given, got in (({}, "none"), ({"variance": 1.0, "scale": 1.0}, "variance and scale")):
        with pytest.raises(ValueError, match=rule + got):
            jaxloss.gaussian_nll(x, x, **given)


def test_the_weight_of_beta_is_not_differentiated():
    """With beta 1 the slope in the mean is that of half the squared error."""
    x, t, v = np.float32([0.3, -2]), np.float32([1, 5]), np.float32([0.2, 7])
    slopes = quick(jax.grad(lambda x, v, beta: jaxloss.gaussian_nll(x, t, variance=v, beta=beta).sum(), (0, 1)))
    (of_x, of_v), (_, plain) = slopes(x, v, 1.0), slopes(x, v, 0.0)
    np.testing.assert_allclose(of_x, x - t, rtol=1e-6)
    np.testing.assert_allclose(of_v, v * plain, rtol=1e-5)
