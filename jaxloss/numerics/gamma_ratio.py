r"""Differences of the gamma function's logarithm and of its derivatives between a and a + b, for a > 0 and $b \ge 0$.

Nothing cancels, neither where b is small against a, nor where a is small against b. For b much smaller than a they are
b times a derivative. With $u = 1 / a$ and $v = 1 / (a + b)$, u - v is b u v, and the difference of two values of a
polynomial is u - v times its divided difference, which is summed beside its value.

In the names, of a function f:

- a *rise* is $f(a + b) - f(a)$, and a *fall* or *drop* is $f(a) - f(a + b)$;
- a *growth* is the number b by which a grows, and the *log growth* is $\log(1 + b / a)$;
- the *excess* of the log growth is $b - a \log(1 + b / a)$ (`growth.py`);
- a *gap* is the difference of a function from its leading term: the digamma gap is $\log x - \psi(x)$, the trigamma gap
  $\psi'(x) - 1 / x$.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._storing import as_minimum
from jaxloss.numerics.elementary import log1p
from jaxloss.numerics.growth import log_growth, log_growth_excess
from jaxloss.numerics.log_ratio import log_ratio
from jaxloss.numerics.polygamma import (
    digamma,
    of_inverse,
    shifted,
    trigamma,
    trigamma_gap,
    weighted_trigamma,
    where_small,
)


@jax.custom_jvp
def log_gamma_difference(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\log \Gamma(a + b) - \log \Gamma(a)$."""
    return _rise(a, b, jnp.log)


@rule(log_gamma_difference)
def _log_gamma_difference_jvp(primals, tangents):
    a, b = primals
    value = log_gamma_difference(a, b)
    return value, tangent(value, (lambda: digamma_difference(a, b), tangents[0]), (lambda: digamma(a + b), tangents[1]))


def log_gamma_rise(a: jax.Array, b: jax.Array, c: jax.Array) -> jax.Array:
    r"""A rise of log-gamma: $\log \frac{\Gamma(a + b)}{\Gamma(a)} - b \log c$. For values, not for slopes."""
    return _rise(a, b, lambda end: log_ratio(end, c))


def _rise(a: jax.Array, b: jax.Array, log: Callable[[jax.Array], jax.Array]) -> jax.Array:
    small, numbers, reached = shifted(a)
    end = reached + b
    # log Gamma is (x - 1/2) log x - x plus a constant plus the error of Stirling's formula, of which the drop is taken.
    rise = b * log(end) - log_growth_excess(b, reached, end) - 0.5 * log_growth(reached, b)
    return (rise - _drop("stirling", reached, b, 1)) - where_small(small, [log_growth(x, b) for x in numbers])


@jax.custom_jvp
def digamma_difference(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\psi(a + b) - \psi(a)$."""
    small, numbers, reached = shifted(a)
    steps = where_small(small, [(b / (x + b)) * (1 / x) for x in numbers])
    return (log_growth(reached, b) + _drop("digamma", reached, b, 1)) + steps


@rule(digamma_difference)
def _digamma_difference_jvp(primals, tangents):
    a, b = primals
    value = digamma_difference(a, b)
    return value, tangent(
        value, (lambda: trigamma_difference(a, b), tangents[0]), (lambda: trigamma(a + b), tangents[1])
    )


def trigamma_difference(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\psi'(a + b) - \psi'(a)$; its derivatives are those of the expression."""
    small, numbers, reached = shifted(a)
    # 1 / x^2 - 1 / y^2 with y = x + b is (b / x y) (1 / x + 1 / y).
    steps = where_small(small, [((b / (x + b)) * (1 / x)) * (1 / x + 1 / (x + b)) for x in numbers])
    series = (b / (reached + b)) * (1 / reached) + _drop("trigamma", reached, b, 2)
    return -(series + steps)


@jax.custom_jvp
def weighted_rise(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$a (\psi(a + b) - \psi(a))$, with a slope in a that is exact where the rise is 1 / a or b / a."""
    return a * digamma_difference(a, b)


@rule(weighted_rise)
def _weighted_rise_jvp(primals, tangents):
    a, b = primals
    value = weighted_rise(a, b)
    return value, tangent(
        value, (lambda: rise_slope(a, b), tangents[0]), (lambda: weighted_trigamma(a, b), tangents[1])
    )


def rise_slope(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""The slope of `weighted_rise` in a, $\psi(a + b) - \psi(a) + a (\psi'(a + b) - \psi'(a))$, uncancelled."""
    # From a = 1 on it is log(1 + b / a) - b / (a + b) and the drops of the gaps. Below, the recurrence leads to a + 1,
    # and its terms 1 / a cancel: they are left out, and -b / (a + b)^2 remains.
    end, above, below = a + b, jnp.maximum(a, 1), jnp.minimum(a, 1)
    leading = log_growth_excess(-b, above + b, above) * (1 / (above + b))
    high = leading + (digamma_gap_drop(above, b) - above * trigamma_gap_drop(above, b))
    low = digamma_difference(below + 1, b) + below * trigamma_difference(below + 1, b)
    return jnp.where(a < 1, low - (b / end) * (1 / end), high)


def weighted_fall(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$a (\psi'(a) - \psi'(a + b))$, where the square of a may underflow."""
    small, numbers, reached = shifted(a)
    steps = [((b / (x + b)) * (a / x)) * (1 / x + 1 / (x + b)) for x in numbers]
    share = a * (1 / reached)
    return share * (b / (reached + b)) + a * _drop("trigamma", reached, b, 2) + where_small(small, steps)


def stirling_drop(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$\delta(a) - \delta(a + b)$ with $\delta$ the error of Stirling's formula. For values, not for slopes.

    Below a = 1 it is exact to a few units in the last place of b / (a + b); in float64 to ten of them, below a = 10.
    """
    small, numbers, reached = shifted(a)
    # One step of the recurrence is (x + 1/2) log(1 + 1 / x) - 1, and this is its drop. Nothing is divided twice: XLA
    # would divide by a product, which may underflow.
    steps = [(x + 0.5) * log1p(_ratio(b, x)) - b * log1p(as_minimum(1 / (x + b), 1e38)) for x in numbers]
    return _drop("stirling", reached, b, 1) + where_small(small, steps)


def _ratio(b: jax.Array, x: jax.Array) -> jax.Array:
    r"""$b / x (x + b + 1)$: by how much 1 + 1 / x is larger than 1 + 1 / (x + b)."""
    return as_minimum((b / (x + b + 1)) * (1 / x), 1e38)


@jax.custom_jvp
def digamma_gap_drop(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$g(a) - g(a + b)$ with the digamma gap $g(x) = \log x - \psi(x)$."""
    small, numbers, reached = shifted(a)
    steps = [(b / (x + b)) * (1 / x) - log1p(_ratio(b, x)) for x in numbers]
    return _drop("digamma", reached, b, 1) + where_small(small, steps)


@rule(digamma_gap_drop)
def _digamma_gap_drop_jvp(primals, tangents):
    a, b = primals
    value = digamma_gap_drop(a, b)
    return value, tangent(
        value, (lambda: -trigamma_gap_drop(a, b), tangents[0]), (lambda: trigamma_gap(a + b), tangents[1])
    )


def trigamma_gap_drop(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$t(a) - t(a + b)$ with the trigamma gap $t(x) = \psi'(x) - 1 / x$; its derivatives are the expression's."""
    small, numbers, reached = shifted(a)
    return _drop("trigamma", reached, b, 2) + where_small(small, [_trigamma_step(x, b) for x in numbers])


def _trigamma_step(x: jax.Array, b: jax.Array) -> jax.Array:
    r"""The drop of $1 / x^2 (x + 1)$ over b, as a sum of positive terms."""
    end = x + b
    inverse, last, share = 1 / x, 1 / end, b / end
    following, following_last = 1 / (x + 1), 1 / (end + 1)
    return following * (inverse * (share * (inverse + last)) + last * (share * following_last))


def _drop(name: str, a: jax.Array, b: jax.Array, power: int) -> jax.Array:
    """The value at 1 / a less that at 1 / (a + b) of a polynomial times this power of its argument."""
    u, v = as_minimum(1 / a, 2), as_minimum(1 / (a + b), 2)
    value = divided = jnp.zeros_like(u)
    for coefficient in reversed([0.0] * power + of_inverse(name, a)):
        divided = divided * v + value
        value = value * u + coefficient
    return (b * v) * (u * divided)
