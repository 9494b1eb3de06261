r"""The negative log-likelihood of a mixture, from those of its components, and its responsibilities."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import compiled, rule, tangent
from jaxloss.numerics._shapes import Axes
from jaxloss.numerics.elementary import expm1, log1p
from jaxloss.numerics.guarded import clip_infinite
from jaxloss.numerics.log_sum_exp import log_softmax, logsumexp, slope_of_logs, softmax, softmax_parts


@partial(jax.custom_jvp, nondiff_argnums=(2,))
@compiled(2)
def mixture_nll(losses: jax.Array, logits: jax.Array, axes: Axes) -> jax.Array:
    r"""$-\log \sum_k \pi_k e^{-\ell_k}$ with $\pi$ the softmax of the logits; infinite where nothing is possible.

    Where most of the weight is on components of nearly the least loss, it is that loss and a logarithm near 0.
    """
    absent = logits == -jnp.inf
    present = jnp.where(absent, filled(losses, jnp.inf), losses)
    least = clip_infinite(jnp.min(present, axes, keepdims=True))
    shortfall = jnp.sum(softmax(logits, axes) * -expm1(least - present), axes)
    close = shortfall <= 0.5
    near = jnp.squeeze(least, axes) - log1p(-jnp.where(close, shortfall, jnp.zeros_like(shortfall)))
    far = -logsumexp(jnp.where(absent, filled(losses, -jnp.inf), log_softmax(logits, axes) - present), axes)
    return jnp.where(close & jnp.isfinite(far), near, far)


@rule(mixture_nll)
def _mixture_nll_jvp(axes, primals, tangents):
    losses, logits = primals
    value = mixture_nll(losses, logits, axes)
    likely, small = _parts(_joint(losses, logits, axes), axes)

    def in_logits():
        # The weights less the responsibilities, which are exact where both are near 1.
        prior, rest = _parts(logits, axes)
        return (prior - likely) + (small - rest)

    terms = (lambda: likely - small, tangents[0]), (in_logits, tangents[1])
    return value, jnp.sum(tangent(losses, *terms), axes)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _parts(x: jax.Array, axes: Axes) -> tuple[jax.Array, jax.Array]:
    """`softmax_parts`, whose slopes keep their digits in reverse mode too: they are the curvatures of the loss."""
    return softmax_parts(x, axes)


@rule(_parts)
def _parts_jvp(axes, primals, tangents):
    (x,), (t,) = primals, tangents
    likely, small = _parts(x, axes)
    return (likely, small), (jnp.zeros_like(likely), (small - likely) * slope_of_logs(x, t, axes))


def _joint(losses: jax.Array, logits: jax.Array, axes: Axes) -> jax.Array:
    """The logits less their maximum and the losses; a component of weight 0 may have any loss."""
    absent = logits == -jnp.inf
    top = jax.lax.stop_gradient(clip_infinite(jnp.max(logits, axes, keepdims=True)))
    return (logits - top) - jnp.where(absent, jnp.zeros_like(losses), losses)
