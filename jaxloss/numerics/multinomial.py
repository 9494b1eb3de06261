r"""The negative log-likelihood of counts over classes from logits, free of cancellation.

With $p_k$ the softmax of the logits and n the sum of the counts $t_k$ it is

$$\sum_k \left(t_k \log \frac{t_k}{n p_k} - t_k + n p_k\right)
    + \sum_k (\log t_k! - t_k \log t_k + t_k) - (\log n! - n \log n + n),$$

in which no term is larger than the logarithms of the counts, or than the divergence itself.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics._rule import pushed, rule
from jaxloss.numerics._shapes import Axes
from jaxloss.numerics.factorial import log_peak
from jaxloss.numerics.growth import log_growth_excess
from jaxloss.numerics.guarded import one_if_zero
from jaxloss.numerics.log_ratio import log_ratio
from jaxloss.numerics.log_sum_exp import log_softmax
from jaxloss.numerics.polygamma import digamma
from jaxloss.numerics.target_cross_entropy import target_nll


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def multinomial_nll(x: jax.Array, counts: jax.Array, axes: Axes) -> jax.Array:
    r"""$\sum_k \log t_k! - \log n! + \sum_k t_k (\log \sum_j e^{x_j} - x_k)$ over the axes of the classes.

    A class of count 0 contributes 0 at a logit of minus infinity.
    """
    n = jnp.sum(counts, axes, keepdims=True)
    some, log_p = counts > 0, log_softmax(x, axes)
    expected, count = n * jnp.exp(log_p), jnp.where(some, counts, jnp.ones_like(counts))
    log = log_ratio(jnp.broadcast_to(one_if_zero(n), count.shape), count) + log_p
    excess = log_growth_excess(expected - count, count, expected, log)
    # Of counts in one class the second difference is 0: added first, its terms would round a confident loss to 0.
    divergence = jnp.sum(jnp.where(some, excess, expected), axes)
    return divergence + (jnp.sum(log_peak(counts), axes) - jnp.squeeze(log_peak(n), axes))


@rule(multinomial_nll)
def _multinomial_nll_jvp(axes, primals, tangents):
    _, counts = primals
    # All but the factorials is the cross-entropy of the counts.
    along = pushed(lambda x, t: jnp.squeeze(target_nll(x, t, None, axes)[0], axes), primals, tangents)
    if not isinstance(tangents[1], SymbolicZero):
        n = jnp.sum(counts, axes, keepdims=True)
        along = along + jnp.sum((digamma(counts + 1) - digamma(n + 1)) * tangents[1], axes)
    return multinomial_nll(*primals, axes), along
