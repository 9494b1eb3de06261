r"""The digamma function, the derivative of $\log \Gamma$, and the trigamma function, the derivative of that.

With $u = 1 / x$, three functions of x are u or $u^2$ times a smooth function of u: the error of Stirling's formula, the
digamma gap $\log x - \psi(x)$, and the trigamma gap $\psi'(x) - 1 / x$. From x = 1 they are polynomials of u in
float32, from x = 10 asymptotic series in float64. Below that, the recurrence of the gamma function leads there.
"""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule
from jaxloss.numerics.elementary import log1p, polynomial

# The polynomials through the Chebyshev points from 0 to 1, as functions of u = 1 / x, of the error of Stirling's
# formula over u, of the digamma gap over u, and of the trigamma gap over u^2. They are exact to 1e-9, 2e-9 and 1e-8,
# and so are their slopes to 4e-8.
STIRLING_OF_INVERSE = [
    0.0833333333833, -9.80082472636e-9, -0.00277748517697, -2.95874201171e-6, 0.00080397533215, 1.79958649498e-5,
    -0.00085410487212, 0.000863197269371, -0.000396724864933, 7.42484786321e-5,
]  # fmt: skip
DIGAMMA_OF_INVERSE = [
    0.499999998983, 0.083333537527, -6.87068536929e-6, -0.00824239589895, -0.000617122019336, 0.00636699544036,
    -0.00544833421374, 0.00217508595214, -0.000330719570495, -1.45109293343e-5,
]  # fmt: skip
TRIGAMMA_OF_INVERSE = [
    0.499999992764, 0.166668123821, -4.97345148079e-5, -0.0326581385787, -0.00475396231975, 0.0432201923079,
    -0.046999229341, 0.0265120823001, -0.0080242594355, 0.0010189987973,
]  # fmt: skip
# Bernoulli's numbers B_2n, n = 1, 2 ...
BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330]


def _interleaved(coefficients: list[float]) -> list[float]:
    """The coefficients of an even function, with those of the odd powers, which are 0."""
    return [c for coefficient in coefficients for c in (coefficient, 0.0)][:-1]


_SERIES = {
    "stirling": _interleaved([b / ((2 * n + 1) * (2 * n + 2)) for n, b in enumerate(BERNOULLI)]),
    "digamma": [0.5, *_interleaved([b / (2 * n + 2) for n, b in enumerate(BERNOULLI)])],
    "trigamma": [0.5, *_interleaved(BERNOULLI)],
}
_POLYNOMIALS = {
    "stirling": STIRLING_OF_INVERSE,
    "digamma": DIGAMMA_OF_INVERSE,
    "trigamma": TRIGAMMA_OF_INVERSE,
}


def of_inverse(name: str, x: jax.Array) -> list[float]:
    """The coefficients of a function of the inverse, for the dtype of x."""
    return (_POLYNOMIALS if x.dtype == jnp.float32 else _SERIES)[name]


def shifted(x: jax.Array) -> tuple[jax.Array, list[jax.Array], jax.Array]:
    """Whether x is below the range of the series, the numbers of the recurrence, and where the series is evaluated.

    The numbers x, x + 1 ... lead to x + n, which is in the range. Their terms count where the first result is True;
    elsewhere the series is evaluated at x itself.
    """
    steps = 1 if x.dtype == jnp.float32 else 10
    small = x < steps
    return small, [x + i if i else x for i in range(steps)], jnp.where(small, x + steps, x)


def where_small(small: jax.Array, terms: list[jax.Array]) -> jax.Array:
    """The sum of the terms of the recurrence, where there are any; the largest, the first, is added last."""
    total = terms[-1]
    for term in reversed(terms[:-1]):
        total = total + term
    return jnp.where(small, total, jnp.zeros_like(total))


@jax.custom_jvp
def digamma(x: jax.Array) -> jax.Array:
    r"""$\psi(x) = \frac{d}{dx} \log \Gamma(x)$ for $x > 0$, to a few units in the last place of 1, 1 / x and log x."""
    small, numbers, reached = shifted(x)
    u = 1 / reached
    series = jnp.log(reached) - u * polynomial(u, of_inverse("digamma", x))
    return series - where_small(small, [1 / y for y in numbers])


@rule(digamma)
def _digamma_jvp(primals, tangents):
    (x,) = primals
    return digamma(x), trigamma(x) * tangents[0]


@jax.custom_jvp
def digamma_gap(x: jax.Array) -> jax.Array:
    r"""$\log x - \psi(x)$ for $x > 0$, near 1 / 2x: relatively exact."""
    small, numbers, reached = shifted(x)
    u = 1 / reached
    # 1 / y - log(1 + 1 / y) is what one step of the recurrence contributes.
    steps = [inverse - log1p(inverse) for inverse in (1 / y for y in numbers)]
    return u * polynomial(u, of_inverse("digamma", x)) + where_small(small, steps)


@rule(digamma_gap)
def _digamma_gap_jvp(primals, tangents):
    (x,) = primals
    return digamma_gap(x), -trigamma_gap(x) * tangents[0]


def trigamma(x: jax.Array) -> jax.Array:
    r"""$\psi'(x)$ for $x > 0$, relatively exact; its derivative is that of the expression."""
    return 1 / x + trigamma_gap(x)


def trigamma_gap(x: jax.Array) -> jax.Array:
    r"""$\psi'(x) - 1 / x$ for $x > 0$, near $1 / 2 x^2$: relatively exact; its derivative is that of the expression."""
    small, numbers, reached = shifted(x)
    u = 1 / reached
    # 1 / y^2 - 1 / y + 1 / (y + 1) is what one step of the recurrence contributes.
    steps = [inverse * (inverse * (1 / (y + 1))) for y, inverse in ((y, 1 / y) for y in numbers)]
    return u * u * polynomial(u, of_inverse("trigamma", x)) + where_small(small, steps)


def weighted_trigamma(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$a \psi'(a + b)$ for a > 0 and b of at least 0, where the square of a may underflow."""
    x = a + b
    small, numbers, reached = shifted(x)
    u = 1 / reached
    # x times the trigamma gap, with the quotients of x and each number that follows it.
    steps = [(x / y) * (1 / (y * (y + 1))) for y in numbers]
    series = ((x * u) * u) * polynomial(u, of_inverse("trigamma", x))
    return (a / x) * (1 + (series + where_small(small, steps)))
