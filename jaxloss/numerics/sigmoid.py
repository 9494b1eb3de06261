"""The logistic function, its logarithm and its powers: the pieces of every binary loss from logits."""

import jax
import jax.numpy as jnp

from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics.elementary import expm1, log1p, log1p_near
from jaxloss.numerics.guarded import divide, times


@jax.custom_jvp
def sigmoid(x: jax.Array) -> jax.Array:
    r"""$1 / (1 + e^{-x})$, relatively exact in both tails."""
    e = jnp.exp(-jnp.abs(x))
    return jnp.where(x >= 0, jnp.ones_like(x), e) / (1 + e)


@rule(sigmoid)
def _(primals, tangents):
    (x,) = primals
    return sigmoid(x), sigmoid(x) * miss(x) * tangents[0]


# Not `sigmoid(-x)` and `softplus(-x)`: XLA would compute the exponential and the logarithm of each once more.
@jax.custom_jvp
def miss(x: jax.Array) -> jax.Array:
    r"""$1 - \sigma(x) = \sigma(-x)$, relatively exact in both tails."""
    e = jnp.exp(-jnp.abs(x))
    return jnp.where(x >= 0, e, jnp.ones_like(x)) / (1 + e)


@rule(miss)
def _(primals, tangents):
    (x,) = primals
    return miss(x), -sigmoid(x) * miss(x) * tangents[0]


@jax.custom_jvp
def softplus(x: jax.Array) -> jax.Array:
    r"""$\log(1 + e^x)$; minus the log-sigmoid of -x."""
    return jnp.maximum(x, 0) + log1p_near(jnp.exp(-jnp.abs(x)))


@rule(softplus)
def _(primals, tangents):
    (x,) = primals
    return softplus(x), sigmoid(x) * tangents[0]


@jax.custom_jvp
def softplus_minus(x: jax.Array) -> jax.Array:
    r"""$\log(1 + e^{-x})$; minus the log-sigmoid of x."""
    return jnp.maximum(-x, 0) + log1p_near(jnp.exp(-jnp.abs(x)))


@rule(softplus_minus)
def _(primals, tangents):
    (x,) = primals
    return softplus_minus(x), -miss(x) * tangents[0]


def log_sigmoid(x: jax.Array) -> jax.Array:
    r"""$\log \sigma(x) = -\log(1 + e^{-x})$."""
    return -softplus_minus(x)


@jax.custom_jvp
def log1mexp(x: jax.Array) -> jax.Array:
    r"""$\log(1 - e^{-x})$ for $x \ge 0$: the log-probability of what a negative log-probability x leaves over."""
    # Maechler (2012): the larger of the two complements is the one to form.
    return jnp.where(x < 0.6931472, jnp.log(-expm1(-x)), log1p(-jnp.exp(-x)))


@rule(log1mexp)
def _(primals, tangents):
    (x,) = primals
    return log1mexp(x), tangents[0] / expm1(x)


def sigmoid_nll(x: jax.Array, y: jax.Array, positive: jax.Array | None = None) -> jax.Array:
    r"""$-w y \log \sigma(x) - (1 - y) \log \sigma(-x)$ for a label y in [0, 1] and a weight w of the positives."""
    if positive is None:
        return _sigmoid_nll(x, y)
    return times(positive * y, softplus_minus(x)) + times(1 - y, softplus(x))


@jax.custom_jvp
def _sigmoid_nll(x: jax.Array, y: jax.Array) -> jax.Array:
    return times(y, softplus_minus(x)) + times(1 - y, softplus(x))


@rule(_sigmoid_nll)
def _(primals, tangents):
    x, y = primals
    in_x = lambda: (1 - y) * sigmoid(x) - y * miss(x)  # noqa: E731
    return _sigmoid_nll(x, y), tangent(x, (in_x, tangents[0]), (lambda: -x, tangents[1]))


@jax.custom_jvp
def miss_power(x: jax.Array, y: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma$ with $q = y \sigma(-x) + (1 - y) \sigma(x)$, what logit x gives to the other label than y.

    Its slopes are written in the logarithmic derivative of q, which stays bounded where q and its powers underflow.
    """
    return jnp.power(_miss(x, y), gamma)


@rule(miss_power)
def _(primals, tangents):
    x, y, gamma = primals
    value = miss_power(x, y, gamma)

    def in_x():
        return gamma * value * _log_miss_slope(x, y)

    def in_y():
        return gamma * jnp.power(_miss(x, y), gamma - 1) * (miss(x) - sigmoid(x))

    def in_gamma():
        return times(value, jnp.log(_miss(x, y)))

    return value, tangent(value, (in_x, tangents[0]), (in_y, tangents[1]), (in_gamma, tangents[2]))


def _miss(x: jax.Array, y: jax.Array) -> jax.Array:
    return y * miss(x) + (1 - y) * sigmoid(x)


@jax.custom_jvp
def _log_miss_slope(x: jax.Array, y: jax.Array) -> jax.Array:
    r"""$\partial_x \log q = (1 - 2 y) \sigma(x) \sigma(-x) / q$."""
    return _log_miss_slope_of_x(x, y)


def _scaled_miss(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The smaller of the two sigmas over the larger, q over the larger, and whether that is the former to the digit."""
    right = x >= 0
    e = jnp.exp(jnp.where(right, -x, x))
    doubt = jnp.where(right, y, 1 - y)  # the label's share on the side that the logit favours
    certain = doubt == 1
    return e, doubt * e + jnp.where(certain, jnp.zeros_like(e), 1 - doubt), certain


def _log_miss_slope_of_x(x: jax.Array, y: jax.Array) -> jax.Array:
    e, q, certain = _scaled_miss(x, y)
    return (1 - 2 * y) * jnp.where(certain, 1 / (1 + e), e / (jnp.where(certain, jnp.ones_like(q), q) * (1 + e)))


@rule(_log_miss_slope)
def _(primals, tangents):
    x, y = primals
    in_x = lambda: jax.jvp(lambda x: _log_miss_slope_of_x(x, y), (x,), (jnp.ones_like(x),))[1]  # noqa: E731

    def in_y():
        # - sigma(x) sigma(-x) / q^2, finite, since it meets powers of q that underflow.
        e, q, certain = _scaled_miss(x, y)
        ratio = jnp.where(certain, 1 / e, e / jnp.square(jnp.where(certain, jnp.ones_like(q), q)))
        return -jnp.minimum(ratio, float(jnp.finfo(x.dtype).max))

    return _log_miss_slope(x, y), tangent(x, (in_x, tangents[0]), (in_y, tangents[1]))


@jax.custom_jvp
def bernoulli_nll(p: jax.Array, y: jax.Array, positive: jax.Array) -> jax.Array:
    r"""$-w y \log p - (1 - y) \log(1 - p)$ for a probability p, a label y in [0, 1] and a weight w of the positives."""
    return times(positive * y, -jnp.log(p)) + times(1 - y, -log1p(-p))


@rule(bernoulli_nll)
def _(primals, tangents):
    p, y, positive = primals
    value = bernoulli_nll(p, y, positive)

    def in_y():
        return log1p(-p) - positive * jnp.log(p)

    def in_positive():
        return times(y, -jnp.log(p))

    in_p = lambda: _bernoulli_slope(p, y, positive)  # noqa: E731
    return value, tangent(value, (in_p, tangents[0]), (in_y, tangents[1]), (in_positive, tangents[2]))


@jax.custom_jvp
def _bernoulli_slope(p: jax.Array, y: jax.Array, positive: jax.Array) -> jax.Array:
    r"""$(1 - y) / (1 - p) - w y / p$, as one fraction, or the two halves of a soft label would cancel near p = y."""
    soft = ((p - y) + (1 - positive) * y * (1 - p)) / p / (1 - p)
    return jnp.where(y == 0, 1 / (1 - p), jnp.where(y == 1, -positive / p, soft))  # a hard label has one half, no 0 / 0


@rule(_bernoulli_slope)
def _(primals, tangents):
    p, y, positive = primals
    value = _bernoulli_slope(p, y, positive)
    inverse, complement = divide(jnp.ones_like(p), p), divide(jnp.ones_like(p), 1 - p)

    def in_p():
        positives = times(positive * y, inverse) * jnp.where(y == 0, jnp.ones_like(p), inverse)
        return positives + times(1 - y, complement) * jnp.where(y == 1, jnp.ones_like(p), complement)

    def in_y():
        return -complement - positive * inverse

    return value, tangent(value, (in_p, tangents[0]), (in_y, tangents[1]), (lambda: -times(y, inverse), tangents[2]))


@jax.custom_jvp
def focal(c: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$q^\gamma c$ with $q = 1 - e^{-c}$: the focal loss of an example of cross-entropy $c \ge 0$."""
    return times(_unlikely_power(c, gamma), c)


@rule(focal)
def _(primals, tangents):
    c, gamma = primals
    value = focal(c, gamma)

    def in_c():
        # q^gamma + gamma q^(gamma - 1) (1 - q) c, written without the power that is infinite at c = 0.
        return _unlikely_power(c, gamma) * (1 + gamma * _bernoulli_ratio(c))

    def in_gamma():
        return times(value, log1mexp(c))

    return value, tangent(value, (in_c, tangents[0]), (in_gamma, tangents[1]))


@jax.custom_jvp
def _unlikely_power(c: jax.Array, gamma: jax.Array) -> jax.Array:
    r"""$(1 - e^{-c})^\gamma$."""
    return jnp.power(-expm1(-c), gamma)


@rule(_unlikely_power)
def _(primals, tangents):
    c, gamma = primals
    value = _unlikely_power(c, gamma)

    def in_c():
        # At c = 0, where the slope may be infinite, it only ever multiplies the slope of c, which is 0 there.
        slope = gamma * value / jnp.where(c == 0, jnp.ones_like(c), expm1(c))
        return jnp.where(c == 0, jnp.zeros_like(c), slope)

    return value, tangent(value, (in_c, tangents[0]), (lambda: times(value, log1mexp(c)), tangents[1]))


@jax.custom_jvp
def _bernoulli_ratio(c: jax.Array) -> jax.Array:
    r"""$c / (e^c - 1)$, 1 at 0."""
    return jnp.where(c == 0, jnp.ones_like(c), jnp.minimum(c, 1e4) / jnp.where(c == 0, jnp.ones_like(c), expm1(c)))


@rule(_bernoulli_ratio)
def _(primals, tangents):
    (c,) = primals
    small = jnp.abs(c) < 0.1
    u = jnp.where(small, jnp.ones_like(c), jnp.minimum(c, 1e4))
    ratio = _bernoulli_ratio(u)
    series = -0.5 + c / 6 - c * c * c / 180
    return _bernoulli_ratio(c), jnp.where(small, series, (ratio * (1 - ratio) - u * ratio) / u) * tangents[0]
