import math

import jax.numpy as jnp
import mpmath as mp
import numpy as np

import jaxloss
from tests.cases import REALS, SCALES, Case, Limit


def nll(x, t, v, full=False):
    return (mp.log(v) + (x - t) ** 2 / v + (mp.log(2 * mp.pi) if full else 0)) / 2


def grid():
    """Errors and variances of every size whose second derivatives float32 holds, and errors near a deviation."""
    sizes = [1e-12, 1e-6, 1e-3, 0.1, 0.7, 1, 1.5, 3, 40, 1e3, 1e6, 1e12]
    pairs = [(e, v) for e in [0, *sizes, *(-s for s in sizes)] for v in sizes if max(e * e / v, e * e / v**3) < 1e37]
    pairs += [(s * math.sqrt(v) * (1 + d), v) for s in (-1, 1) for v in (*sizes, 1e-18, 1e18) for d in (0, 1e-4, 0.1)]
    errors, variances = np.array(pairs, np.float32).T
    return errors, np.zeros_like(errors), variances


def _case(**options):
    return Case(
        fn=jaxloss.gaussian_nll,
        form=jaxloss.GaussianNLL,
        arrays={"predictions": REALS, "targets": REALS, "variance": SCALES},
        oracle=nll,
        options=options,
        bad_options={"full": ("yes", 1, None)},
        grid=grid,
        value=Limit(scaled=4),
        gradient={"predictions": Limit(strict=2), "variance": Limit(scaled=4)},
        second={"predictions": Limit(scaled=4), "variance": Limit(scaled=4)},
        terms=lambda x, t, v, **_: (mp.log(v) / 2, x * x / v / 2),
        gradient_terms=lambda x, t, v, **_: {"variance": (1 / v, x * x / v**2)},
        second_terms=lambda x, t, v, **_: {
            "predictions": (1 / v, x / v**2),
            "variance": (x / v**2, 1 / v**2, x * x / v**3),
        },
        nonnegative=False,
    )


CASES = [_case(), _case(full=True)]


def test_the_constant_makes_it_a_density():
    t = np.linspace(-30, 40, 20001, dtype=np.float32)
    loss = jaxloss.gaussian_nll(jnp.full_like(t, 3.0), t, variance=jnp.full_like(t, 7.0), full=True)
    np.testing.assert_allclose(jnp.sum(jnp.exp(-loss)) * (t[1] - t[0]), 1, rtol=1e-5)
