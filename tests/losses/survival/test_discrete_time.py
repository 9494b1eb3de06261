import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxloss
from tests import cases
from tests.cases import LOG_ODDS, Case, Domain, Limit


def softplus(x):
    return mp.log1p(mp.exp(x)) if x < mp.inf else mp.inf


def nll(x, interval, event):
    survived = mp.fsum(softplus(v) for v in x[:interval])
    return survived + softplus(-x[interval] if event else x[interval])


def _interval(rng, shape, sizes):
    return rng.integers(0, sizes["t"], shape).astype(np.int32)


def rows():
    """Log-odds of every size, for each interval, with the event and without."""
    values = cases.logits()
    found = [
        (np.float32(np.roll(values, i)[:6]), interval, event)
        for i in range(len(values))
        for interval in (i % 6,)
        for event in (0, 1)
    ]
    return tuple(zip(*found, strict=True))


INTERVALS = Domain(_interval, outside=(-1, -7, 10**6), differentiable=False)
EVENTS = Domain(
    lambda rng, shape, sizes: rng.integers(0, 2, shape).astype(np.int32), outside=(-1, 2, 10**6), differentiable=False
)
CASES = [
    Case(
        fn=jaxloss.discrete_time_nll,
        form=jaxloss.DiscreteTimeNLL,
        arrays={"logits": LOG_ODDS.over("...t"), "intervals": INTERVALS, "events": EVENTS},
        oracle=lambda x, interval, event: nll(x, int(interval), event),
        grid=rows,
        value=Limit(strict=4),
        gradient=Limit(strict=3),
        second=Limit(strict=4),
    )
]


def test_an_event_in_j_and_to_be_censored_in_j_minus_one_share_what_was_survived():
    x = cases.normal(np.random.default_rng(0), (6,))
    h = np.asarray(jax.nn.sigmoid(x), np.float64)
    for j in range(6):
        event, censored = (jaxloss.discrete_time_nll(x, j, events=flag) for flag in (True, False))
        np.testing.assert_allclose(event, -np.log(1 - h[:j]).sum() - np.log(h[j]), rtol=1e-5)
        np.testing.assert_allclose(censored, -np.log(1 - h[: j + 1]).sum(), rtol=1e-5)


def test_the_events_and_what_is_left_at_the_end_are_all_that_can_happen():
    x = jnp.broadcast_to(cases.normal(np.random.default_rng(1), (6,)), (6, 6))
    events = jaxloss.discrete_time_nll(x, np.arange(6), events=np.ones(6, bool))
    left = jaxloss.discrete_time_nll(x[0], 5, events=0)
    np.testing.assert_allclose(jnp.exp(-events).sum() + jnp.exp(-left), 1, rtol=1e-6)


def test_later_intervals_are_not_looked_at():
    x = np.float32([0.5, -1.0, np.nan, np.inf])
    value, slope = jax.value_and_grad(lambda x: jaxloss.discrete_time_nll(x, 1, events=1))(x)
    np.testing.assert_allclose(value, jaxloss.discrete_time_nll(x[:2], 1, events=1), rtol=1e-6)
    assert not slope[2:].any()


def test_messages_name_intervals():
    for logits in (jnp.zeros((2, 3)), jnp.zeros((2, 0))):
        with pytest.raises(ValueError, match=r"each interval|one interval"):
            jaxloss.discrete_time_nll(logits, jnp.zeros(3, int), events=jnp.zeros(3, int))
