r"""Half the unit deviance of Tweedie's laws, of variance $\mu^p$, from a log-mean x or from the mean $\mu$ itself.

$$F = \int_y^\mu \frac{m - y}{m^p} \, dm = \frac{y^b}{a b} - \frac{y \mu^a}{a} + \frac{\mu^b}{b}$$

with $a = 1 - p$ and $b = 2 - p$. At p = 1 and p = 2 terms are infinite, but the integral is not. It is computed without
them: near $\mu = y$ as a series in $d = \log(\mu / y)$, elsewhere as a difference of two integrals of powers. For p
below 0 a negative y counts as 0 in its own power; for p = 0 it does not, and F is $(\mu - y)^2 / 2$.

Each function takes first whether x is a log-mean.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import exp_of_product, from_tiny, minus_log
from jaxloss.numerics.guarded import clip_positive_infinity, times
from jaxloss.numerics.log_ratio import log_ratio
from jaxloss.numerics.power_integral import FAR, End, power_gap, power_integral


class _Pair(NamedTuple):
    """A mean and a target, by their ends of the integral."""

    d: jax.Array
    """The difference of their logarithms."""
    mean: End
    target: End
    positive: jax.Array
    """Whether the target is above 0."""
    plain: jax.Array
    """Whether the loss is the squared error, and one of the two has no logarithm."""


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def half_tweedie(logs: bool, x: jax.Array, y: jax.Array, p: jax.Array) -> jax.Array:
    """F."""
    pair = _pair(logs, x, y, p)
    infinite = (x == jnp.inf) & (p <= 2)
    total = jnp.where(infinite, jnp.full_like(x, jnp.inf), _gap(0, pair, y, p))
    mean = jnp.exp(x) if logs else x
    error = jnp.where(pair.plain, mean - y, jnp.zeros_like(x))
    return jnp.where(pair.plain, 0.5 * error * error, total)


@rule(half_tweedie)
def _half_tweedie_jvp(logs, primals, tangents):
    x, y, p = primals
    return half_tweedie(logs, x, y, p), tangent(
        x,
        (lambda: _in_mean(logs, x, y, p), tangents[0]),
        (lambda: -_in_target(logs, x, y, p), tangents[1]),
        (lambda: -_in_power(logs, x, y, p), tangents[2]),
    )


def _pair(logs: bool, x: jax.Array, y: jax.Array, p: jax.Array) -> _Pair:
    one, tiny = jnp.ones_like(x), float(jnp.finfo(x.dtype).tiny)
    positive = y >= tiny
    number = jnp.where(positive, y, tiny * one)
    plain = p == 0
    if logs:
        log, d = x, minus_log(x, number)
        power = lambda c: exp_of_product(c, x)  # noqa: E731
        plain = plain & ~positive
    else:
        mean = jnp.maximum(x, 0)
        some = mean > 0
        log = jnp.where(some, jnp.log(jnp.where(some, mean, one)), -jnp.inf * one)
        d = log_ratio(mean, number)
        power = lambda c: jnp.power(mean, c)  # noqa: E731
        plain = plain & ~(positive & some)
    target = End(jnp.log(number), lambda c: jnp.power(number, c))
    return _Pair(jnp.clip(d, -FAR, FAR), End(jnp.clip(log, -FAR, FAR), power), target, positive, plain)


def _gap(j: int, pair: _Pair, y: jax.Array, p: jax.Array) -> jax.Array:
    r"""$\int_y^\mu (m - y) m^{-p} (\log m)^j \, dm$, which is F for j = 0."""
    a, b = 1 - p, 2 - p
    zero, one = jnp.zeros_like(y), jnp.ones_like(y)
    of_target = lambda _: jnp.where(pair.positive, pair.target.power(b), zero)  # noqa: E731
    near = pair.positive & (jnp.maximum(jnp.abs(a * pair.d), jnp.abs(b * pair.d)) <= 1)
    d, t = jnp.where(near, pair.d, zero), pair.target.log
    sums = [power_gap(i, a, d) for i in range(j + 1)]
    total = sums[0] if j == 0 else t * sums[0] + sums[1]
    total = total if j < 2 else t * (t * sums[0] + 2 * sums[1]) + sums[2]
    # From a target of 0 the integrals begin at minus infinity, and its power is 0.
    d = jnp.where(pair.positive, pair.d, FAR * one)
    target = pair.target._replace(power=of_target)
    weighed = pair.mean._replace(power=lambda c: times(y, pair.mean.power(c)))
    far = power_integral(j, b, d, pair.mean, target) - power_integral(j, a, d, weighed, target)
    return jnp.where(near, of_target(b) * total, far)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _in_power(logs: bool, x: jax.Array, y: jax.Array, p: jax.Array) -> jax.Array:
    """Minus the slope in p."""
    pair = _pair(logs, x, y, p)
    return jnp.where(pair.plain, jnp.zeros_like(x), _gap(1, pair, y, p))


@rule(_in_power)
def _in_power_jvp(logs, primals, tangents):
    x, y, p = primals
    pair = _pair(logs, x, y, p)
    excluded = pair.plain | _both_zero(logs, x, pair)
    some = lambda value: jnp.where(excluded, jnp.zeros_like(x), value)  # noqa: E731
    return _in_power(logs, x, y, p), tangent(
        x,
        (lambda: some(times(_in_mean(logs, x, y, p), pair.mean.log)), tangents[0]),
        (lambda: -some(power_integral(1, 1 - p, pair.d, pair.mean, pair.target)), tangents[1]),
        (lambda: -some(_gap(2, pair, y, p)), tangents[2]),
    )


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _in_target(logs: bool, x: jax.Array, y: jax.Array, p: jax.Array) -> jax.Array:
    r"""$(\mu^a - y^a) / a$, minus the slope in y, which is constant below the smallest normal number."""
    pair = _pair(logs, x, y, p)
    reach = power_integral(0, 1 - p, pair.d, pair.mean, pair.target)
    mean = jnp.exp(x) if logs else x
    return jnp.where(pair.plain, mean - y, jnp.where(_both_zero(logs, x, pair), jnp.zeros_like(x), reach))


def _both_zero(logs: bool, x: jax.Array, pair: _Pair) -> jax.Array:
    """Where the mean is 0 and the target is below the smallest normal number, and counts as 0: slopes are 0 there."""
    return ~pair.positive & (x == (-jnp.inf if logs else 0))


@rule(_in_target)
def _in_target_jvp(logs, primals, tangents):
    x, y, p = primals
    pair = _pair(logs, x, y, p)
    excluded = pair.plain | _both_zero(logs, x, pair)
    in_y = lambda: -jnp.where(pair.positive | pair.plain, from_tiny(y) ** -p, jnp.zeros_like(y))  # noqa: E731
    in_p = lambda: -power_integral(1, 1 - p, pair.d, pair.mean, pair.target)  # noqa: E731
    return _in_target(logs, x, y, p), tangent(
        x,
        (lambda: jnp.where(excluded & ~pair.plain, jnp.zeros_like(x), _mean_power(logs, x, p)), tangents[0]),
        (in_y, tangents[1]),
        (lambda: jnp.where(excluded, jnp.zeros_like(x), in_p()), tangents[2]),
    )


def _mean_power(logs: bool, x: jax.Array, p: jax.Array) -> jax.Array:
    r"""What a change of x adds to the integral of $m^{-p}$."""
    return exp_of_product(1 - p, x) if logs else jnp.power(jnp.maximum(x, 0), -p)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _in_mean(logs: bool, x: jax.Array, y: jax.Array, p: jax.Array) -> jax.Array:
    r"""$\mu^b - y \mu^a$, or $(\mu - y) \mu^{-p}$: the slope in x."""
    power = _mean_power(logs, x, p)
    if logs:
        return exp_of_product(2 - p, x) - times(jnp.where(x == jnp.inf, jnp.zeros_like(y), y), power)
    neither = (x == 0) & (y == 0)
    return jnp.where(neither, jnp.power(jnp.zeros_like(x), 1 - p), times(clip_positive_infinity(x) - y, power))


@rule(_in_mean)
def _in_mean_jvp(logs, primals, tangents):
    x, y, p = primals
    value, power = _in_mean(logs, x, y, p), _mean_power(logs, x, p)

    def in_x():
        if logs:
            return (2 - p) * exp_of_product(2 - p, x) - (1 - p) * times(y, power)
        return times(1 - p, power) + times(p * y, jnp.power(jnp.maximum(x, 0), -p - 1))

    def in_p():
        log = x if logs else jnp.log(jnp.where(x > 0, x, jnp.ones_like(x)))
        return -times(value, log)

    return value, tangent(value, (in_x, tangents[0]), (lambda: -power, tangents[1]), (in_p, tangents[2]))
