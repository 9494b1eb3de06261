"""The logistic function, its logarithm and its powers: the pieces of every binary loss from logits."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._forms import form
from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import expm1, log1p, log1p_near
from jaxloss.numerics.guarded import divide, times


@jax.custom_jvp
def sigmoid(x: jax.Array) -> jax.Array:
    r"""$1 / (1 + e^{-x})$, relatively exact in both tails."""
    e = jnp.exp(-jnp.abs(x))
    return jnp.where(x >= 0, jnp.ones_like(x), e) / (1 + e)


@rule(sigmoid)
def _sigmoid_jvp(primals, tangents):
    (x,) = primals
    return sigmoid(x), sigmoid(x) * miss(x) * tangents[0]


def miss(x: jax.Array) -> jax.Array:
    r"""$1 - \sigma(x) = \sigma(-x)$."""
    return sigmoid(-x)


@jax.custom_jvp
def softplus(x: jax.Array) -> jax.Array:
    r"""$\log(1 + e^x)$; minus the log-sigmoid of -x."""
    return jnp.maximum(x, 0) + log1p_near(jnp.exp(-jnp.abs(x)))


@rule(softplus)
def _softplus_jvp(primals, tangents):
    (x,) = primals
    return softplus(x), sigmoid(x) * tangents[0]


def _softplus_of_minus(x: jax.Array) -> jax.Array:
    return softplus(-x)


@form(_softplus_of_minus)
def softplus_minus(x: jax.Array) -> jax.Array:
    r"""$\log(1 + e^{-x})$, minus the log-sigmoid of x, from the logarithm of `softplus`, computed once for both.

    Measured: jaxlib 0.10.2, value and gradient of sigmoid_binary_cross_entropy 16M, the twin takes 1.4 times the CPU
    time and stores 134 MB, the form 67 MB.
    """
    return _softplus_minus(x)


@jax.custom_jvp
def _softplus_minus(x: jax.Array) -> jax.Array:
    return jnp.maximum(-x, 0) + log1p_near(jnp.exp(-jnp.abs(x)))


@rule(_softplus_minus)
def _softplus_minus_jvp(primals, tangents):
    (x,) = primals
    return _softplus_minus(x), -miss(x) * tangents[0]


@jax.custom_jvp
def log1mexp(x: jax.Array) -> jax.Array:
    r"""$\log(1 - e^{-x})$ for $x \ge 0$: the log of the complement of a probability whose negative log is x."""
    # Below log 2 from 1 - e^-x, above it from e^-x, whichever is the smaller (Maechler, 2012).
    return jnp.where(x < 0.6931472, jnp.log(-expm1(-x)), log1p(-jnp.exp(-x)))


@rule(log1mexp)
def _log1mexp_jvp(primals, tangents):
    (x,) = primals
    return log1mexp(x), _inverse_expm1(x) * tangents[0]


@jax.custom_jvp
def _inverse_expm1(x: jax.Array) -> jax.Array:
    r"""$1 / (e^x - 1)$."""
    return 1 / expm1(x)


@rule(_inverse_expm1)
def _inverse_expm1_jvp(primals, tangents):
    (x,) = primals
    value = _inverse_expm1(x)
    # Not by the quotient, whose slope is infinite over infinite where the exponential overflows.
    return value, -value * (1 + value) * tangents[0]


def sigmoid_nll(x: jax.Array, y: jax.Array, positive: jax.Array | None = None) -> jax.Array:
    r"""$-w y \log \sigma(x) - (1 - y) \log \sigma(-x)$ for a label y in [0, 1] and a weight w of the positives."""
    return _sigmoid_nll(x, y) if positive is None else _weighted_sigmoid_nll(x, y, positive)


@jax.custom_jvp
def _sigmoid_nll(x: jax.Array, y: jax.Array) -> jax.Array:
    return times(y, softplus_minus(x)) + times(1 - y, softplus(x))


@rule(_sigmoid_nll)
def _sigmoid_nll_jvp(primals, tangents):
    x, y = primals
    in_x = lambda: (1 - y) * sigmoid(x) - y * miss(x)  # noqa: E731
    return _sigmoid_nll(x, y), tangent(x, (in_x, tangents[0]), (lambda: -_logit_unless_certain(x, y), tangents[1]))


@jax.custom_jvp
def _weighted_sigmoid_nll(x: jax.Array, y: jax.Array, positive: jax.Array) -> jax.Array:
    return times(positive * y, softplus_minus(x)) + times(1 - y, softplus(x))


@rule(_weighted_sigmoid_nll)
def _weighted_sigmoid_nll_jvp(primals, tangents):
    x, y, positive = primals

    def in_x():
        return (1 - y) * sigmoid(x) - positive * y * miss(x)

    def in_y():
        z = _logit_unless_certain(x, y)
        return times(positive, softplus_minus(z)) - softplus(z)

    def in_positive():
        return times(y, softplus_minus(x))

    value = _weighted_sigmoid_nll(x, y, positive)
    return value, tangent(value, (in_x, tangents[0]), (in_y, tangents[1]), (in_positive, tangents[2]))


def _logit_unless_certain(x: jax.Array, y: jax.Array) -> jax.Array:
    """`x`, but 0 where it is infinite and agrees with the label: the slope in the label is then finite."""
    return jnp.where(((x == jnp.inf) & (y == 1)) | ((x == -jnp.inf) & (y == 0)), jnp.zeros_like(x), x)


@jax.custom_jvp
def bernoulli_nll(p: jax.Array, y: jax.Array, positive: jax.Array) -> jax.Array:
    r"""$-w y \log p - (1 - y) \log(1 - p)$ for a probability p, a label y in [0, 1] and a weight w of the positives."""
    return times(positive * y, -jnp.log(p)) + times(1 - y, -log1p(-p))


@rule(bernoulli_nll)
def _bernoulli_nll_jvp(primals, tangents):
    p, y, positive = primals
    value = bernoulli_nll(p, y, positive)

    def in_y():
        # A certain outcome that agrees with its label gets the slope 0, as in `xlogy`.
        certain = ((p == 0) & (y == 0)) | ((p == 1) & (y == 1))
        z = jnp.where(certain, filled(p, 0.5), p)
        return jnp.where(certain, jnp.zeros_like(p), log1p(-z) - times(positive, jnp.log(z)))

    def in_positive():
        return times(y, -jnp.log(p))

    in_p = lambda: _bernoulli_slope(p, y, positive)  # noqa: E731
    return value, tangent(value, (in_p, tangents[0]), (in_y, tangents[1]), (in_positive, tangents[2]))


@jax.custom_jvp
def _bernoulli_slope(p: jax.Array, y: jax.Array, positive: jax.Array) -> jax.Array:
    r"""$(1 - y) / (1 - p) - w y / p$, as one fraction: the two terms of a soft label would cancel near p = y."""
    # A hard label has one of the terms, and one factor in the denominator, so that nothing is 0 / 0.
    one, negative, certain = jnp.ones_like(p), y == 0, y == 1
    soft = (p - y) + (1 - positive) * y * (1 - p)
    numerator = jnp.where(negative, one, jnp.where(certain, -positive, soft))
    return numerator / jnp.where(negative, one, p) / jnp.where(certain, one, 1 - p)


@rule(_bernoulli_slope)
def _bernoulli_slope_jvp(primals, tangents):
    p, y, positive = primals
    value = _bernoulli_slope(p, y, positive)
    inverse, complement = divide(jnp.ones_like(p), p), divide(jnp.ones_like(p), 1 - p)

    def in_p():
        positives = times(positive * y, inverse) * jnp.where(y == 0, jnp.ones_like(p), inverse)
        return positives + times(1 - y, complement) * jnp.where(y == 1, jnp.ones_like(p), complement)

    def in_y():
        return -complement - positive * inverse

    return value, tangent(value, (in_p, tangents[0]), (in_y, tangents[1]), (lambda: -times(y, inverse), tangents[2]))
