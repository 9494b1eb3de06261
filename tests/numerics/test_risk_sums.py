"""Sums over risk sets and the partial likelihood, beside a matrix of who is at risk when."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.numerics.cohort_order import risk_order
from jaxloss.numerics.risk_sums import partial_nll
from tests.compiling import quick

N = 70


def _drawn(seed):
    rng = np.random.default_rng(seed)
    times = rng.integers(0, 30, N).astype(np.int32)
    return {
        "times": times,
        "events": rng.random(N) < 0.6,
        "counts": rng.random(N) < 0.9,
        "strata": rng.integers(0, 2, N).astype(np.int32),
        "entry": times - rng.integers(1, 20, N).astype(np.int32),
    }


def _by_matrix(x, times, events, counts, strata, entry, averaged):
    """In float64, by place of the samples."""
    alike = (strata[:, None] == strata) & counts
    risk = alike & (times >= times[:, None])
    if entry is not None:
        risk &= entry < times[:, None]
    tied = alike & events & counts & (times == times[:, None])
    e = jnp.exp(x)
    whole, own = (jnp.sum(jnp.where(mask, e, 0), 1) for mask in (risk, tied))
    d = tied.sum(1)
    ranks = np.arange(N)
    asked = ranks < d[:, None]
    shares = ranks / np.maximum(d, 1)[:, None] if averaged else 0
    logs = jnp.where(asked, jnp.log(jnp.where(asked, whole[:, None] - shares * own[:, None], 1)), 0)
    return jnp.where(events & counts, logs.sum(1) / np.maximum(d, 1) - x, 0)


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("entered", [False, True])
def test_values_slopes_and_hessian_products_are_those_of_all_pairs(averaged, entered):
    given = _drawn(1)
    given["entry"] = given["entry"] if entered else None
    rng = np.random.default_rng(2)
    x, along = rng.normal(0, 2, (2, N)).astype(np.float32)
    cotangent = np.float32(rng.uniform(0.5, 2, N))

    def ours(x):
        order = risk_order(**given)
        return jnp.where(
            given["events"] & given["counts"], partial_nll(x[order.sample], order, averaged)[order.place], 0
        )

    def derivatives(f, x, along, cotangent):
        total = lambda x: jnp.vdot(cotangent, f(x))
        gradient, curvature = jax.jvp(jax.grad(total), (x,), (along,))
        return f(x), jax.jvp(f, (x,), (along,))[1], gradient, curvature

    given = {k: v if v is None else jnp.asarray(v) for k, v in given.items()}
    # A sample that is left out has an event no longer.
    given["events"] = given["events"] & given["counts"]
    got = quick(lambda *a: derivatives(ours, *a))(x, along, cotangent)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        wide = [np.float64(a) for a in (x, along, cotangent)]
        plain = {k: v if v is None else np.asarray(v) for k, v in given.items()}
        truth = derivatives(lambda x: _by_matrix(x, **plain, averaged=averaged), *wide)
    for a, b in zip(got, truth, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6 * np.abs(b).max())
