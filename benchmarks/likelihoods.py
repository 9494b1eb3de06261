"""The likelihoods, deviances and scores of the benchmark beside the formula that is written by hand with JAX.

The formulas are those of the textbooks, with `jax.scipy.special`; where an array is a parameter, it is a number here.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import peers
import shapes
from jax.scipy.special import betaln, gammaln, i0e, ndtr, xlogy
from peers import Row

import jaxloss

R, SCALE, TRIALS, GATE = 2.5, 1.5, 10.0, -0.5


def successes(shape):
    x, _ = peers.errors(shape)
    return x, np.random.default_rng(1).integers(0, TRIALS + 1, shape).astype(np.float32)


def amounts(shape):
    """Logarithms of means, and positive numbers."""
    rng = np.random.default_rng(0)
    return 0.5 * rng.standard_normal(shape, dtype=np.float32), rng.gamma(2, 1, shape).astype(np.float32)


def shares(shape):
    x, _ = peers.errors(shape)
    return x, np.random.default_rng(1).uniform(0.05, 0.95, shape).astype(np.float32)


def _negative_binomial(x, k):
    m = jnp.exp(x)
    return gammaln(R) + gammaln(k + 1) - gammaln(k + R) - R * jnp.log(R / (R + m)) - k * (x - jnp.log(R + m))


def _zero_inflated_poisson(x, k):
    zero = -jnp.logaddexp(jax.nn.log_sigmoid(GATE), jax.nn.log_sigmoid(-GATE) - jnp.exp(x))
    return jnp.where(k == 0, zero, jnp.exp(x) - k * x + gammaln(k + 1) - jax.nn.log_sigmoid(-GATE))


def _hurdle_poisson(x, k):
    r = jnp.exp(x)
    counted = r - k * x + gammaln(k + 1) + jnp.log1p(-jnp.exp(-r)) - jax.nn.log_sigmoid(-GATE)
    return jnp.where(k == 0, -jax.nn.log_sigmoid(GATE), counted)


def _binomial(x, k):
    coefficient = gammaln(TRIALS + 1) - gammaln(k + 1) - gammaln(TRIALS - k + 1)
    return -coefficient - k * jax.nn.log_sigmoid(x) - (TRIALS - k) * jax.nn.log_sigmoid(-x)


def _beta_binomial(x, k):
    a, b = R * jax.nn.sigmoid(x), R * jax.nn.sigmoid(-x)
    coefficient = gammaln(TRIALS + 1) - gammaln(k + 1) - gammaln(TRIALS - k + 1)
    return -coefficient - betaln(k + a, TRIALS - k + b) + betaln(a, b)


def _gamma(x, t):
    return gammaln(R) - R * (math.log(R) - x) - (R - 1) * jnp.log(t) + R * t * jnp.exp(-x)


def _inverse_gaussian(x, t):
    return 0.5 * (math.log(2 * math.pi / R) + 3 * jnp.log(t)) + 0.5 * R * jnp.square(t * jnp.exp(-x) - 1) / t


def _beta(x, t):
    a, b = R * jax.nn.sigmoid(x), R * jax.nn.sigmoid(-x)
    return betaln(a, b) - (a - 1) * jnp.log(t) - (b - 1) * jnp.log1p(-t)


def _student_t(x, t):
    z = (t - x) / SCALE
    constant = gammaln(R / 2) - gammaln((R + 1) / 2) + 0.5 * math.log(R * math.pi) + math.log(SCALE)
    return constant + 0.5 * (R + 1) * jnp.log1p(z * z / R)


def _laplace(x, t):
    return jnp.abs(t - x) / SCALE + math.log(2 * SCALE)


def _gaussian(x, t):
    return 0.5 * jnp.square((t - x) / SCALE) + math.log(SCALE) + 0.5 * math.log(2 * math.pi)


def _von_mises(x, t):
    return math.log(2 * math.pi) + jnp.log(i0e(R)) + R - R * jnp.cos(x - t)


def _weibull(x, t):
    z = R * (jnp.log(t) - x)
    return jnp.exp(z) - z - math.log(R) + jnp.log(t)


def _log_normal(x, t):
    return _gaussian(x, jnp.log(t)) + jnp.log(t)


def _log_logistic(x, t):
    z = (jnp.log(t) - x) / SCALE
    return 2 * jax.nn.softplus(z) - z + math.log(SCALE) + jnp.log(t)


def _tweedie(x, t):
    a = 2 * jnp.power(t, 0.5) / 0.5 / -0.5
    return a - 2 * t * jnp.exp(-0.5 * x) / -0.5 + 2 * jnp.exp(0.5 * x) / 0.5


def _gamma_deviance(x, t):
    return 2 * (x - jnp.log(t) + t * jnp.exp(-x) - 1)


def _binomial_deviance(x, k):
    own = xlogy(k, k / TRIALS) + xlogy(TRIALS - k, 1 - k / TRIALS)
    return 2 * (own - k * jax.nn.log_sigmoid(x) - (TRIALS - k) * jax.nn.log_sigmoid(-x))


def _crps_gaussian(x, t):
    z = (t - x) / SCALE
    density = jnp.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return SCALE * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))


def _crps_logistic(x, t):
    z = (t - x) / SCALE
    return SCALE * (z - 2 * jax.nn.log_sigmoid(z) - 1)


def _crps_laplace(x, t):
    z = jnp.abs(t - x) / SCALE
    return SCALE * (z + jnp.exp(-z) - 0.75)


def _quantile(x, t):
    return jnp.where(t >= x, 0.8 * (t - x), 0.2 * (x - t))


def _expectile(x, t):
    return jnp.where(t >= x, 0.8, 0.2) * jnp.square(t - x)


def rows() -> list[Row]:
    E, more = shapes.ELEMENTWISE, {"concentration": R}
    table = [
        (jaxloss.negative_binomial_nll, more, peers.log_rates, _negative_binomial),
        (jaxloss.zero_inflated_poisson_nll, {"gate_logits": GATE}, peers.log_rates, _zero_inflated_poisson),
        (jaxloss.hurdle_poisson_nll, {"gate_logits": GATE}, peers.log_rates, _hurdle_poisson),
        (jaxloss.binomial_nll, {"total_count": TRIALS}, successes, _binomial),
        (jaxloss.beta_binomial_nll, {"total_count": TRIALS, **more}, successes, _beta_binomial),
        (jaxloss.gamma_nll, more, amounts, _gamma),
        (jaxloss.inverse_gaussian_nll, more, amounts, _inverse_gaussian),
        (jaxloss.beta_nll, more, shares, _beta),
        (jaxloss.student_t_nll, {"degrees_of_freedom": R, "scale": SCALE}, peers.errors, _student_t),
        (jaxloss.laplace_nll, {"scale": SCALE}, peers.errors, _laplace),
        (jaxloss.gaussian_nll, {"scale": SCALE, "full": True}, peers.errors, _gaussian),
        (jaxloss.von_mises_nll, more, peers.errors, _von_mises),
        (jaxloss.weibull_nll, more, amounts, _weibull),
        (jaxloss.log_normal_nll, {"scale": SCALE}, amounts, _log_normal),
        (jaxloss.log_logistic_nll, {"scale": SCALE}, amounts, _log_logistic),
        (jaxloss.tweedie_deviance, {"power": 1.5}, amounts, _tweedie),
        (jaxloss.gamma_deviance, {}, amounts, _gamma_deviance),
        (jaxloss.binomial_deviance, {"total_count": TRIALS}, successes, _binomial_deviance),
        (jaxloss.crps_gaussian, {"scale": SCALE}, peers.errors, _crps_gaussian),
        (jaxloss.crps_logistic, {"scale": SCALE}, peers.errors, _crps_logistic),
        (jaxloss.crps_laplace, {"scale": SCALE}, peers.errors, _crps_laplace),
        (jaxloss.quantile_loss, {"quantile": 0.8}, peers.errors, _quantile),
        (jaxloss.expectile_loss, {"expectile": 0.8}, peers.errors, _expectile),
    ]
    return [
        Row(fn.__name__, lambda x, y, fn=fn, given=given: fn(x, y, **given), data, E, {"jax": formula})
        for fn, given, data, formula in table
    ]
