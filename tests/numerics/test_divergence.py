"""Terms of divergences at the ends of their domain, and where two distributions nearly agree."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from jaxloss.numerics.divergence import (
    generalized_relative_entropy,
    kl_rows,
    relative_entropy,
    relative_entropy_log,
)
from tests import ulp
from tests.compiling import optimized
from tests.numerics.primitives import TINY, End

ENDS = [
    End(relative_entropy, (-np.inf, 0.0), 0, (0, 1)),
    End(relative_entropy_log, (-np.inf, -np.inf), 0, (0, 0)),
    End(generalized_relative_entropy, (0.0, 0.0), 1, (1, np.log(TINY))),
]


@pytest.mark.parametrize("classes", [4, 300])
def test_the_divergence_of_probabilities_that_nearly_agree_keeps_its_digits(classes):
    mp.mp.dps = ulp.DIGITS
    rng = np.random.default_rng(3)
    t = rng.dirichlet(np.ones(classes)).astype(np.float32)
    p = (t * (1 + 1e-4 * rng.normal(size=classes))).astype(np.float32)
    value = optimized(lambda p, t: kl_rows(p, t, (0,)))(p, t)
    truth = mp.fsum(ulp.exact(b) * mp.log(ulp.exact(b) / ulp.exact(a)) for a, b in zip(p, t, strict=True))
    assert abs(ulp.exact(value) - truth) < 1e-6 * abs(truth)


@pytest.mark.parametrize("classes", [4, 300])
def test_an_impossible_outcome_is_infinite_and_an_absent_one_costs_nothing(classes):
    t = np.zeros((2, classes), np.float32)
    t[:, 0] = 1
    log_p = np.full((2, classes), -np.inf, np.float32)
    log_p[0, 0], log_p[1, 1] = 0, 0
    log_t = np.log(t, where=t > 0, out=np.full_like(t, -np.inf))
    for f, targets in ((relative_entropy, t), (relative_entropy_log, log_t)):
        value, slope = optimized(jax.value_and_grad(lambda p, t, f=f: jnp.sum(f(p, t, (1,))[0])))(log_p, targets)
        assert value == 0
        np.testing.assert_array_equal(slope[0], -t[0])
        np.testing.assert_array_equal(optimized(lambda p, t, f=f: f(p, t, (1,)))(log_p, targets), [0, np.inf])


@pytest.mark.parametrize("classes", [4, 300])
def test_a_nan_is_not_hidden_by_a_target_of_zero(classes):
    t = np.eye(classes, dtype=np.float32)[:1]
    log_p = np.full((1, classes), -1, np.float32)
    log_p[0, 2] = np.nan
    log_t = np.log(t, where=t > 0, out=np.full_like(t, -np.inf))
    for f, targets in ((relative_entropy, t), (relative_entropy_log, log_t), (generalized_relative_entropy, t)):
        assert np.isnan(optimized(lambda p, t, f=f: f(p, t, (1,)))(log_p, targets)), f.__name__


def test_a_negative_target_is_nan_also_where_nans_are_looked_for():
    """Nan is an answer there, not an accident: an error shows the row; a plausible number would hide it."""
    log_p, t = jnp.log(jnp.float32([[0.5, 0.5]])), jnp.float32([[1.5, -0.5]])
    for loss in (jaxloss.kl_divergence, jaxloss.generalized_kl_divergence):
        with jax.debug_nans(True), pytest.raises(FloatingPointError):
            loss(log_p, t)
